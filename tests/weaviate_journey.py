"""A walk whose moves may be killed, the application that writes on the way, and the end that must not depend on it.

Each move is typed once more after it was killed; between the two the application writes, through a Mirror and past it. What it
writes, and what must be there because of it, is said by those who make such a walk.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.declaration import Declaration
from transvase.core.errors import UnknownName
from transvase.migrations.sync import Worker
from weaviate_gallows import LEADS_TO, Gallows
from weaviate_independent import Json, Reader
from weaviate_walk import ENCODERS, Walk, encoder

UNSEEN: Final = frozenset({"fill", "prove", "cutover", "rollback"})
"""Moves that compare both sides before they do anything: what was written past the Mirror is found by them."""

_TABLES: Final = {
    "migrations": "SELECT attempt, phase FROM migrations",
    "owed": "SELECT tenant, uuid, only_site, first_site, writer FROM owed WHERE settled = 0",
    "captures": "SELECT alias, live, shadow, active FROM captures",
    "doubts": "SELECT why FROM doubts",
    "places": "SELECT site, finished FROM places",
    "marks": "SELECT alias, site FROM marks",
}
"""What of the ledger must be the same in the end."""


@dataclass(kw_only=True)
class Journey:
    """A walk and its moves. ``steps``: how many each of those that were made to their end had."""

    walk: Walk
    gallows: Gallows
    moves: tuple[str, ...]
    steps: list[int] = field(default_factory=list)
    _mirror: Mirror | None = None

    @property
    def reader(self) -> Reader:
        return Reader(self.walk.application.web)

    @property
    def mirror(self) -> Mirror:
        """The application's; there is none before the alias is."""
        if self._mirror is None:
            self._mirror = Mirror(self.walk.store, self.walk.alias, encoders=ENCODERS)
        return self._mirror

    def close(self) -> None:
        if self._mirror is not None:
            self._mirror.close()

    def again(self, at: int) -> None:
        """The same word once more; a refusal is right only where the move had been made already."""
        end = self.gallows.make(self.walk, self.moves[at])
        assert end.signal == 0
        if end.said:
            assert end.said.startswith(("IllegalMove", "NotReady")), end.said
            migration = self.walk.store.journal.load(self.walk.alias)
            assert migration is not None
            assert migration.phase is LEADS_TO[self.moves[at]], end.said
        self.steps.append(end.steps)

    def sides(self, at: int) -> list[Declaration]:
        """The live side, and the other one once it is full; nothing is owed or in doubt, and the server's alias is right."""
        walk = self.walk
        seen = walk.store.alias(walk.alias)
        assert Worker(walk.store, walk.alias, encoder).drain(deadline_s=30) == 0
        left = walk.store.outbox(walk.alias).owed(), walk.store.ledger.doubts(walk.alias)
        assert left == (0, []), left
        assert walk.named() == seen.live.name
        return [seen.live] if seen.shadow is None or at < self.moves.index("fill") else [seen.live, seen.shadow]

    def adopted(self) -> bool:
        try:
            self.walk.store.alias(self.walk.alias)
        except UnknownName:
            return False
        return True

    def state(self) -> dict[str, Any]:
        """Everything that must not depend on whether a process was killed, without the names of this walk."""
        walk = self.walk
        web, alias = walk.application.web, walk.store.alias(walk.alias)
        with closing(sqlite3.connect(Path(walk.store.ledger.where))) as ledger:
            tables = {name: sorted(ledger.execute(query).fetchall()) for name, query in _TABLES.items()}
        found = {
            "sides": (alias.live.name, alias.shadow, alias.generation),
            "collections": sorted(one["class"] for one in web.get("/v1/schema").json()["classes"] if self._mine(one["class"])),
            "aliases": sorted(str(one) for one in web.get("/v1/aliases").json()["aliases"] if self._mine(one["class"])),
            "declared": [str(one) for one in walk.store.control.indexes(walk.alias)],
            "objects": self.objects(alias.live.name),
            "ledger": tables,
        }
        words = json.dumps(found, default=str, sort_keys=True)
        names = {alias.live.name: "TARGET", walk.table: "TABLE", walk.server_alias: "ALIAS", walk.alias: "ALIAS"}
        for name in sorted(names, key=len, reverse=True):
            words = words.replace(name, names[name])
        plain: dict[str, Any] = json.loads(words)
        return plain

    def objects(self, name: str) -> Json:
        """What the end is compared by of each object."""
        return {str(uuid): one["properties"] for uuid, one in self.reader.objects(name).items()}

    def _mine(self, name: str) -> bool:
        return name.startswith((self.walk.table, self.walk.server_alias))
