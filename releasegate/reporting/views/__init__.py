"""What pages show, as plain data: templates loop over it and decide nothing."""
