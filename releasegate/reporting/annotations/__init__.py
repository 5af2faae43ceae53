"""What CI systems show beside the lines of a file, and the forms in which they read it. Pure; needs none of what makes pages."""
