"""The examples are run in their order, as a reader would, and what each of them shows is looked for in its output."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from weaviate_server import one_node

pytestmark = [pytest.mark.story, pytest.mark.model]

EXAMPLES = Path(__file__).parents[2] / "examples"
SHOWN = {
    "01_adopt_and_search.py": [
        "refused: ",
        "did not make these vectors",
        "adopted: public.notes.embedding",
        "may restart the billing",
    ],
    "02_migrate_and_roll_back.py": ["before  s", "written s", "No coffee is drunk", "back    s", "| live"],
    "03_sql_view.py": ["385 dimensions of which the model makes 384", "refused: 22000 different vector dimensions 385 and 384"],
    "04_cli.sh": [
        "clean            yes",
        "proven",
        "renamed the column public.notes.embedding",
        "rollback is not possible while",
    ],
    "05_from_tickets_to_a_migrated_index.py": [
        "signal:   480 tickets, 120 notes",
        "assess:   train",
        "moving to it takes: derive",
        "better than the base",
        "the same space: True",
        "migrate:  filled: every vector computed from the stored one",
        "migrate:  proven by",
        "migrate:  live",
        "may restart the inventory service",
    ],
}

ON_WEAVIATE = {
    "06_weaviate.py": [
        "after:  No coffee is drunk in the machine room.",
        "vector lengths don't match",
        "back:   No coffee and no tea",
        "again:  No coffee and no tea",
        "gave its name to Handbook_1_",
        "leads there too: True",
    ]
}
"""Those that want a server of their own."""


def test_every_numbered_example_is_run_here():
    assert sorted([*SHOWN, *ON_WEAVIATE]) == sorted(path.name for path in EXAMPLES.glob("[0-9]*"))


def test_the_examples_show_what_they_say(run: Callable[..., str]):
    """One after the other: each goes on where the one before it stopped, and the last begins anew."""
    said = {name: run(sys.executable if name.endswith(".py") else "bash", f"examples/{name}") for name in SHOWN}
    for name, shown in SHOWN.items():
        for words in shown:
            assert words in said[name], f"{name} did not say {words!r}:\n{said[name]}"
    space = {line.split()[0]: line.split()[1] for line in said["02_migrate_and_roll_back.py"].splitlines()}
    assert space["before"] == space["back"] != space["after"] == space["written"] == space["forward"], "forward, back, forward"


@pytest.mark.weaviate
@pytest.mark.parametrize("name", ON_WEAVIATE)
def test_an_example_on_weaviate_shows_what_it_says(name: str, run: Callable[..., str]):
    with one_node() as node:
        said = run(sys.executable, f"examples/{name}", str(node.rest), str(node.grpc))
    for words in ON_WEAVIATE[name]:
        assert words in said, f"{name} did not say {words!r}:\n{said}"
