"""References that lead to nothing: what a copy may lack, for there are some that the server keeps and does not make anew.

It keeps a reference of which the object was deleted, or its tenant, or its whole collection. Within a tenant it takes none of
these again, elsewhere none into a collection that is gone. So copies are written without them, and are whole all the same as
long as what they lead to is looked for and not there. Once it is there again, the copy lacks something.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from transvase.adapters.weaviate.collections.schema import schema_found, tenanted
from transvase.adapters.weaviate.collections.shape import Shape, shaped
from transvase.adapters.weaviate.collections.tenants import listed
from transvase.adapters.weaviate.objects.cargo import OWN, Cargo, parted, same
from transvase.adapters.weaviate.objects.reading import Lens, Seen
from transvase.core.errors import Unfit, UnknownName
from transvase.core.record import Key, named

if TYPE_CHECKING:
    from transvase.adapters.weaviate.objects.setting import Setting

Lacking = dict[Key, tuple[str, ...]]
"""By key: the beacons of which a side lacks some, or has some too many, and which lead to nothing."""


def evened(
    setting: Setting, held: Mapping[Key, Seen], truth: Mapping[Key, Seen], *, site: str, at: str
) -> tuple[dict[Key, Seen], Lacking]:
    """What ``site`` has ``held``, as if it had what the server does not let it have: those references of the newest state alone.

    ``truth`` is that state, read from the site ``at``. Every other difference stays one.
    """
    odd = {key: some for key, one in held.items() if key in truth and (some := _odd(truth[key].cargo, one.cargo))}
    if not odd:
        return dict(held), {}
    gone = _gone(setting, odd, at=at, tenants=setting.shape(site).tenants)
    lacking: Lacking = {key: tuple(sorted(some)) for key, some in odd.items() if some <= gone.get(key, set())}
    return {key: replace(one, cargo=truth[key].cargo) if key in lacking else one for key, one in held.items()}, lacking


@contextmanager
def reached(setting: Setting, shape: Shape, objects: Sequence[Seen]) -> Iterator[None]:
    """What objects within tenants refer to in other collections is awake meanwhile: the server looks there before it takes one.

    Where this user may not do that the server says so itself, if it was asleep.
    """
    with ExitStack() as stack:
        for name, tenant in sorted(_elsewhere(objects)) if shape.tenants else ():
            with suppress(Unfit, UnknownName):
                raw = schema_found(setting.connection, name)
                if raw is not None and tenanted(raw):
                    stack.enter_context(setting.awake(name, tenant))
        yield


def unwritten(site: str, lacking: Lacking) -> tuple[str, ...]:
    """What whoever judges the site should know of it: references in which it differs from the live side for good."""
    if not lacking:
        return ()
    some = [f"{named([key])} to {', '.join(map(_spoken, beacons))}" for key, beacons in sorted(lacking.items())]
    what = "references to what is not there any more, which the server takes from nobody, are on one side alone"
    return (f"{what}, in {len(lacking)} objects of {site}: {listed(some)}",)


def _elsewhere(objects: Sequence[Seen]) -> set[tuple[str, str]]:
    places = {(_led(beacon)[0], one.tenant) for one in objects for beacon in _beacons(one.cargo)}
    return {(name, tenant) for name, tenant in places if name != OWN}


def _odd(one: Cargo, other: Cargo) -> set[str]:
    """The references that one of the two alone has; none where they are the same, or differ in anything else."""
    mine, theirs = Counter(_beacons(one)), Counter(_beacons(other))
    odd = {*(mine - theirs), *(theirs - mine)}
    return odd if odd and same(_without(one, odd), _without(other, odd)) else set()


def _without(cargo: Cargo, beacons: set[str]) -> Cargo:
    plain, leading = parted(cargo.properties, OWN)
    kept = {name: [{"beacon": one} for one in some if one not in beacons] for name, some in leading.items()}
    return Cargo({**plain, **{name: some for name, some in kept.items() if some}}, cargo.vectors)


def _beacons(cargo: Cargo) -> list[str]:
    _, leading = parted(cargo.properties, OWN)
    return [beacon for some in leading.values() for beacon in some]


def _spoken(beacon: str) -> str:
    return "/".join(beacon.split("/")[-2:])


def _led(beacon: str) -> tuple[str, UUID]:
    *_, name, uuid = beacon.split("/")
    return name, UUID(uuid)


def _gone(setting: Setting, odd: Mapping[Key, set[str]], *, at: str, tenants: bool) -> dict[Key, set[str]]:
    """Those of the beacons that lead to nothing and cannot be written by whoever copies."""
    gone: dict[Key, set[str]] = {}
    for name in sorted({_led(beacon)[0] for some in odd.values() for beacon in some}):
        mine = [(key, beacon) for key, some in odd.items() for beacon in some if _led(beacon)[0] == name]
        raw = schema_found(setting.connection, at if name == OWN else name)
        if raw is not None and not tenants:
            continue  # each can be written, and what is missing is missing
        if raw is not None:
            shape = shaped(raw)
            wanted = [_place(shape, key, beacon) for key, beacon in mine]
            lens = Lens(next(iter(shape.vectors), ""), vector=False, others=False, properties=False)
            there = set(setting.fetch(shape.name, lens, wanted))
            mine = [one for one, place in zip(mine, wanted, strict=True) if place not in there]
        for key, beacon in mine:
            gone.setdefault(key, set()).add(beacon)
    return gone


def _place(shape: Shape, key: Key, beacon: str) -> Key:
    uuid = _led(beacon)[1]
    return (key[0], uuid) if shape.tenants and len(key) > 1 else (uuid,)
