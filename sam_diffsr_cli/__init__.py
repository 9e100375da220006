"""Residual diffusion super-resolution with structure-modulated noise (SAM-DiffSR)."""

__all__ = ["__version__"]

__version__ = "0.1.0"
