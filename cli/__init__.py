"""The hand: one file for each command, and the one place where everything is put together."""
