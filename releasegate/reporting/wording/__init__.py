"""Numbers, statuses and texts as people read them."""
