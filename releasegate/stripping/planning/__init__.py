"""A recipe and a checkpoint to a plan: what each pattern means, every tensor and file accounted for once."""
