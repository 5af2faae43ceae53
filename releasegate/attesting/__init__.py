"""What goes public, attested by whoever made it and verified by whoever receives it. No torch."""
