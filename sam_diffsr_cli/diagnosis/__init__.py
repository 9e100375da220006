"""What this installation is made of, whether it works, and what to do where it does not."""
