"""One pass over the samples of a run: tallies, and the few samples that are shown."""
