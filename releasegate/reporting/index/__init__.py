"""The index over several runs, each of which has a report of its own."""
