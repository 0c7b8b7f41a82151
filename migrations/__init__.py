"""The verbs: each move of a migration in a file of its own, said in the core's ports alone."""
