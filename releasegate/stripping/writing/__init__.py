"""A plan to a folder on disk: byte ranges copied and edited, hashed in the same pass, there at once or not at all."""
