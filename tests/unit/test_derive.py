"""``--derive`` and query-only migrations by the commands, with adapters as they lie on disk, on a store in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from linear import adapter
from numpy.typing import NDArray
from transvase.adapters.memory import connect
from transvase.cli import wiring
from transvase.cli.main import main
from transvase.core.encoders.adapted import load_adapted
from transvase.core.encoders.adapter_directory import write_adapter
from transvase.core.ports import Encoder
from transvase.core.space import Role, Side
from transvase.migrations.derive import batch_rows, through
from worlds import NEW, OLD, WIDTH, MemoryWorld, rows_of

ADOPT = ("adopt", "docs", "--table", "docs", "--key", "id", "--text", "body", "--vector", "embedding", "--encoder", "old")
ROWS = 40


@dataclass
class Desk:
    """The commands on one store, and a folder with adapters."""

    world: MemoryWorld
    url: str
    folder: Path
    captured: pytest.CaptureFixture[str]
    err: str = ""

    def adapter(self, name: str, matrix: NDArray[np.float32], *, side: Side = Side.BOTH) -> str:
        """An adapter directory over OLD; its full path, as it is kept in the database."""
        directory = self.folder / name
        directory.mkdir()
        write_adapter(directory, OLD.name, source=OLD.space, side=side, matrix=matrix, probed=None)
        return str(directory.resolve())

    def __call__(self, *words: str, status: int = 0) -> dict[str, object]:
        found = main(["--store", self.url, *words, "--json"])
        out, self.err = self.captured.readouterr()
        assert found == status, self.err
        made = json.loads(out) if out else {}
        assert isinstance(made, dict)
        return made


@pytest.fixture
def desk(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Desk]:
    named: dict[str, Encoder] = {"old": OLD, "new": NEW}

    def load(enc: str) -> Encoder:
        return named[enc] if enc in named else load_adapted(Path(enc), name=enc, load=load)

    monkeypatch.setattr(wiring, "load", load)
    wiring.encoders.cache_clear()
    url = f"memory:{request.node.name}"
    world = MemoryWorld(connect(url))
    world.make("docs")
    world.put("docs", rows_of([f"body {i}" for i in range(ROWS)]))
    made = Desk(world, url, tmp_path, capsys)
    made(*ADOPT)
    yield made
    wiring.encoders.cache_clear()


TURN = adapter("turn", OLD).matrix
CUT = np.ascontiguousarray(np.eye(WIDTH, dtype=np.float32)[:, :6])


@pytest.mark.parametrize(("matrix", "width"), [(TURN, WIDTH + 1), (CUT, 6)], ids=["adapter", "cut"])
def test_a_derived_migration_goes_live_and_answers_as_the_encoder_does(
    desk: Desk, matrix: NDArray[np.float32], width: int
) -> None:
    enc = desk.adapter("derived", matrix)
    planned = desk("plan", "docs", "--to", enc)
    assert (planned["kind"], planned["fenced"]) == ("derived", True)
    encoded = OLD.encoded
    desk("open", "docs", "--to", enc)
    filled = desk("fill", "docs", "--derive")
    assert (filled["rows_this_run"], filled["owed"]) == (ROWS, 0)
    assert OLD.encoded == encoded, "no text was encoded"
    assert desk("migrate", "docs", "--derive", "--until", "live")["phase"] == "live"
    assert desk.world.store.alias("docs").live.width == width
    hits = desk("search", "docs", "body 7", "-k", "3")["hits"]
    assert isinstance(hits, list)
    documents = OLD.encode([f"body {i}" for i in range(ROWS)], Role.DOCUMENT).matrix @ matrix
    documents /= np.linalg.norm(documents, axis=1, keepdims=True)
    assert [hit["key"] for hit in hits] == [[int(i)] for i in np.argsort(-(documents @ documents[7]))[:3]]


def test_migrate_derives_in_one_command_and_again_is_no_error(desk: Desk) -> None:
    enc = desk.adapter("derived", TURN)
    for _ in range(2):
        assert desk("migrate", "docs", "--to", enc, "--derive")["phase"] == "proven"
    events = desk("history", "docs")["events"]
    assert isinstance(events, list)
    assert [event["facts"]["derived_from"] for event in events if event["what"] == "fill"] == ["docs.embedding"]


def test_what_does_not_follow_is_refused_before_anything_is_opened(desk: Desk) -> None:
    desk("migrate", "docs", "--to", "new", "--derive", status=1)
    assert "neither a linear adapter nor a cut of old" in desk.err
    assert desk.world.store.alias("docs").shadow is None
    desk("migrate", "docs", "--to", "new", "--until", "shadowing")
    desk("fill", "docs", "--derive", status=1)
    assert desk("status", "docs")["phase"] == "shadowing"
    assert desk("fill", "docs")["phase"] == "filled"


def test_a_damaged_matrix_derives_nothing(desk: Desk) -> None:
    enc = desk.adapter("derived", TURN)
    desk("open", "docs", "--to", enc)
    path = Path(enc) / "adapter.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(bytes(raw))
    desk("fill", "docs", "--derive", status=1)
    assert "adapter.safetensors" in desk.err
    rows = desk("status", "docs")["rows"]
    assert isinstance(rows, dict)
    assert rows["done"] == 0


def test_a_query_adapter_is_a_switch_forth_and_back(desk: Desk) -> None:
    enc = desk.adapter("asking", TURN, side=Side.QUERY)
    planned = desk("plan", "docs", "--to", enc)
    assert (planned["kind"], planned["derive"], planned["seconds"], planned["disk_bytes"]) == ("query-only", None, 0.0, 0)
    desk("migrate", "docs", "--to", enc, "--derive", status=1)
    assert "leave `--derive` away" in desk.err
    assert desk("migrate", "docs", "--to", enc, "--until", "live")["phase"] == "live"
    found = desk("search", "docs", "body 7", "-k", "1")
    assert found["space"] == desk.world.store.alias("docs").live.label != OLD.space.id
    desk.world.put("docs", [{"id": 3, "body": "written meanwhile"}])
    assert desk("rollback", "docs")["phase"] == "filled"
    assert desk("search", "docs", "written meanwhile", "-k", "1")["space"] == OLD.space.id
    desk("migrate", "docs", "--until", "live")
    done = desk("retire", "docs", "--drop")
    assert "ended the name docs.embedding" in str(done["done"])
    assert desk("audit", "docs")["clean"] is True
    assert desk("migrate", "docs", "--to", "new", "--until", "live")["phase"] == "live"


def test_an_index_is_not_timed_beside_itself(desk: Desk) -> None:
    desk("migrate", "docs", "--to", desk.adapter("asking", TURN, side=Side.QUERY), "--until", "filled")
    findings = desk("prove", "docs")["findings"]
    assert isinstance(findings, list)
    latency = next(finding for finding in findings if finding["check"] == "latency")
    assert latency["passed"] is True
    assert "the very index of the source" in latency["detail"]


def test_of_one_index_nobody_can_tell_by_which_name_it_was_read(desk: Desk) -> None:
    desk("migrate", "docs", "--to", desk.adapter("asking", TURN, side=Side.QUERY), "--until", "live")
    desk("retire", "docs", "--quiet", "15m", status=1)
    assert "nobody can tell" in desk.err
    assert desk("retire", "docs")["old_side_quiet_s"] is None


def test_a_cut_is_derived_from_under_a_query_adapter(desk: Desk) -> None:
    """The documents under it are the base's, so what follows from the base follows from here."""
    desk("migrate", "docs", "--to", desk.adapter("asking", TURN, side=Side.QUERY), "--until", "live")
    desk("retire", "docs")
    assert desk("migrate", "docs", "--to", desk.adapter("cut", CUT), "--derive", "--until", "live")["phase"] == "live"
    assert desk("audit", "docs")["clean"] is True


