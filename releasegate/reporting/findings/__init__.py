"""Findings, measures and digests, as plain data."""
