"""Writers and deleters who go on while an operator's verbs run: through a Mirror, or past it by the driver's own client.

Each remembers what it was told had been done to the keys that it alone writes; a few keys are written by everybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from uuid import UUID

import numpy as np
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.space import Role
from weaviate.classes.data import DataObject
from weaviate.exceptions import WeaviateInsertManyAllFailedError
from weaviate_objects import NEW, OLD, uid
from weaviate_walk import Walk

if TYPE_CHECKING:
    from weaviate import WeaviateClient

COMMON: Final = 5
"""The first objects are written by everybody."""
OWN: Final = 40
WALL: Final = ("new node has a vector with length", "vector lengths don't match", "dimension")
"""What the server says to a vector of the side that was live a moment ago."""

Act = Callable[["Writer", UUID, str | None], None]
"""Writes the text of a key, or deletes it."""


@dataclass(slots=True)
class Writer:
    """One thread of the application. It alone writes ``OWN`` keys from ``first`` on, and remembers what it was told."""

    first: int
    act: Act
    drawn: np.random.Generator
    lasting: bool = False
    """Deletes nothing that it wrote since the last verb began."""
    known: dict[UUID, str | None] = field(default_factory=dict)
    fresh: set[UUID] = field(default_factory=set)
    steps: int = 0
    refused: int = 0
    """How often the wall of widths stopped it."""

    def step(self) -> None:
        own = self.drawn.random() < 0.9
        key = uid(self.first + int(self.drawn.integers(OWN)) if own else int(self.drawn.integers(COMMON)))
        gone = self.drawn.random() < 0.3 and not (self.lasting and (key in self.fresh or not own))
        body = None if gone else f"of {self.first}, step {self.steps}"
        self.fresh.add(key)
        self.act(self, key, body)
        if own:
            self.known[key] = body
        self.steps += 1


def through(mirror: Mirror) -> Act:
    """By Mirror, in every way that an object can be written."""

    def act(writer: Writer, key: UUID, body: str | None) -> None:
        told = {"body": body, "team": f"of {writer.first}"}
        if body is None:
            mirror.delete(key)
        elif key in writer.known and writer.known[key] is not None and writer.steps % 3:
            (mirror.update if writer.steps % 3 == 1 else mirror.replace)(key, told)
        elif writer.steps % 2:
            with mirror.batch.fixed_size(10) as batch:
                batch.add_object(told, uuid=key)
            assert not mirror.batch.failed_objects, mirror.batch.failed_objects
        else:
            done = mirror.insert_many([DataObject(told, uuid=key)])
            assert not done.has_errors, done.errors

    return act


def past(walk: Walk, client: WeaviateClient) -> Act:
    """By the driver, past every Mirror: through the alias with vectors of the side that it believes to be live."""
    papers, sides = client.collections.use(walk.server_alias), {"width": 16}

    def act(writer: Writer, key: UUID, body: str | None) -> None:
        if body is None:
            _deleted(walk, client, key)
            return
        while True:
            vector = (OLD if sides["width"] == 16 else NEW).encode([body], Role.DOCUMENT).matrix[0].tolist()
            told = DataObject({"body": body, "team": "past"}, uuid=key, vector=vector + [0.0] * (sides["width"] - len(vector)))
            try:
                papers.data.insert_many([told])
            except WeaviateInsertManyAllFailedError as error:
                if not any(said in str(error) for said in WALL):
                    raise
                writer.refused += 1
                sides["width"] = 33 - sides["width"]
            else:
                return

    return act


def _deleted(walk: Walk, client: WeaviateClient, key: UUID) -> None:
    """By the collection's own name, since nothing is deleted through an alias; again where the alias was moved meanwhile."""
    site = ""
    while site != (site := walk.named()):
        client.collections.use(site).data.delete_by_id(key)
