"""Pictures and sounds of a run, read only if they are what their name says."""
