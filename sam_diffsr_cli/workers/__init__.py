"""Workers that share a list of work: processes of this machine, or actors of a Ray cluster."""
