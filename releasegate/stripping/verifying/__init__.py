"""A stripped folder against its receipt, with or without the source."""
