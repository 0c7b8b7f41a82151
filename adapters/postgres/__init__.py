"""PostgreSQL with pgvector: triggers and an outbox capture, a side table is filled, one row is the switch."""

from __future__ import annotations

from .store import PostgresStore


def connect(url: str) -> PostgresStore:
    """A store for ``postgresql://…``; BadValue for what is no such URL, StoreFailed when nobody answers."""
    return PostgresStore(url)


__all__ = ["PostgresStore", "connect"]
