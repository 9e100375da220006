"""Evaluation: pictures whose truth is known, ways to enlarge them, and how close they come."""
