"""The mathematics of the method: pure functions on tensors, no files, no networks."""
