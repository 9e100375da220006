"""Speed and memory of models on this machine, beside what the machine can do at most."""
