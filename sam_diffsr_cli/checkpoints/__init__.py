"""Weights on disk: our safetensors files, the authors' checkpoints, and which are bundled."""
