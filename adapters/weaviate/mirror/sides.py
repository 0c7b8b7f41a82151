"""Where a write has to go just now: which side is live, which is kept beside it, and what their collections look like.

The alias is looked at anew when the capture's number has changed, when the watch tells of another generation, and without a watch
once a second: so a cutover is followed without being told, and no write waits for a look.

What only the cluster's leader knows may be a minute in coming when that one is gone: a request that was under way to it is not
given up by the host that sent it (59 s were seen). So it is not asked here where another answer will do.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from threading import Lock
from typing import Final

from transvase.adapters.ledger.figures import Epoch
from transvase.adapters.weaviate.collections.names import canonical
from transvase.adapters.weaviate.collections.schema import Raw, schema_here, schema_of, vector_kind, vector_kinds
from transvase.adapters.weaviate.collections.shape import Shape, shaped
from transvase.adapters.weaviate.objects.reading import Lens
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.texts import expression
from transvase.adapters.weaviate.objects.writing import aligned
from transvase.core.declaration import Alias, Declaration

LOOKED_S: Final = 1.0
KNOWN_S: Final = 10.0
"""How long the settings of a collection are believed; a property that is not known is looked for at once."""
BROUGHT: Final = "none"
"""The module of a vector that its writer brings."""


@dataclass(frozen=True, slots=True)
class Place:
    """A collection as it was described last, and what makes the vector that moves: a module, or nobody but the writer."""

    shape: Shape
    module: str
    at: float
    alone: bool
    """True where no module of the server's makes any vector: an object is what its writer sent."""

    @property
    def brought(self) -> bool:
        """True where a writer has to bring the vector."""
        return self.module == BROUGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Where one write goes. ``shadow`` is None where nothing is captured."""

    alias: Alias
    live: Declaration
    shadow: Declaration | None
    unclear: bool = False
    """Captured between sites that the alias does not name (yet): whatever is written stays owed."""
    kept: bool = False
    """There is no shadow, and the live side is captured by itself: its vectors are ours to keep."""

    @property
    def moving(self) -> str:
        """The name of the vector that moves."""
        return self.alias.source.vector

    @property
    def lens(self) -> Lens:
        """What is read of an object that goes to the other side."""
        return Lens(self.moving, vector=False)

    @property
    def ours(self) -> tuple[str, ...]:
        """Names that mean the live collection in a reference."""
        sides = (self.alias.live, self.alias.shadow)
        return (self.alias.name, canonical(self.alias.name), *(side.site for side in sides if side is not None))


class Sides:
    """The sides of one alias, shared by all threads of a mirror."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._lock = Lock()
        self._alias: Alias | None = None
        self._at, self._generation, self._epoch = 0.0, -1, -1
        self._places: dict[str, Place] = {}

    @property
    def alias(self) -> Alias:
        """The alias, at most about a second old."""
        alias, watch = self._alias, self._setting.watch
        if alias is None:
            return self.look()
        if watch is not None:
            return alias if watch.generation(self._setting.alias) == self._generation else self.look()
        return alias if time.monotonic() - self._at < LOOKED_S else self.look()

    def look(self) -> Alias:
        """Ask the server now."""
        watch = self._setting.watch
        generation = -1 if watch is None else watch.generation(self._setting.alias)
        alias = self._setting.look() if watch is None else watch.now(self._setting.alias)
        with self._lock:
            self._alias, self._at, self._generation = alias, time.monotonic(), generation
        return alias

    def course(self, epoch: Epoch) -> Course:
        """Where a write goes whose intent was made before ``epoch`` was read."""
        alias = self.alias
        if epoch.number != self._epoch:
            alias = self.look()
            self._epoch = epoch.number
        if epoch.on and epoch.live != epoch.shadow and not _named(alias, epoch):
            alias = self.look()
        if not epoch.on or epoch.live == epoch.shadow:
            return Course(alias=alias, live=alias.live, shadow=None, kept=epoch.on)
        if not _named(alias, epoch):
            return Course(alias=alias, live=alias.live, shadow=None, unclear=True)
        if alias.shadow is not None and alias.shadow.space is None:  # nobody can make its vectors, and no way leads back to it
            return Course(alias=alias, live=alias.live, shadow=None, kept=True)
        return Course(alias=alias, live=alias.live, shadow=alias.shadow)

    def place(self, site: str, names: Collection[str] = ()) -> Place:
        """The collection's description, asked for again when it knows one of the properties ``names`` not. Superseded."""
        known = self._places.get(site)
        if known is not None and time.monotonic() - known.at < KNOWN_S and known.shape.properties.keys() >= set(names):
            return known
        at, here = time.monotonic(), schema_here(self._setting.connection, site)
        if here is not None and here["class"] == site and {one["name"] for one in here.get("properties") or ()} >= set(names):
            return self._placed(here, at)
        return self.described(site)

    def described(self, site: str) -> Place:
        """The collection's description as it is just now, by the leader."""
        at = time.monotonic()
        return self._placed(schema_of(self._setting.connection, site), at)

    def _placed(self, raw: Raw, at: float) -> Place:
        alone = all(kind.module == BROUGHT for kind in vector_kinds(raw))
        return self._keep(Place(shaped(raw), vector_kind(raw, self.alias.source.vector).module, at, alone))

    def shadow_place(self, course: Course, names: Collection[str]) -> Place:
        """The shadow's description, after it was given those of the live side's properties that it lacks."""
        assert course.shadow is not None, "asked only where there is one"
        there = self.place(course.shadow.site, names)
        if there.shape.properties.keys() >= set(names):
            return there
        source = self.place(course.live.site, names)
        shape = aligned(self._setting.connection, source.shape, there.shape)
        return self._keep(replace(there, shape=shape, at=time.monotonic()))

    def text(self, course: Course, place: Place, properties: dict[str, object]) -> str | None:
        """The text of an object of these properties, whose numbers are told as a reader of the collection will find them."""
        plain, known = place.shape.plain, place.shape.properties
        told = {
            name: float(value)
            if isinstance(value, int) and not isinstance(value, bool) and plain and name in known and known[name].kind == "number"
            else int(value)
            if isinstance(value, float) and value.is_integer() and not (plain and name in known and known[name].kind == "number")
            else value
            for name, value in properties.items()
        }
        return expression(course.alias.source.text, place.shape)(told)

    def _keep(self, place: Place) -> Place:
        self._places[place.shape.name] = place
        return place


def _named(alias: Alias, epoch: Epoch) -> bool:
    """True while the alias names the two sites between which is captured, whichever is live."""
    return alias.shadow is not None and {alias.live.site, alias.shadow.site} == {epoch.live, epoch.shadow}
