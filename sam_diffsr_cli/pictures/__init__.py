"""Picture files: what is in them, reading them whole, and writing them so that nothing is lost."""
