"""kill -9 in every move of collections with tenants, references and several vectors; and wherever a tenant is woken or put back.

As for a plain collection: the operator types the same word again, the application has written meanwhile, and the end is that of a
walk never killed. Who slept before a command sleeps after it.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from weaviate_estate import Estate, Tenancy, estate
from weaviate_gallows import LEADS_TO, Gallows
from weaviate_server import Node

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story, pytest.mark.timeout(600)]

MOVES: Final = ("adopt", "open", "fill", "prove", "cutover", "rollback", "prove", "cutover", "take the name")
SLEEPING: Final = Tenancy(awake=("bob",), asleep=("ada", "eve"))
TENANCIES: Final = {"tenants": SLEEPING, "one for all": Tenancy()}
WALKS: Final = (("tenants", 0.25), ("tenants", 0.75), ("one for all", 0.5))
"""Beside one of each kind that nobody kills; after which share of its steps each move of these is killed."""
WAKING: Final = r"PUT /schema/[^/]+/tenants"
"""Requests by which tenants are woken and put back."""
FILLING: Final = range(1, 13)
SWITCHING: Final = range(1, 21, 3)
"""Where a fill and a cutover are killed, in turn: before (odd) and after (even) such a request."""

End = tuple[list[int], dict[str, Any]]


@pytest.fixture(scope="module")
def gallows() -> Iterator[Gallows]:
    with Gallows() as made:
        yield made


@pytest.fixture(scope="module")
def references(server: Node, gallows: Gallows, tmp_path_factory: pytest.TempPathFactory) -> dict[str, End]:
    """Walks that nobody kills: how many steps each move has, and where it ends."""
    found: dict[str, End] = {}
    for kind, tenancy in TENANCIES.items():
        with estate(server, tmp_path_factory.mktemp("reference"), gallows, tenancy=tenancy, moves=MOVES) as journey:
            for at in range(len(MOVES)):
                journey.write(at)
                journey.again(at)
                journey.whole_sides(at)
            found[kind] = journey.steps, journey.state()
    return found


@pytest.mark.parametrize("killed_at", WALKS, ids=[f"{kind}, {share}" for kind, share in WALKS])
def test_a_walk_with_tenants_and_references_that_is_killed_in_every_move_is_resumed_to_the_same_end(
    server: Node, gallows: Gallows, tmp_path: Path, references: dict[str, End], killed_at: tuple[str, float]
) -> None:
    kind, share = killed_at
    steps, end = references[kind]
    with estate(server, tmp_path, gallows, tenancy=TENANCIES[kind], moves=MOVES) as journey:
        for at, move in enumerate(MOVES):
            point = 1 + int(share * steps[at])
            killed = gallows.make(journey.walk, move, die_at=point)
            assert killed.signal == signal.SIGKILL, f"{move} at {point}: {killed.said}"
            journey.write(at)
            journey.again(at)
            journey.whole_sides(at)
        assert journey.state() == end


@pytest.fixture
def filled(server: Node, gallows: Gallows, tmp_path: Path) -> Iterator[Estate]:
    """Opened, and everything but ``fill`` to come."""
    with estate(server, tmp_path, gallows, tenancy=SLEEPING, moves=MOVES) as journey:
        for at in (0, 1):
            journey.again(at)
        yield journey


def test_whoever_is_killed_while_tenants_are_woken_or_put_back_leaves_them_to_the_next_who_puts_them_back(
    filled: Estate, gallows: Gallows
) -> None:
    """Each process is killed before or after one of the requests that change a tenant's state, those of putting back included."""
    left_awake = 0
    for at, points in ((2, FILLING), (4, SWITCHING)):
        if at == 4:
            filled.again(3)
        for point in points:
            if at == 4 and (seen := filled.walk.store.journal.load(filled.walk.alias)) and seen.phase is LEADS_TO[MOVES[at]]:
                break
            killed = gallows.make(filled.walk, MOVES[at], die_at=point, among=WAKING)
            assert killed.signal == signal.SIGKILL, killed.said
            left_awake += noted_if_awake(filled)
        filled.again(at)
        filled.whole_sides(at)
    assert left_awake >= len(FILLING) // 2


def noted_if_awake(journey: Estate) -> bool:
    """Whether somebody is awake who slept; it is written down of each of them, for the next who comes."""
    walk, awake = journey.walk, False
    noted = {(one.facts.get("site"), one.facts.get("tenant")) for one in walk.store.ledger.doubts(walk.alias)}
    alias = walk.store.alias(walk.alias)
    for side in (alias.live, alias.shadow):
        assert side is not None
        now = journey.reader.tenants(side.site)
        woken = {tenant for tenant in journey.tenancy.asleep if now[tenant] != "COLD"}
        assert {(side.site, tenant) for tenant in woken} <= noted
        awake = awake or bool(woken)
    return awake
