"""The page of what changed between two decisions, or two policies."""
