"""Queries for records that nobody has searched yet: from a language model, or from the records themselves."""
