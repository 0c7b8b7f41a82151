"""Objects of which there are several copies, of which one may be older: what is told here, a majority of them has agreed on.

Each of several hosts is asked for the keys and the times, and one for everything else. Where they say the same nothing newer has
been acknowledged. Where they do not, the object is asked for by its id, which is the one way to have the server compare its
copies before it answers; it mends the older ones then. That costs a request for each object (10 ms with a cluster of three on
one core, where a page costs 0.1 ms for each), and is for the few. Where the address names too few hosts every object that is
named is asked for so, and a page is asked for twice: the first look mends what was edited and deleted elsewhere in the copy that
answers. What was added elsewhere and that copy missed does not appear: ``plan`` and ``prove`` say that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Final
from uuid import UUID

from transvase.adapters.weaviate.collections.shape import Shape, shape_of
from transvase.adapters.weaviate.wire.failures import retrying
from transvase.adapters.weaviate.wire.majority import ASK_S, asked, enough
from transvase.core.errors import TransvaseError
from transvase.core.record import Key

from .reading import PAGE, PATIENCE_S, Lens, Seen, alone, page, picked, single

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection
    from transvase.adapters.weaviate.wire.line import Line

KEYS_AT_ONCE: Final = 1_000
"""Ids in one filter: a thousand took 0.2 s."""
FEW: Final = 4
"""Keys that are asked for one by one without looking at the copies first."""


def levelled(connection: Connection, shape: Shape, lens: Lens, key: Key) -> Seen | None:
    """The object as it is now, and every copy of it that can be asked is as new: needed before a part of it is written.

    The server changes that part in each copy and gives all of them one new time, so that nobody sees any more that the rest of
    one was older, and nothing mends it (1.39). A node that is away takes no such part, and is given the whole object later.
    """
    if enough(connection, shape.copies):
        return asked(connection, shape.copies, lambda line, _: single(line, shape, lens, key))[0]
    if shape.copies > 1:
        with suppress(TransvaseError):
            return single(connection.hurried(ASK_S), shape, lens, key, of_all=True)
    return single(connection, shape, lens, key)


def level(connection: Connection, shape: Shape, keys: Sequence[Key]) -> None:
    """The same for several keys, as far as they are found to need it; what cannot be asked just now is no error."""
    if shape.copies == 1:
        return
    lens, some = Lens("").keys_only(), sorted(set(keys))
    with suppress(TransvaseError):
        if len(some) > FEW and enough(connection, shape.copies):
            held = asked(connection, shape.copies, lambda line, _: _times(line, shape, some))
            some = [key for key in some if len({times.get(key) for times in held}) > 1]
        for key in some:
            levelled(connection, shape, lens, key)


def _times(line: Line, shape: Shape, keys: Sequence[Key]) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for tenant, group in groupby(keys, key=lambda key: str(key[0]) if len(key) > 1 else ""):
        found.update((one.key, one.updated) for one in picked(line, shape, Lens("").keys_only(), list(group), tenant))
    return found


def pages(
    connection: Connection, name: str, lens: Lens, *, after: UUID | None = None, limit: int = PAGE, tenant: str = ""
) -> Iterator[list[Seen]]:
    """All that there is in the collection ``name``, or in its tenant, in key order; no page is empty or longer than ``limit``.

    An object that is written meanwhile may be seen as it was, as it is, or not at all.
    """
    more = True
    while more:
        shape = shape_of(connection, name)
        look = _compared if enough(connection, shape.copies) else _looked
        found, end = look(connection, shape, lens, after=after, limit=limit, tenant=tenant)
        if found:
            yield found
        more, after = end is not None, end


def fetch(connection: Connection, shape: Shape, lens: Lens, keys: Sequence[Key]) -> dict[Key, Seen]:
    """Those of the keys that are there now."""
    found: dict[Key, Seen] = {}
    for tenant, group in groupby(sorted(set(keys)), key=lambda key: str(key[0]) if len(key) > 1 else ""):
        some = list(group)
        for start in range(0, len(some), KEYS_AT_ONCE):
            part = some[start : start + KEYS_AT_ONCE]
            found.update((one.key, one) for one in _fetched(connection, shape, lens, part, tenant))
    return found


def _fetched(connection: Connection, shape: Shape, lens: Lens, keys: Sequence[Key], tenant: str) -> Sequence[Seen]:
    if not (shape.plain or lens.bare):
        return alone(connection, shape, lens, keys)
    if shape.copies == 1:
        return picked(connection, shape, lens, keys, tenant)
    if len(keys) <= FEW or not enough(connection, shape.copies):
        return alone(connection, shape, lens, keys)
    bare = lens.keys_only()
    held = asked(connection, shape.copies, lambda line, first: picked(line, shape, lens if first else bare, keys, tenant))
    return _agreed(connection, shape, lens, held)


def _compared(
    connection: Connection, shape: Shape, lens: Lens, *, after: UUID | None, limit: int, tenant: str
) -> tuple[list[Seen], UUID | None]:
    """The next objects, and up to where every copy has been read; None: to the end."""
    bare = lens.keys_only()

    def ask(line: Line, first: bool) -> list[Seen]:
        return page(line, shape, lens if first else bare, after=after, limit=limit, tenant=tenant)

    held = retrying(f"reading {shape.name}", lambda: asked(connection, shape.copies, ask), budget_s=PATIENCE_S)
    return _together(connection, shape, lens, held, limit=limit)


def _looked(
    connection: Connection, shape: Shape, lens: Lens, *, after: UUID | None, limit: int, tenant: str
) -> tuple[list[Seen], UUID | None]:
    """The same through too few hosts, whichever answer. Each is looked at twice.

    A first look shows an older object and mends it in that copy, so a second one shows another time; a list over REST mends
    nothing. Both may come to different nodes, through a balancer, and differ then as any two copies do.
    """
    looks = (lens.keys_only(), lens) if shape.copies > 1 else (lens,)
    held = [page(connection, shape, look, after=after, limit=limit, tenant=tenant) for look in looks]
    held.reverse()
    return _together(connection, shape, lens, held, limit=limit)


def _together(
    connection: Connection, shape: Shape, lens: Lens, held: Sequence[Sequence[Seen]], *, limit: int
) -> tuple[list[Seen], UUID | None]:
    end = min((some[-1].uuid for some in held if len(some) == limit), default=None)
    within = held if end is None else [[one for one in some if one.uuid <= end] for some in held]
    return _agreed(connection, shape, lens, within), end


def _agreed(connection: Connection, shape: Shape, lens: Lens, held: Sequence[Sequence[Seen]]) -> list[Seen]:
    """The objects of the first copy, and in the place of those that another one has not alike whatever a majority has."""
    times: list[Mapping[Key, int]] = [{one.key: one.updated for one in some} for some in held]
    if all(other == times[0] for other in times):
        return list(held[0])
    apart = sorted(key for key in set().union(*times) if len({some.get(key) for some in times}) > 1)
    found = {one.key: one for one in held[0]}
    for key in apart:
        found.pop(key, None)
    found.update((one.key, one) for one in alone(connection, shape, lens, apart))
    return [found[key] for key in sorted(found)]
