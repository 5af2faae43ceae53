"""A finished strip searched for what was to go: the same bytes, the same numbers in another form, texts that offer it."""
