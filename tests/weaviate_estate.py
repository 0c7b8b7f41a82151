"""A small collection with references and two vectors, with tenants of whom some sleep or without, through a walk that is killed.

Its references lead to the collection itself and to another one; some lead to objects that are deleted on the way. What must be
there is known from what was laid and written; who sleeps must sleep after each move.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from transvase.core.declaration import Declaration
from transvase.core.fence import Fenced
from transvase.core.space import Role
from weaviate_gallows import Gallows
from weaviate_independent import Objects, apart, strange
from weaviate_journey import UNSEEN, Journey
from weaviate_objects import Json, text_property, uid, vector
from weaviate_rich import VECTORS
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, walked

ROWS: Final = 18
"""Objects of a tenant: the first half is edited in turn, the second half is deleted, from its end on."""
FEW: Final = 5
"""Objects of a tenant that sleeps."""
PEOPLE: Final = 3
WIDTH: Final = 16
MOVING: Final = "moves"
STAYING: Final = "stays"
DEAF: Final = 4
"""The object of this number has no vector beside the one that moves."""

Key = tuple[str, UUID]


@dataclass(frozen=True, slots=True)
class Tenancy:
    """Who lives in a collection. Without tenants one without a name is awake."""

    awake: Sequence[str] = ("",)
    asleep: Sequence[str] = ()

    @property
    def states(self) -> dict[str, str]:
        """As the server tells them."""
        return dict.fromkeys(self.awake, "HOT") | dict.fromkeys(self.asleep, "COLD") if self.asleep else {"": ""}


@dataclass(kw_only=True)
class Estate(Journey):
    """The collection, who lives there, and the text of every object that must be there."""

    tenancy: Tenancy
    texts: dict[Key, str] = field(default_factory=dict)

    @property
    def people(self) -> str:
        """The collection beside, to which references lead too."""
        return f"{self.walk.table}_people"

    def lay(self) -> None:
        application, table = self.walk.application, self.walk.table
        application.make({"class": self.people, "properties": [text_property("called")], "vectorizer": "none"})
        application.put(self.people, *({"id": str(uid(n)), "properties": {"called": f"no. {n}"}} for n in range(PEOPLE)))
        for prop, target in (("next", table), ("by", self.people)):
            self.asked("POST", f"/v1/schema/{table}/properties", {"name": prop, "dataType": [target]})
        if self.tenancy.asleep:
            application.tenants(table, **dict.fromkeys((*self.tenancy.awake, *self.tenancy.asleep), "ACTIVE"))
        for tenant in (*self.tenancy.awake, *self.tenancy.asleep):
            rows = FEW if tenant in self.tenancy.asleep else ROWS
            self.texts |= {(tenant, uid(n)): f"text {n} of {tenant}" for n in range(rows)}
            objects = [self.whole(n, tenant) for n in range(rows)]
            application.put(table, *({**one, "properties": {}} for one in objects))  # no object refers to what is not there yet
            application.put(table, *objects)
        self.sleep(table)

    def asked(self, method: str, path: str, body: Any = None) -> None:
        answer = self.walk.application.web.request(method, path, json=body)
        assert answer.is_success, answer.text

    def sleep(self, name: str, state: str = "INACTIVE") -> None:
        """Bring those who sleep to a state."""
        if self.tenancy.asleep:
            states = [{"name": tenant, "activityStatus": state} for tenant in self.tenancy.asleep]
            self.asked("PUT", f"/v1/schema/{name}/tenants", states)

    # ------------------------------------------------------------ what is written

    def whole(self, number: int, tenant: str, *, side: Declaration | None = None) -> Json:
        """An object as REST takes it, with vectors for the side; for the collection that was laid without one."""
        body, site = self.texts[tenant, uid(number)], self.walk.table if side is None else side.site
        encoder, width = (ENCODERS["old"], WIDTH) if side is None else (ENCODERS[str(side.encoder)], side.width)
        made = Fenced(encoder, width).encode([body], Role.DOCUMENT).matrix[0].tolist()
        beacons = {"next": f"{site}/{self.leads(number, tenant)}", "by": f"{self.people}/{uid(number % PEOPLE)}"}
        return {
            "id": str(uid(number)),
            "properties": {
                "body": body,
                "team": "red",
                **{name: [{"beacon": f"weaviate://localhost/{to}"}] for name, to in beacons.items()},
            },
            "vectors": {MOVING: made, **self.others(number)},
            **({"tenant": tenant} if tenant else {}),
        }

    def leads(self, number: int, tenant: str) -> UUID:
        """What the object refers to; of those that were laid, some lead to what is deleted on the way."""
        rows = FEW if tenant in self.tenancy.asleep else ROWS if number < ROWS else ROWS // 2
        return uid(number * 7 % rows)

    def others(self, number: int) -> dict[str, list[float]]:
        return {} if number == DEAF else {STAYING: vector(number, 4)}

    def write(self, at: int) -> None:
        """What the application does before the move with this number is made (again), in each tenant that is awake."""
        new, edited, gone, unseen = 1_000 + at, at, ROWS - 1 - at, 2_000 + at
        for tenant in self.tenancy.awake:
            del self.texts[tenant, uid(gone)]
            self.texts |= {(tenant, uid(number)): f"of {tenant}, before move {at}: {number}" for number in (new, edited)}
            if self.adopted():
                self._mirrored(tenant, new, edited, gone)
            else:
                self.walk.application.put(self.walk.table, *(self.whole(number, tenant) for number in (edited, new)))
                self.asked("DELETE", f"/v1/objects/{self.walk.table}/{uid(gone)}{f'?tenant={tenant}' * bool(tenant)}")
            if self.moves[at] in UNSEEN:
                self.texts[tenant, uid(unseen)] = f"past the Mirror before move {at}"
                live = self.walk.store.alias(self.walk.alias).live
                self.walk.application.put(live.site, self.whole(unseen, tenant, side=live))

    def _mirrored(self, tenant: str, new: int, edited: int, gone: int) -> None:
        mirror = self.mirror.with_tenant(tenant) if tenant else self.mirror
        text = self.texts
        mirror.insert(
            {"body": text[tenant, uid(new)], "team": "red"},
            {"next": uid(edited), "by": uid(new % PEOPLE)},
            uid(new),
            self.others(new),
        )
        mirror.update(uid(edited), {"body": text[tenant, uid(edited)]})
        mirror.reference_add(uid(edited), "next", to=uid(new))
        assert mirror.delete(uid(gone))

    # ------------------------------------------------------------ what must be there

    def everything(self, name: str, *, site: str = "") -> Objects:
        """Every object, without references that lead to nothing: within a tenant a copy may lack these.

        Who sleeps is woken for it, by us and not by what is tested.
        """
        self.sleep(site or name, "ACTIVE")
        try:
            return _leading(self.reader.everything(name))
        finally:
            self.sleep(site or name)

    def whole_sides(self, at: int) -> None:
        """Nothing is owed or in doubt, everybody sleeps who slept, and both sides hold exactly what was laid and written."""
        sides = self.sides(at)
        shadow = self.walk.store.alias(self.walk.alias).shadow
        assert [self.reader.tenants(one.site) for one in (sides[0], shadow) if one is not None] == [self.tenancy.states] * (
            1 + (shadow is not None)
        )
        there = {side.site: self.everything(side.site) for side in sides}
        for side in sides:
            assert strange(there[side.site], side.site, ENCODERS[str(side.encoder)], side.width, moving=MOVING) == []
        assert {key: one["properties"]["body"] for key, one in there[sides[0].site].items()} == self.texts
        if len(sides) == 2:
            (one, here), (other, beside) = there.items()
            late = str(uid(2_000 + at))
            found = [line for line in apart(here, beside, names=(one, other), moving=MOVING) if late not in line]
            assert not found, "\n".join(found)

    def objects(self, name: str) -> Json:
        """With vectors and references."""
        return {
            f"{tenant} {uuid}": [_beacons(one["properties"]), one["vectors"]]
            for (tenant, uuid), one in self.everything(name).items()
        }


def _leading(objects: Objects) -> Objects:
    found = {}
    for (tenant, uuid), one in objects.items():
        next_ = [to for to in one["properties"].get("next", []) if (tenant, UUID(to["beacon"].rpartition("/")[2])) in objects]
        found[tenant, uuid] = {**one, "properties": {**one["properties"], "next": next_}}
    return found


def _beacons(properties: Mapping[str, Any]) -> Json:
    return {
        name: sorted(one["beacon"] for one in value) if name in ("next", "by") else value for name, value in properties.items()
    }


@contextmanager
def estate(server: Node, folder: Path, gallows: Gallows, *, tenancy: Tenancy, moves: tuple[str, ...] = ()) -> Iterator[Estate]:
    """The collection, laid, and under no alias yet."""
    settings: dict[str, Any] = {"vectors": (), "vectorConfig": {name: VECTORS[name] for name in (MOVING, STAYING)}}
    if tenancy.asleep:
        settings["multiTenancyConfig"] = {"enabled": True}
    with walked(server, folder, rows=0, **settings) as walk:
        made = Estate(walk=_moving(walk), gallows=gallows, moves=moves, tenancy=tenancy)
        try:
            made.lay()
            yield made
        finally:
            made.close()


def _moving(walk: Walk) -> Walk:
    walk.vector = MOVING
    return walk
