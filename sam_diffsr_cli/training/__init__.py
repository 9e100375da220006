"""Training: photos in memory, the two objectives, the loop, and its resumable state."""
