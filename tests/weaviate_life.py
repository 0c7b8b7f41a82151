"""One application's life in a collection of some kind: laid, then written in rounds by Mirror and past it, and what must be.

Each object is drawn from its number and a round, so that a later round of the same number differs in everything: its text, its
properties, the vectors that do not move, and where its references lead. A round writes numbers of its own and leaves the others
as they were laid.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.fence import Fenced
from transvase.core.ports import Declaration
from transvase.core.space import Role
from weaviate.classes.data import DataObject
from weaviate.collections.classes.internal import ReferenceToMulti
from weaviate_independent import Reader, apart, strange
from weaviate_kinds import Kind
from weaviate_objects import Json, text_property, uid, vector
from weaviate_rich import FULL
from weaviate_walk import ENCODERS, Walk

ROWS: Final = 120
BLANK: Final = 7
"""The object of this number has no text, and so no vector that moves."""
GONE: Final = 900
"""An object that was deleted, and to which that of the number ``LEADS_NOWHERE`` refers still."""
LEADS_NOWHERE: Final = 3
ASLEEP: Final = "eve"
WIDTH: Final = 16

Key = tuple[str, UUID]


@dataclass(slots=True)
class Life:
    """What one application does to its collection, and what it was told was done."""

    walk: Walk
    kind: Kind
    round: int = 0
    laid: dict[Key, Json] = field(default_factory=dict)
    """Every object as the server told it before anybody thought of a migration."""
    known: dict[Key, Json | None] = field(default_factory=dict)
    """What the objects that were written since must have among their properties; None for those that were deleted."""

    @property
    def people(self) -> str:
        """The collection beside, to which references lead too."""
        return f"{self.walk.table}_people"

    @property
    def reader(self) -> Reader:
        return Reader(self.walk.application.web)

    def asked(self, method: str, path: str, body: Any = None) -> None:
        answer = self.walk.application.web.request(method, path, json=body)
        assert answer.is_success, answer.text

    def lay(self) -> None:
        """Every object, and tenants of which one falls asleep."""
        application, kind, table = self.walk.application, self.kind, self.walk.table
        if kind.refers:
            application.make({"class": self.people, "properties": [text_property("called")], "vectorizer": "none"})
            application.put(self.people, *({"id": str(uid(n)), "properties": {"called": f"no. {n}"}} for n in range(3)))
            for prop, targets in (("next", [table]), ("by", [self.people]), ("about", [table, self.people])):
                self.asked("POST", f"/v1/schema/{table}/properties", {"name": prop, "dataType": targets})
        if kind.tenants != ("",):
            application.tenants(table, **dict.fromkeys(kind.tenants, "ACTIVE"))
        if kind.added:
            application.grow(table, dict(kind.added))
        for tenant in kind.tenants:
            objects = [self.whole(n, tenant, site=table, by="old", width=WIDTH) for n in range(ROWS)]
            if kind.refers:  # no object refers to what is not there yet
                application.put(table, *({**one, "properties": {}} for one in objects), {**objects[0], "id": str(uid(GONE))})
            application.put(table, *objects)
            if kind.refers:
                self.asked("DELETE", f"/v1/objects/{table}/{uid(GONE)}{f'?tenant={tenant}' * bool(tenant)}")
        self.laid = self.reader.everything(table)
        assert len(self.laid) == ROWS * len(kind.tenants)
        if ASLEEP in kind.tenants:
            self.asked("PUT", f"/v1/schema/{table}/tenants", [{"name": ASLEEP, "activityStatus": "INACTIVE"}])

    # ------------------------------------------------------------ what an object is

    def whole(self, number: int, tenant: str, *, site: str, by: str, width: int) -> Json:
        """The object of this number in this round, with a vector by that encoder, as REST takes it."""
        body, vectors = self.text(number, tenant), self.others(number)
        moving = {} if body is None else {self.kind.moving: _encoded(body, by, width)}
        vectors |= {name: row for name, row in moving.items() if name}
        return {
            "id": str(uid(number)),
            "properties": {**self.properties(number, tenant), **self.beacons(number, site)},
            **({"vectors": vectors} if vectors else {}),
            **({"vector": moving[""]} if "" in moving else {}),
            **({"tenant": tenant} if tenant else {}),
        }

    def text(self, number: int, tenant: str) -> str | None:
        return None if number == BLANK else f"text {number} of round {self.round}{' for ' * bool(tenant)}{tenant}"

    def properties(self, number: int, tenant: str) -> Json:
        body, n = self.text(number, tenant), number * 1_000 + self.round
        rich = {**FULL, "n": n, "tags": [f"round {self.round}"]} if self.kind.rich and number % 3 else {}
        rich.pop("body", None)
        return {**rich, "team": f"team {self.round}", **({} if body is None else {"body": body})}

    def others(self, number: int) -> Json:
        """The vectors that do not move; some objects lack some of them."""
        seed = number + 1_000 * self.round
        drawn = {"stays": vector(seed, 4), "rows": [vector(seed + 500 + row, 8) for row in range(2)]}
        return {name: drawn[name] for i, name in enumerate(self.kind.others) if (number + i) % 5}

    def leads(self, number: int, site: str) -> dict[str, list[tuple[str, UUID]]]:
        """Where the references of an object lead: to which collection, and to which of its objects."""
        if not self.kind.refers or number % 4 == 0:
            return {}
        itself, person = (
            (site, uid(GONE if number == LEADS_NOWHERE else number % 12 * 10)),
            (self.people, uid((number + self.round) % 3)),
        )
        return {"next": [itself], "by": [person], **({"about": [person, itself]} if number % 2 else {})}

    def beacons(self, number: int, site: str) -> Json:
        return {
            name: [{"beacon": f"weaviate://localhost/{to}/{uuid}"} for to, uuid in some]
            for name, some in self.leads(number, site).items()
        }

    def references(self, number: int) -> dict[str, Any]:
        """The same as the driver has it, whose lists are of one collection each."""
        found = self.leads(number, self.walk.server_alias)
        return {name: ReferenceToMulti(target_collection=some[-1][0], uuids=some[-1][1]) for name, some in found.items()}

    # ------------------------------------------------------------ what is written

    def live(self, mirror: Mirror, *, strangers: bool = True) -> None:
        """One round of everything that an application does, in each tenant that is awake; without tenants for tenants."""
        self.round += 1
        for tenant in self.kind.tenants:
            if tenant != ASLEEP:
                self._mirrored(mirror.with_tenant(tenant) if tenant else mirror, tenant)
                if strangers:
                    self._strange(tenant)

    def _mirrored(self, mirror: Mirror, tenant: str) -> None:
        new, anew, one, edited, beside, gone = (start + self.round for start in (1_000, 10, 20, 30, 40, 50))
        for write, number in ((mirror.insert, new), (_replaced(mirror), anew), (_one_of_many(mirror), one)):
            write(self.properties(number, tenant), self.references(number), uid(number), self.others(number) or None)
            self._know(number, tenant, self.properties(number, tenant))
        mirror.update(uid(edited), {"body": self.text(edited, tenant)}, vector=self.others(edited) or None)
        self._know(edited, tenant, {"body": self.text(edited, tenant), "team": "team 0"})
        mirror.update(uid(beside), {"team": "another"})
        self._know(beside, tenant, {"team": "another", "body": f"text {beside} of round 0{' for ' * bool(tenant)}{tenant}"})
        assert mirror.delete(uid(gone))
        self._know(gone, tenant, None)
        if self.kind.refers:
            mirror.reference_add(uid(60 + self.round), "next", to=uid(new))
            mirror.reference_replace(uid(70 + self.round), "next", to=uid(new))
            for number in (60, 70):
                self._know(number + self.round, tenant, {"team": "team 0"})

    def _strange(self, tenant: str) -> None:
        """Past every Mirror: through the alias, but that what is deleted has to be called by its collection's name."""
        walk, live = self.walk, self.walk.store.alias(self.walk.alias).live
        query = f"?tenant={tenant}" if tenant else ""
        for number in (2_000 + self.round, 80 + self.round):
            made = self.whole(number, tenant, site=live.site, by=str(live.encoder), width=live.width)
            walk.application.put(walk.server_alias, made)
            self._know(number, tenant, self.properties(number, tenant))
        body = {"class": live.site, "properties": {"team": "stranger"}, **({"tenant": tenant} if tenant else {})}
        self.asked("PATCH", f"/v1/objects/{live.site}/{uid(90 + self.round)}", body)
        self._know(90 + self.round, tenant, {"team": "stranger"})
        self.asked("DELETE", f"/v1/objects/{live.site}/{uid(100 + self.round)}{query}")
        self._know(100 + self.round, tenant, None)

    def _know(self, number: int, tenant: str, properties: Json | None) -> None:
        self.known[(tenant, uid(number))] = properties

    # ------------------------------------------------------------ what must be there

    def assert_held(self, *sides: Declaration) -> None:
        """Each side holds what was laid and what was written since, and nothing else; all are like the first."""
        there = {side.site: self.everything(side.site) for side in sides}
        first = sides[0].site
        for side in sides:
            held = there[side.site]
            assert apart(there[first], held, names=(first, side.site), moving=self.kind.moving) == []
            assert strange(held, side.site, ENCODERS[str(side.encoder)], side.width, moving=self.kind.moving) == []
        self._assert_known(there[first], first)

    def everything(self, name: str, *, site: str = "") -> dict[Key, Json]:
        """Every object; tenants that sleep are woken for it. ``site`` says what collection it is where the name is an alias."""
        with _woken(self.walk, site or name):
            return self.reader.everything(name)

    def _assert_known(self, there: dict[Key, Json], name: str) -> None:
        untouched = {key: one for key, one in self.laid.items() if key not in self.known}
        still = {key: there[key] for key in untouched.keys() & there.keys()}
        assert apart(untouched, still, names=(self.walk.table, name), moving=self.kind.moving) == []
        assert there.keys() == untouched.keys() | {key for key, wanted in self.known.items() if wanted is not None}
        for key, wanted in self.known.items():
            if wanted is not None:
                held = there[key]["properties"]
                assert {what: held.get(what) for what in wanted if what in SIMPLE} == {
                    w: wanted[w] for w in wanted if w in SIMPLE
                }


SIMPLE: Final = ("body", "team", "n", "tags")
"""Properties that the server tells as they were given."""


@contextmanager
def _woken(walk: Walk, name: str) -> Iterator[None]:
    with ExitStack() as stack:
        for tenant, state in Reader(walk.application.web).tenants(name).items():
            if tenant and state not in ("HOT", "ACTIVE"):
                stack.enter_context(Tenants(walk.store.connection, name).awake(tenant))
        yield


def _encoded(body: str, by: str, width: int) -> list[float]:
    made: list[float] = Fenced(ENCODERS[by], width).encode([body], Role.DOCUMENT).matrix[0].tolist()
    return made


def _replaced(mirror: Mirror) -> Any:
    return lambda properties, references, uuid, vectors: mirror.replace(uuid, properties, references, vectors)


def _one_of_many(mirror: Mirror) -> Any:
    def write(properties: Json, references: Any, uuid: UUID, vectors: Any) -> None:
        done = mirror.insert_many([DataObject(properties, uuid=uuid, vector=vectors, references=references or None)])
        assert not done.has_errors, done.errors

    return write
