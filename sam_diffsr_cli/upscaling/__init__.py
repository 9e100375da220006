"""Pixels in, larger pixels out: where model, sampling, noise, tiles and colour meet."""
