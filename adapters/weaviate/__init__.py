"""Weaviate: a collection for each space, the server's alias before them, and a ledger for what no transaction holds together."""

from __future__ import annotations

from transvase.adapters import ledger
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import connected

from .store import WeaviateStore


def connect(url: str) -> WeaviateStore:
    """A store for ``weaviate://…``, whose ledger is opened when it is first needed.

    BadValue for what is no such URL, StoreFailed when nobody answers, Unfit where the server is too old or knows nobody of our
    key.
    """
    address = Address.parse(url)
    host = address.hosts[0]
    where = address.journal
    return WeaviateStore(connected(address), lambda: ledger.connect(where) if where else ledger.at_home(host.name, host.rest))


__all__ = ["WeaviateStore", "connect"]
