"""Commands; settings from every source are merged here and nowhere else."""
