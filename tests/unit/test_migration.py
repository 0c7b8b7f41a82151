"""The machine: a table with guards, judged by what is observed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from transvase.core.errors import IllegalMove, NotReady
from transvase.core.migration import AFTER, BEFORE, ENDED, MOVES, Facts, Migration, Move, Phase, advance, destination, permit
from transvase.core.verdict import Finding, Verdict

PASSED = Verdict((Finding("counts", 1.0, 1.0, passed=True, detail="all there"),), "w1", "now")
FAILED = Verdict((Finding("counts", 0.0, 1.0, passed=False, detail="one is missing"),), "w1", "now")
STATIONS = [phase for phase in Phase if phase not in ENDED]

SOURCE_LIVE = Facts(live="old", captured=True, filled=True, built=True, witness="w1", verdict=PASSED)
"""Everything is well, and readers are on the source."""
TARGET_LIVE = replace(SOURCE_LIVE, live="new")


def migration(phase: Phase, **facts) -> Migration:
    verdict = PASSED if phase in (Phase.PROVEN, Phase.LIVE) else None
    return Migration(
        **{"alias": "docs", "attempt": 1, "source": "old", "target": "new", "phase": phase, "verdict": verdict} | facts
    )


def from_phase(move: Move) -> Phase:
    """The first phase that has this move."""
    return next(phase for phase, exits in MOVES.items() if move in exits)


def before(move: Move) -> Facts:
    """Facts under which the effect of ``move`` may be tried."""
    return TARGET_LIVE if move in (Move.ROLLBACK, Move.RETIRE) else SOURCE_LIVE


def after(move: Move) -> Facts:
    """Facts that show that the effect of ``move`` took place."""
    return {
        Move.CUTOVER: TARGET_LIVE,
        Move.ROLLBACK: SOURCE_LIVE,
        Move.RETIRE: replace(TARGET_LIVE, source_there=False),
        Move.ABORT: replace(SOURCE_LIVE, target_there=False, captured=False),
    }.get(move, SOURCE_LIVE)


# ---------------------------------------------------------------- the table


def test_every_phase_is_in_the_table():
    assert set(MOVES) == set(Phase)


def test_every_move_leads_from_somewhere_to_somewhere():
    assert {move for exits in MOVES.values() for move in exits} == set(Move)


def test_every_move_has_guards_before_and_after():
    assert set(BEFORE) == set(AFTER) == set(Move)


def test_only_retired_and_aborted_have_no_exit():
    assert {phase for phase, exits in MOVES.items() if not exits} == {Phase.RETIRED, Phase.ABORTED} == set(ENDED)


def test_every_phase_can_be_reached_from_planned():
    reached, edge = {Phase.PLANNED}, [Phase.PLANNED]
    while edge:
        found = [phase for phase in MOVES[edge.pop()].values() if phase not in reached]
        reached.update(found)
        edge += found
    assert reached == set(Phase)


def test_a_migration_can_be_aborted_from_every_phase_before_live_and_never_after():
    assert {phase for phase, exits in MOVES.items() if Move.ABORT in exits} == set(STATIONS) - {Phase.LIVE}


def test_the_cutover_is_the_only_way_into_live_and_only_from_proven():
    assert [(phase, move) for phase, exits in MOVES.items() for move, end in exits.items() if end is Phase.LIVE] == [
        (Phase.PROVEN, Move.CUTOVER)
    ]


def test_a_phase_has_no_two_moves_to_one_end():
    assert all(len(set(exits.values())) == len(exits) for exits in MOVES.values())


# ---------------------------------------------------------------- the way back


@pytest.mark.parametrize("phase", STATIONS)
def test_from_every_phase_some_road_leads_back_to_the_source_being_live(phase):
    """Before ``live`` readers are on the source already and an abort leaves them there; from ``live`` one rollback does it."""
    here = migration(phase)
    if phase is Phase.LIVE:
        permit(here, Move.ROLLBACK, TARGET_LIVE)
        here = advance(here, Move.ROLLBACK, SOURCE_LIVE)
    permit(here, Move.ABORT, SOURCE_LIVE)
    gone = advance(here, Move.ABORT, after(Move.ABORT))
    assert gone.phase is Phase.ABORTED


def test_after_a_rollback_the_way_forward_is_open_again_but_must_be_proven_anew():
    back = advance(migration(Phase.LIVE), Move.ROLLBACK, SOURCE_LIVE)
    assert (back.phase, back.verdict) == (Phase.FILLED, None)
    proven = advance(back, Move.PROVE, SOURCE_LIVE)
    permit(proven, Move.CUTOVER, SOURCE_LIVE)
    assert advance(proven, Move.CUTOVER, TARGET_LIVE).phase is Phase.LIVE


def test_a_whole_migration_walks_forward_back_and_forward_to_its_end():
    here = migration(Phase.PLANNED)
    road = ["open", "fill", "prove", "cutover", "rollback", "prove", "lapse", "prove", "cutover", "retire"]
    for step in map(Move, road):
        permit(here, step, before(step))
        here = advance(here, step, after(step))
    assert (here.phase, here.ended, here.version) == (Phase.RETIRED, True, len(road))


# ---------------------------------------------------------------- moves


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("move", list(Move))
def test_a_move_is_possible_exactly_where_the_table_has_it(phase, move):
    here = migration(phase)
    if move in MOVES[phase]:
        assert destination(here, move) is MOVES[phase][move]
        return
    for attempt in (lambda: permit(here, move, before(move)), lambda: advance(here, move, after(move))):
        with pytest.raises(IllegalMove) as refused:
            attempt()
        assert refused.value.legal == tuple(MOVES[phase])
    assert here == migration(phase)


@pytest.mark.parametrize("move", list(Move))
def test_a_move_goes_one_version_on_and_leaves_the_rest_alone(move):
    here = migration(from_phase(move), version=41, paused=True)
    there = advance(here, move, after(move))
    assert there == replace(here, phase=MOVES[here.phase][move], version=42, verdict=there.verdict)


def test_proving_keeps_the_verdict_and_only_cutover_and_retire_carry_it_on():
    kept = {move: advance(migration(from_phase(move)), move, after(move)).verdict for move in Move}
    assert {move for move, verdict in kept.items() if verdict is not None} == {Move.PROVE, Move.CUTOVER, Move.RETIRE}


def test_a_move_whose_guard_fails_changes_nothing():
    here = migration(Phase.PROVEN)
    for attempt in (permit, advance):
        with pytest.raises(NotReady):
            attempt(here, Move.CUTOVER, replace(SOURCE_LIVE, live="a third"))
    assert here == migration(Phase.PROVEN)


# ---------------------------------------------------------------- guards before

KEEPING = (Move.FILL, Move.PROVE, Move.CUTOVER, Move.ABORT)

NEEDS = [
    (Move.OPEN, {"live": "new"}, "not the source"),
    (Move.FILL, {"live": "new"}, "not the source"),
    (Move.FILL, {"captured": False}, "not captured"),
    (Move.FILL, {"target_there": False}, "not there"),
    (Move.PROVE, {"live": "new"}, "not the source"),
    (Move.PROVE, {"captured": False}, "not captured"),
    (Move.PROVE, {"filled": False}, "end of the table"),
    (Move.PROVE, {"built": False}, "no valid vector index"),
    (Move.LAPSE, {"live": "new"}, "not the source"),
    (Move.CUTOVER, {"live": "new"}, "not the source"),
    (Move.CUTOVER, {"captured": False}, "not captured"),
    (Move.CUTOVER, {"filled": False}, "end of the table"),
    (Move.CUTOVER, {"built": False}, "no valid vector index"),
    (Move.CUTOVER, {"witness": "w2"}, "lapsed"),
    (Move.CUTOVER, {"owed": 3, "allowed": 2}, "3 rows are owed and 2 are allowed"),
    (Move.ROLLBACK, {"live": "old"}, "not the target"),
    (Move.ROLLBACK, {"target_there": False}, "the live side new is not there any more"),
    (Move.ROLLBACK, {"source_kept": False}, "unknown"),
    (Move.ROLLBACK, {"source_there": False}, "gone"),
    (Move.ROLLBACK, {"captured": False}, "not captured"),
    (Move.ROLLBACK, {"owed": 1}, "1 rows are owed"),
    (Move.RETIRE, {"live": "old"}, "not the target"),
    (Move.RETIRE, {"target_there": False}, "the live side new is not there any more, so old may be the only copy"),
    (Move.RETIRE, {"quiet_s": 900.0, "old_side_quiet_s": 61.2}, "old was read 61 s ago, and 900 s of quiet"),
    (
        Move.RETIRE,
        {"quiet_s": 900.0, "old_side_quiet_s": 61.2, "old_side_readers": ("pod 1", "pod 2")},
        "ago by pod 1, pod 2, and",
    ),
    (Move.RETIRE, {"quiet_s": 900.0}, "nobody can tell"),
    (Move.ABORT, {"live": "new"}, "not the source"),
    *((move, {"source_there": False}, "old is not there any more, so new may be the only copy") for move in KEEPING),
]


@pytest.mark.parametrize(("move", "lack", "word"), NEEDS, ids=[f"{move}-{'-'.join(lack)}" for move, lack, _ in NEEDS])
def test_a_move_is_permitted_only_while_what_it_needs_holds(move, lack, word):
    here = migration(from_phase(move))
    permit(here, move, before(move))
    with pytest.raises(NotReady, match=word):
        permit(here, move, replace(before(move), **lack))


@pytest.mark.parametrize("verdict", [None, FAILED, Verdict((), "w1", "now")], ids=["none", "failed", "empty"])
def test_a_cutover_needs_a_verdict_that_passed(verdict):
    with pytest.raises(NotReady, match="no verdict"):
        permit(migration(Phase.PROVEN, verdict=verdict), Move.CUTOVER, SOURCE_LIVE)


@pytest.mark.parametrize("move", [Move.CUTOVER, Move.ROLLBACK])
def test_what_the_operator_allows_to_be_owed_holds_up_no_switch(move):
    permit(migration(from_phase(move)), move, replace(before(move), owed=5, allowed=5))


def test_an_old_side_that_has_been_quiet_for_long_enough_may_be_retired():
    here = migration(Phase.LIVE)
    for facts in ({"old_side_quiet_s": 900.0}, {"old_side_quiet_s": float("inf")}, {"source_there": False}):
        permit(here, Move.RETIRE, replace(TARGET_LIVE, quiet_s=900.0, **facts))


# ---------------------------------------------------------------- guards after

SHOWN = [
    (Move.OPEN, {"captured": False}, "not captured"),
    (Move.OPEN, {"target_there": False}, "not there"),
    (Move.OPEN, {"live": "new"}, "not the source"),
    (Move.FILL, {"filled": False}, "end of the table"),
    (Move.FILL, {"built": False}, "no valid vector index"),
    (Move.PROVE, {"verdict": None}, "nothing has been proven"),
    (Move.PROVE, {"verdict": FAILED}, "one is missing"),
    (Move.CUTOVER, {"live": "old"}, "not the target"),
    (Move.CUTOVER, {"behind": ("node2",)}, "names new, and node2 does not answer so"),
    (Move.ROLLBACK, {"live": "new"}, "not the source"),
    (Move.ROLLBACK, {"behind": ("node1", "node3")}, "names old, and node1, node3 do not answer so"),
    (Move.RETIRE, {"source_there": True}, "still there"),
    (Move.RETIRE, {"live": "old"}, "not the target"),
    (Move.ABORT, {"target_there": True}, "still there"),
    (Move.ABORT, {"live": "new"}, "not the source"),
]


@pytest.mark.parametrize(("move", "lack", "word"), SHOWN, ids=[f"{move}-{'-'.join(lack)}" for move, lack, _ in SHOWN])
def test_the_journal_believes_a_move_only_when_its_effect_is_seen(move, lack, word):
    here = migration(from_phase(move))
    assert advance(here, move, after(move)).phase is MOVES[here.phase][move]
    with pytest.raises(NotReady, match=word):
        advance(here, move, replace(after(move), **lack))


def test_no_guard_is_left_untried():
    """Each guard of each move is refused by some line of the two tables above."""
    for table, lines, seen in ((BEFORE, NEEDS, before), (AFTER, SHOWN, after)):
        for move, guards in table.items():
            for guard in guards:
                lacks = [replace(seen(move), **lack) for name, lack, _ in lines if name is move]
                assert any(guard(migration(from_phase(move)), facts) for facts in lacks), (move, guard.__name__)
