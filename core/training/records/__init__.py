"""What a run leaves on disk: ``rundir`` (its own directory), ``card`` (the model's papers), ``curves`` (the picture)."""
