"""What is owed: the rules by which entries are made, handed out, settled and thrown away, each inside one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from transvase.core.figures import Debt
from transvase.core.record import Key

from . import door, statements
from .keys import key, listed, numbered, parts, worded
from .pages import Pages, Run
from .writers import Flight, Writer

ENTRIES_A_KEY: Final = 4
"""How many entries are looked at for each key that is asked for; what a key has beyond that is read another time."""


def intended(
    run: Run, alias: str, keys: Sequence[Key], *, first: str, by: str, writer: Writer, heeds: bool
) -> dict[tuple[str, str], int]:
    """Make the entries in flight; their numbers by the parts of their keys. None for who ``heeds`` the door while it is shut."""
    values: dict[str, object] = {"alias": alias, "keys": listed(keys), "first": first, "writer": writer.life.token, "named": by}
    values["longest"] = door.LONGEST_S if heeds else 0.0
    return {(tenant, uuid): int(entry) for entry, tenant, uuid in run(statements.INTEND, values)}


def overlapped(run: Run, alias: str, entries: Sequence[int]) -> set[Key]:
    """Keys of the entries that have another one which is open, in flight, or younger."""
    rows = run(statements.OVERLAPPED, {"alias": alias, "entries": numbered(entries)})
    return {key(tenant, uuid) for tenant, uuid in rows}


def settled(run: Run, alias: str, entries: Sequence[int]) -> set[int]:
    """Settle; those that were not settled before."""
    return {int(entry) for (entry,) in run(statements.SETTLE, {"alias": alias, "entries": numbered(entries)})}


def left(run: Run, alias: str, entries: Sequence[int], *, only: str | None) -> set[int]:
    """Make entries in flight open ones; those that were not settled before."""
    values = {"alias": alias, "entries": numbered(entries), "only": only or ""}
    return {int(entry) for (entry,) in run(statements.LEAVE, values)}


def lost(run: Run, alias: str, flights: Collection[Flight], *, only: str | None) -> None:
    """Owe anew what others settled although its writer was at it.

    Where another entry says where a key's newest state lies, it knows better: it is the younger one.
    """
    said = firsts(run, alias, [flight.key for flight in flights])
    of = {flight.key: "" if flight.key in said else flight.first for flight in flights}
    for first in sorted(set(of.values())):
        owe(run, alias, [one for one, site in of.items() if site == first], only=only, first=first)


def owe(run: Run, alias: str, keys: Sequence[Key], *, only: str | None, first: str) -> int:
    """Make open entries, in the place of equal ones; how many keys were not owed to the site before."""
    values = {"alias": alias, "keys": listed(keys), "only": only or "", "first": first}
    ((covered,),) = run(statements.COVERED, values)
    run(statements.REPLACED, values)
    run(statements.OWE, values)
    return len(set(map(parts, keys))) - int(covered)


def count(run: Run, alias: str) -> int:
    """Keys owed."""
    return int(run(statements.OWED, {"alias": alias})[0][0])


def count_for_good(run: Run, alias: str, *, alive: set[str], underway_s: float) -> int:
    """Keys owed but those that nobody but the living is writing, and for ``underway_s`` at most."""
    return int(run(statements.OWED_FOR_GOOD, {"alias": alias, "writers": worded(alive), "underway": underway_s})[0][0])


def lying(run: Run, alias: str, site: str) -> int:
    """Keys whose newest state lies at the site."""
    return int(run(statements.LYING, {"alias": alias, "site": site})[0][0])


def writers(run: Run, alias: str) -> set[str]:
    """Tokens of all who have entries that are neither left nor settled, dead or alive."""
    return {str(token) for (token,) in run(statements.WRITERS, {"alias": alias})}


def flying(run: Run, alias: str, *, alive: set[str], grace_s: float) -> int:
    """Keys that are held back."""
    return int(run(statements.FLYING, {"alias": alias, "writers": worded(alive), "grace": grace_s})[0][0])


def debts(run: Run, alias: str, *, limit: int, alive: set[str], grace_s: float) -> list[Debt]:
    """What may be paid, the oldest first."""
    values: dict[str, object] = {
        "alias": alias,
        "limit": limit,
        "entries_read": limit * ENTRIES_A_KEY,
        "writers": worded(alive),
        "grace": grace_s,
    }
    return [
        Debt(key(tenant, uuid), tuple(sorted(map(int, str(joined).split(",")))), only or None)
        for joined, only, tenant, uuid in run(statements.DEBTS, values)
    ]


def firsts(run: Run, alias: str, keys: Sequence[Key]) -> Mapping[Key, str]:
    """The site of each key's newest unsettled entry that names one."""
    rows = run(statements.FIRSTS, {"alias": alias, "keys": listed(keys)})
    return {key(tenant, uuid): str(site) for tenant, uuid, site in rows}  # a later row is a newer entry


def watch(run: Run, alias: str, *, token: str) -> int:
    """Take a number, and keep from now on what is settled after it."""
    ((watched,),) = run(statements.TICKET)
    run(statements.WATCH, {"watched": watched, "alias": alias, "writer": token})
    return int(watched)


def since(run: Run, alias: str, watched: int, *, among: Sequence[Key] | None, site: str | None) -> set[Key]:
    """Keys with an entry that was unsettled at or after ``watched``, and owed to the site where one is given."""
    values: dict[str, object] = {"alias": alias, "watched": watched, "site": statements.ANY if site is None else site}
    rows = run(statements.SINCE, values) if among is None else run(statements.SINCE_AMONG, {**values, "keys": listed(among)})
    return {key(tenant, uuid) for tenant, uuid in rows}


def pruned(run: Run, alias: str, *, dead: set[str]) -> None:
    """Throw away settled entries that no watch and no older intent needs, and the watches of the dead."""
    run(statements.UNWATCHED, {"alias": alias, "writers": worded(dead)})
    run(statements.PRUNE, {"alias": alias})


def dead_watchers(pages: Pages, alias: str) -> set[str]:
    """Tokens of watches whose process has ended without unwatching."""
    with pages.read("looking for watches") as run:
        tokens = {str(token) for (token,) in run(statements.WATCHERS, {"alias": alias})}
    return tokens - pages.living(tokens) if tokens else set()
