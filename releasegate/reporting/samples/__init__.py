"""Samples to look at, to listen to and to read."""
