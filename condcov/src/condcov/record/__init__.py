"""What a run records: which files, where the probes go, and how the data gets to disk."""
