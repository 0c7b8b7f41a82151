"""Every command reaches a collection by its URL, and what means nothing there is left out."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from transvase.cli import wiring
from transvase.cli.main import main
from transvase.core.connect import connect
from transvase.core.ports import Store
from transvase.migrations import beginning
from weaviate_busy import No, gate_before
from weaviate_server import Node
from weaviate_walk import Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

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


SHUT = [No(), No(503, grpc.StatusCode.UNAVAILABLE)]
"""What stands before the server says so to everybody: to wait, or that there is nobody to answer."""


@pytest.mark.parametrize("no", SHUT, ids=["429", "503"])
@pytest.mark.parametrize("words", [("status",), ("plan", "--to", "new"), ("open", "--to", "new")], ids=lambda words: words[0])
def test_a_command_waits_for_a_server_that_asks_to_wait_and_says_so(
    walk: Walk, server: Node, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], no: No
) -> None:
    """From its first contact on, until it is let in."""
    walk.adopted()
    with gate_before(server) as gate:
        gate.no, gate.opens_after = no, 4
        store = f"{gate.url}&journal={walk.url.partition('journal=')[2]}"
        assert main(["--store", store, words[0], walk.alias, *words[1:]]) == 0
        assert gate.noes == 4
    assert "waiting: the server asks to wait" in capsys.readouterr().err


def test_a_command_that_is_never_let_in_ends_with_the_reason_and_a_host_where_nobody_is_at_once(
    walk: Walk, server: Node, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beginning, "PATIENCE_S", 3.0)
    with gate_before(server) as gate:
        gate.no = No()
        assert main(["--store", gate.url, "status", walk.alias]) == 3
        assert gate.noes > 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("transvase: the server asks to wait")
    monkeypatch.setattr(beginning, "PATIENCE_S", 600.0)
    with socket.create_server(("127.0.0.1", 0)) as held:
        silent = held.getsockname()[1]
    assert main(["--store", f"weaviate://127.0.0.1:{silent}?grpc={silent}", "status", walk.alias]) == 3
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("transvase: the server was not reached")


@pytest.mark.story
def test_a_command_goes_on_when_the_server_comes_back_that_went_after_its_first_answer(
    walk: Walk, server: Node, run: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk.adopted()
    gone = threading.Event()

    def gone_then(url: str | None) -> Store:
        store = connect(url)
        server.kill()
        gone.set()
        return store

    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patch:
        patch.setattr(wiring, "connect", gone_then)
        planned = pool.submit(run, "plan", walk.alias, "--to", "new")
        assert gone.wait(60)
        time.sleep(1)
        assert not planned.done()
        server.start()  # by this thread: a server ends with the thread that began it
        server.wait()
        assert planned.result(120)["rows"] == ROWS
