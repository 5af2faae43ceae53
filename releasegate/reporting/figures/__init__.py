"""The figures that an eval card asks for, as plain data."""
