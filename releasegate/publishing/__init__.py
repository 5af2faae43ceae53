"""What goes public of a run whose weights may: composed, written into a folder of its own, and uploaded."""
