"""Sound: reading, resampling, and how good a clip still is beside what it was."""
