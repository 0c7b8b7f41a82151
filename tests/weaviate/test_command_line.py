"""Every command reaches a collection by its URL, and what means nothing there is left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from transvase.cli import wiring
from transvase.cli.main import main
from weaviate_server import Node
from weaviate_walk import Walk, encoder, text_of, walked

ROWS = 30


@pytest.fixture
def walk(server: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    monkeypatch.setattr(wiring, "load", encoder)
    wiring.encoders.cache_clear()
    with walked(server, tmp_path, rows=ROWS) as made:
        yield made
    wiring.encoders.cache_clear()


@pytest.fixture
def run(walk: Walk, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Runs a command and gives the one object that it writes."""

    def command(*words: str, status: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        found = main(["--store", walk.url, *words, "--json"])
        out, err = capsys.readouterr()
        assert found == status, f"{words}: {found}: {err}"
        parsed: dict[str, Any] = json.loads(out) if out else {"said": err}
        return parsed

    return command


def test_every_command_of_a_migration_reaches_a_collection(walk: Walk, run: Callable[..., dict[str, Any]]) -> None:
    alias = walk.alias
    adopted = run("adopt", alias, "--table", walk.table, "--text", "{body}", "--encoder", "old")
    assert (adopted["records"], adopted["index"], adopted["foreign"]) == (ROWS, walk.table, 0)
    plan = run("plan", alias, "--to", "new")
    assert plan["rows"] == ROWS
    assert any("Mirror" in warning for warning in plan["warnings"])
    target = run("open", alias, "--to", "new")["target"]
    assert run("fill", alias)["rows"] == ROWS
    walk.proven()
    assert run("cutover", alias)["phase"] == "live"
    assert walk.named() == target
    assert run("status", alias)["live"]["index"] == target
    assert run("rollback", alias)["phase"] == "filled"
    walk.proven()
    run("cutover", alias)
    assert run("search", alias, text_of(3), "-k", "1")["hits"][0]["text"] == text_of(3)
    assert run("audit", alias)
    assert run("history", alias)
    ended = run("retire", alias, "--take-name")
    assert ended["phase"] == "retired"
    assert "gave its name" in ended["done"]
    assert walk.application.web.get(f"/v1/aliases/{walk.table}").json()["class"] == target


def test_a_key_of_columns_is_refused_and_nothing_is_made(walk: Walk, run: Callable[..., dict[str, Any]]) -> None:
    words = ("adopt", walk.alias, "--table", walk.table, "--text", "{body}", "--encoder", "old", "--key", "id")
    assert "uuid" in run(*words, status=2)["said"]
    assert walk.application.web.get(f"/v1/aliases/{walk.server_alias}").status_code == 404


def test_a_migration_in_one_go_and_its_abort(walk: Walk, run: Callable[..., dict[str, Any]]) -> None:
    run("adopt", walk.alias, "--table", walk.table, "--text", "{body}", "--encoder", "old")
    target = run("migrate", walk.alias, "--to", "new", "--until", "filled")["target"]
    assert run("abort", walk.alias)["phase"] == "aborted"
    assert walk.application.web.get(f"/v1/schema/{target}").status_code == 404