def test_a_row_that_cannot_be_derived_stays_owed_until_it_is_encoded(desk: Desk) -> None:
    desk.world.put("docs", [{"id": 4, "embedding": None}, {"id": 5, "embedding": np.zeros(WIDTH, np.float32)}])
    desk("open", "docs", "--to", desk.adapter("derived", TURN))
    desk.world.put("docs", [{"id": 6, "body": "edited since"}])
    filled = desk("fill", "docs", "--derive")
    assert (filled["left_owed"], filled["owed"]) == (3, 0)
    assert desk("prove", "docs")["passed"] is True


def test_the_fence_of_a_derived_target_is_zero(desk: Desk) -> None:
    live = desk.world.store.index("docs", "docs.embedding")
    made = through(adapter("turn", OLD).derivation, live.stretch(None, limit=9).vectors, width=WIDTH + 1)
    assert made.width == WIDTH + 1
    assert not made.matrix[:, WIDTH].any()
    assert np.allclose(np.linalg.norm(made.matrix, axis=1), 1)


def test_a_batch_is_bounded_by_bytes_and_by_count(desk: Desk) -> None:
    live = desk.world.store.alias("docs").live
    assert batch_rows(live, live) == 10_000
    wide = replace(live, width=4_000)
    assert batch_rows(wide, wide) * 2 * 4_000 * 4 <= 16 << 20


def test_nothing_follows_from_vectors_of_unknown_make(desk: Desk) -> None:
    desk.world.make("others")
    desk.world.put("others", rows_of([f"body {i}" for i in range(5)]))
    desk("adopt", "others", "--table", "others", *ADOPT[4:-1], "unknown")
    desk("migrate", "others", "--to", desk.adapter("derived", TURN), "--derive", status=1)
    assert "nobody knows which encoder made the vectors of others.embedding" in desk.err
    assert desk("plan", "others", "--to", str(desk.folder / "derived"))["kind"] == "full"
