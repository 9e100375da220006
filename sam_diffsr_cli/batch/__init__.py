"""Many pictures: what to do, in which order, under which names, and what became of each."""
