"""What a verdict was about, as a digest: the identity of both indexes, their files, their settings and declarations."""

from __future__ import annotations

import hashlib
import json

from transvase.core.ports import Declaration

from . import hnsw
from .aliases import Known
from .connections import Connection


def witness(connection: Connection, known: Known, index: str) -> str:
    """32 hexadecimal digits that change when a relation or its vector index is rewritten, emptied, dropped or declared anew.

    Rows come and go under capture without changing it: what the outbox keeps right need not be proven again.
    """
    declared = known.declaration(index)
    sides = sorted((known.alias.live, declared), key=lambda d: d.name) if declared != known.alias.live else [declared]
    facts = {
        "source": [known.alias.source.table, list(known.shape.key), known.shape.text],
        "sides": [_side(connection, known, side) for side in sides],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _side(connection: Connection, known: Known, side: Declaration) -> list[object]:
    ann = hnsw.valid(connection, known.shape, side)
    relation = None if side.adopted else hnsw.oid_of(connection, known.shape, side)
    files = connection.execute(
        "SELECT c.oid::bigint, pg_relation_filenode(c.oid)::bigint FROM pg_class c WHERE c.oid = ANY (%s) ORDER BY 1",
        ([oid for oid in (relation, ann.oid if ann else None) if oid is not None],),
    ).fetchall()
    return [side.name, side.label, side.text, side.width, side.metric, side.form, [list(row) for row in files]]
