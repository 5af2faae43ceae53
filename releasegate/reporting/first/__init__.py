"""The first screen of a report: may it go out, why, and what is not known."""
