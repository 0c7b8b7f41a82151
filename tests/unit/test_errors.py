"""The tree of errors: what each kind means to a command, and that each says its facts."""

from __future__ import annotations

import inspect

import pytest
from transvase.core import errors
from transvase.core.errors import Misuse, Refused, TransvaseError, WorldFailed

MADE = [
    (errors.UnknownName("alias", "docs", hint="adopt it first"), ["docs", "adopt it first"]),
    (errors.BadValue("k", 0, why="ask for one hit"), ["k", "0", "ask for one hit"]),
    (errors.Lacking("Mirror", "query", instead="read by the alias"), ["Mirror", "'query'", "read by the alias"]),
    (errors.ExtraMissing("train", needed_for="training"), ["training", "pip install 'transvase[train]'"]),
    (errors.IllegalMove("cutover", "filled", legal=("prove", "abort")), ["cutover", "filled", "prove, abort"]),
    (errors.NotReady("cutover", "3 rows are owed"), ["cutover", "3 rows are owed"]),
    (errors.Busy("docs", "ann@host"), ["docs", "ann@host"]),
    (errors.Moved("the alias", expected=1, found=2), ["the alias", "1", "2"]),
    (errors.SpaceMismatch(expected="s1", found="s2", where="docs_1"), ["s1", "s2", "docs_1"]),
    (
        errors.ForeignVectors(encoder="m", sampled=200, agreeing=3, worst=0.125, hint="try n"),
        ["m", "3 of 200", "0.1250", "try n"],
    ),
    (errors.Unfit("pgvector is too old", remedy="upgrade it"), ["too old", "upgrade it"]),
    (errors.Superseded("docs_1"), ["docs_1", "resolve"]),
    (errors.StoreFailed("connection lost", code="57P01"), ["connection lost", "57P01"]),
    (errors.LockNotGained("docs", waited_s=1.25, blockers="pid 7"), ["docs", "1.2 s", "pid 7"]),
    (errors.EncoderFailed("m", "it gave NaN"), ["m", "it gave NaN"]),
    (errors.EndpointFailed("https://host/v1", "it answered 503"), ["https://host/v1", "it answered 503"]),
]
LEAVES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, TransvaseError) and not kind.__subclasses__()
]


def test_every_leaf_of_the_tree_is_tried_here():
    assert {type(error) for error, _ in MADE} == set(LEAVES)


@pytest.mark.parametrize(("error", "facts"), MADE, ids=[type(error).__name__ for error, _ in MADE])
def test_an_error_says_its_facts_in_one_sentence(error, facts):
    assert all(fact in str(error) for fact in facts)
    assert "\n" not in str(error)


@pytest.mark.parametrize(("kind", "status"), [(Misuse, 2), (Refused, 1), (WorldFailed, 3)])
def test_the_status_of_a_command_follows_from_the_kind(kind, status):
    leaves = [leaf for leaf in LEAVES if issubclass(leaf, kind)]
    assert leaves
    assert {leaf.status for leaf in leaves} == {status}


def test_every_leaf_is_of_exactly_one_kind():
    assert all(sum(issubclass(leaf, kind) for kind in (Misuse, Refused, WorldFailed)) == 1 for leaf in LEAVES)


def test_the_drawn_tree_names_every_class():
    drawn = errors.__doc__ or ""
    assert [kind.__name__ for kind in LEAVES if kind.__name__ not in drawn] == []


def test_an_ended_migration_is_told_to_plan_anew():
    assert "plan a new one" in str(errors.IllegalMove("fill", "retired", legal=()))
