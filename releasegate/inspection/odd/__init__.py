"""Odd numbers: what makes a checkpoint look weak and costs nothing to undo. Files are read, nothing is loaded."""
