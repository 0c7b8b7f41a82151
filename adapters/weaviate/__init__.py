"""Weaviate: a collection for each space, the server's alias before them, and a ledger for what no transaction holds together."""
