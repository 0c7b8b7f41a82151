"""The world fails under us: the connection, the disk, a lock, a model's files. Told with its status, and gone on from there."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from costless import HashEncoder
from helm import Helm, manned_at, snapshot, stocked
from psycopg import sql
from tiny_model import edit_json, write_tiny_model
from transvase.adapters.postgres import lifecycle
from transvase.core.space import Role, Vectors
from worlds import NEW, WIDTH, body, rows_of

pytestmark = pytest.mark.story
COUNT = 1_000
"""Rows of a table that takes several batches to fill."""


class Severing(HashEncoder):
    """NEW, which cuts every connection of ours to the database when it has been given so many texts."""

    def __init__(self, url: str) -> None:
        super().__init__("new", dimension=WIDTH, seed=2)
        self.url = url
        self.after: int | None = None

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        made = super().encode(texts, role)
        if self.after is not None and self.encoded > self.after:
            self.after = None
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'transvase' AND datname = current_database()"
                )
        return made


@pytest.fixture
def severing(helm: Helm) -> Severing:
    """The encoder by the name of ``new``; the table is stocked and adopted."""
    made = Severing(helm.url)
    helm.named["new"] = made
    stocked(helm.world, COUNT)
    assert helm(*helm.adopt()) == 0, helm.err
    return made


def check_whole(helm: Helm) -> None:
    """Every row has its right new vector, once."""
    assert helm("migrate", "docs", "--to", "new", "--until", "live") == 0, helm.err
    side = sql.Identifier("transvase_control", helm.object("status", "docs")["live"]["index"])
    assert helm.world.application.execute(sql.SQL("SELECT count(*) FROM {}").format(side)).fetchone() == (COUNT,)
    found = helm.object("audit", "docs")
    assert (found["clean"], found["foreign"], found["sampled"]) == (True, 0, 400)


@pytest.mark.parametrize("after", [0, 256, COUNT - 1])
def test_a_connection_lost_in_the_middle_of_a_fill_costs_no_row(helm: Helm, severing: Severing, after: int) -> None:
    assert helm("open", "docs", "--to", "new") == 0, helm.err
    severing.after = severing.encoded + after
    status = helm("fill", "docs")
    assert status in (0, 3), helm.err  # in its first minute it is made anew by itself
    assert ("waiting: " if status == 0 else "transvase: ") + "the database went away" in helm.err
    assert helm.object("status", "docs")["phase"] == ("filled" if status == 0 else "shadowing")
    assert "TRANSVASE_DEBUG" not in helm.err
    assert helm("fill", "docs") == 0, helm.err
    check_whole(helm)


@pytest.mark.parametrize("move", ["prove", "cutover", "rollback"])
def test_a_connection_lost_in_the_middle_of_a_move_leaves_a_phase_from_which_the_same_words_go_on(
    helm: Helm, severing: Severing, move: str
) -> None:
    before = {"prove": "filled", "cutover": "proven", "rollback": "live"}[move]
    assert helm("migrate", "docs", "--to", "new", "--until", before) == 0, helm.err
    helm.sql("UPDATE docs SET body = body || ' edited' WHERE id < 40")
    severing.after = severing.encoded
    status = helm(move, "docs")
    assert status in (0, 3), helm.err
    assert "TRANSVASE_DEBUG" not in helm.err
    assert severing.after is None, "the connections were cut while it ran"
    if status == 3:
        assert helm.object("status", "docs")["phase"] == before
        assert helm(move, "docs") == 0, helm.err
    check_whole(helm)


def test_a_search_outlives_the_loss_of_its_connection(helm: Helm, severing: Severing) -> None:
    assert helm("migrate", "docs", "--to", "new", "--until", "live") == 0, helm.err
    severing.after = severing.encoded
    assert helm.object("search", "docs", body(3))["hits"][0]["key"] == [3]
    assert severing.after is None


def test_a_lock_that_is_not_free_is_given_up_with_the_name_of_its_holder(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    stocked(helm.world)
    assert helm(*helm.adopt()) == 0, helm.err
    monkeypatch.setattr(lifecycle, "climb", functools.partial(lifecycle.climb, deadline_s=0.8))
    with psycopg.connect(helm.url) as writer:
        writer.execute("UPDATE docs SET title = 'held' WHERE id = 1")
        pid = writer.info.backend_pid
        helm.sql("SELECT pg_sleep(1.1)")
        assert helm("open", "docs", "--to", "new") == 3
        assert "no lock for the triggers on public.docs within" in helm.err
        assert f"pid {pid}" in helm.err
        assert "end those transactions or try later" in helm.err
        assert helm.sql("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'docs'::regclass AND NOT tgisinternal") == [(0,)]
        writer.commit()
    assert helm("open", "docs", "--to", "new") == 0, helm.err


def test_a_server_that_spares_no_room_for_temporary_files_fails_with_its_own_words_and_is_gone_on_with(helm: Helm) -> None:
    """The nearest that any server can be brought to a full disk without one: its own limit on what a statement may spill."""
    stocked(helm.world, 4_000)
    assert helm(*helm.adopt()) == 0, helm.err
    assert helm("migrate", "docs", "--to", "new", "--until", "filled") == 0, helm.err
    database = sql.Identifier(helm.sql("SELECT current_database()")[0][0])
    for setting in ("work_mem = '64kB'", "temp_file_limit = '64kB'", "hash_mem_multiplier = 1"):
        helm.world.application.execute(sql.SQL("ALTER DATABASE {} SET ").format(database) + sql.SQL(setting))
    assert helm("prove", "docs") == 3
    assert "temporary file size exceeds" in helm.err
    assert helm.object("status", "docs")["phase"] == "filled"
    helm.world.application.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(database))
    assert helm("prove", "docs") == 0, helm.err


@pytest.fixture
def cramped(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Callable[[int], None]]]:
    """URL of a database on a file system of its own that is nearly full, and what changes its size in MiB."""
    place = Path("/run") / f"transvase-cramped-{os.getpid()}"
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("mounting a small file system takes root")
    place.mkdir(mode=0o755)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place)], check=False).returncode:
        place.rmdir()
        pytest.skip("this machine does not let us mount a file system")

    def resize(mebibytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={mebibytes}m", str(place)], check=True)

    try:
        inner = place / "space"
        inner.mkdir()
        owner = pwd.getpwnam("pgserver")
        os.chown(inner, owner.pw_uid, owner.pw_gid)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE TABLESPACE cramped LOCATION {}").format(sql.Literal(str(inner))))
            connection.execute("CREATE DATABASE cramped TEMPLATE transvase_template TABLESPACE cramped STRATEGY file_copy")
            yield server.replace("/postgres?", "/cramped?"), resize
            connection.execute("DROP DATABASE cramped WITH (FORCE)")
            connection.execute("DROP TABLESPACE cramped")
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
        place.rmdir()


def test_a_disk_that_fills_up_in_the_middle_of_a_fill_is_told_and_gone_on_with(
    cramped: tuple[str, Callable[[int], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, resize = cramped
    with manned_at(url, capsys.readouterr) as helm:
        stocked(helm.world, 6_000)
        assert helm(*helm.adopt()) == 0, helm.err
        assert helm("open", "docs", "--to", "new") == 0, helm.err
        used = int(
            subprocess.run(
                ["du", "-sm", "/run/" + f"transvase-cramped-{os.getpid()}"], capture_output=True, check=True
            ).stdout.split()[0]
        )
        resize(used + 1)
        assert helm("fill", "docs") == 3
        assert "disk is full" in helm.err
        assert helm("search", "docs", body(3)) == 0, "readers are served all the while"
        resize(64)
        assert helm.object("status", "docs")["phase"] == "shadowing"
        assert helm("migrate", "docs", "--until", "live") == 0, helm.err
        assert helm.object("audit", "docs")["clean"] is True


# Models.


def cut_short(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def garbled(model: Path) -> None:
    (model / "config.json").write_text('{"hidden_size": 16,', encoding="utf-8")


def torn(model: Path) -> None:
    (model / "modules.json").write_bytes(b"[\0\0\0\0]")


def without_tokenizer(model: Path) -> None:
    (model / "tokenizer.json").unlink()


def without_weights(model: Path) -> None:
    (model / "model.safetensors").unlink()


def without_dimension(model: Path) -> None:
    edit_json(model / "1_Pooling/config.json", word_embedding_dimension=None)


def emptied(model: Path) -> None:
    for path in sorted(model.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (cut_short, "model.safetensors: cut short"),
        (garbled, "config.json: not valid JSON"),
        (torn, "modules.json: a NUL byte stands at position 1"),
        (without_tokenizer, "tokenizer.json: the file is missing"),
        (without_weights, "model.safetensors: the file is missing"),
        (without_dimension, "it states no dimension"),
        (emptied, "modules.json: the file is missing"),
    ],
)
def test_a_damaged_model_directory_is_refused_by_the_name_of_the_file(
    proven: Helm, tmp_path: Path, damage: Callable[[Path], None], says: str
) -> None:
    model = write_tiny_model(tmp_path / "model")
    damage(model)
    for words in (
        proven.adopt(encoder=str(model), table="bare", alias="bare"),
        ("plan", "docs", "--to", str(model)),
        ("open", "docs", "--to", str(model)),
        ("migrate", "docs", "--to", str(model)),
    ):
        proven.refused(*words, status=1, says=[says, "the model directory is damaged"])


def test_a_file_in_the_place_of_a_model_ends_with_2(proven: Helm, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights")
    proven.refused("plan", "docs", "--to", str(path), status=2, says=["there is no model", "a model is a directory"])


def test_a_model_that_changed_under_its_name_stops_every_move_that_would_encode_with_it(helm: Helm) -> None:
    """What stands in the database is the Space; an encoder of another one by the old name is refused and nothing is written."""
    stocked(helm.world)
    helm.reach("shadowing")
    side = helm.object("status", "docs")["target"]["index"]
    helm.named["new"] = HashEncoder("new", dimension=WIDTH, seed=99)
    from transvase.cli import wiring

    wiring.encoders.cache_clear()
    helm.refused("fill", "docs", status=1, says=[NEW.space.id, "which has changed since", "must never be compared"])
    helm.refused("migrate", "docs", status=1, says="which has changed since")
    held = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("transvase_control", side))
    assert helm.world.application.execute(held).fetchone() == (0,)
    helm.world.put("docs", rows_of({(3,): "an edit"}))
    assert helm("sync", "docs", "--once") == 1
    assert helm.object("status", "docs")["owed"] == 1
    helm.named["new"] = NEW
    wiring.encoders.cache_clear()
    assert helm("migrate", "docs", "--until", "live") == 0, helm.err
    assert helm.object("audit", "docs")["clean"] is True


def test_a_failed_command_leaves_no_connection_behind(helm: Helm) -> None:
    stocked(helm.world)
    before = snapshot(helm.url)
    assert helm("adopt", "docs") == 2
    helm.refused(*helm.adopt(encoder="other"), status=1, says="did not make")
    left = helm.sql(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'transvase' AND datname = current_database()"
        " AND state <> 'idle'"
    )
    assert left == [(0,)]
    assert snapshot(helm.url) == before
