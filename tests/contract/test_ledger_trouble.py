"""A ledger that cannot be opened or written: said by name, and left as it is."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from ledger_child import ALIAS, LIVE, key
from transvase.adapters.ledger import Book, at_home, connect, flushing
from transvase.core.errors import BadValue, StoreFailed, Unfit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Book]:
    made = connect(path)
    yield made
    made.close()


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that other users can see: pytest's own are private."""
    place = Path(tempfile.mkdtemp(prefix="transvase-ledger-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def closed(path: Path) -> Path:
    """A ledger with a few hundred entries, closed."""
    ledger = connect(path)
    ledger.owe(ALIAS, [key(number) for number in range(400)])
    ledger.close()
    return path


def test_a_full_disk_is_told_and_nothing_of_the_call_is_kept(ledger, path):
    writer = ledger._pages._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 1}")
    with pytest.raises(StoreFailed, match=f"disk of the ledger {path} is full"):
        ledger.intend(ALIAS, [key(number) for number in range(1000)], first=LIVE)
    assert ledger.owed(ALIAS) == 0
    writer.execute("PRAGMA max_page_count = 100000")
    assert len(ledger.intend(ALIAS, [key(1)], first=LIVE)) == 1


def test_a_file_that_may_grow_no_more_is_told_and_written_again_when_there_is_room(children, path):
    said = children.say("fail", where=str(path))
    assert (said["error"], said["kept"], said["afterwards"]) == ("StoreFailed", 0, 1), said
    assert str(path) in said["said"]


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="only root can become somebody who may not write")
def test_a_file_that_may_not_be_written_is_told(children, open_place):
    path = closed(open_place / "ledger.sqlite")
    said = children.say("fail", where=str(path), user=65534)
    assert said["error"] in ("Unfit", "StoreFailed")
    assert str(path) in said["said"]
    assert "right" in said["said"] or "may be written" in said["said"] or "Permission" in said["said"]


def test_a_directory_that_cannot_be_made_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreFailed, match="cannot be opened"):
        at_home("db.example", 8080)


def test_a_directory_that_was_mistyped_is_named_and_not_made(tmp_path):
    (tmp_path / "file").write_text("x")
    for absent in (tmp_path / "srv", tmp_path / "file"):
        with pytest.raises(BadValue, match=f"there is no directory {absent};"):
            connect(absent / "ledgers" / "ours.sqlite")
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("where", ["", "mysql://host/db", "."])
def test_a_place_that_cannot_be_one_is_refused(where):
    with pytest.raises(BadValue):
        connect(where)


@pytest.mark.parametrize(("edition", "remedy"), [(9, "newer Transvase"), (1, "before the first release.*name a new ledger")])
def test_a_ledger_of_another_edition_is_refused_and_left_as_it_is(path, edition, remedy):
    closed(path)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {edition}")
    connection.close()
    with pytest.raises(Unfit, match=f"{path} is of edition {edition}.*{remedy}"):
        connect(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM owed").fetchone() == (400,)
    connection.close()


@pytest.mark.parametrize(("edition", "remedy"), [(9, "newer Transvase"), (1, "before the first release.*name a new ledger")])
def test_a_ledger_of_another_edition_in_postgres_is_refused(database, edition, remedy):
    connect(database).close()
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE transvase_ledger.meta SET value = %s WHERE name = 'edition'", (str(edition),))
    with pytest.raises(Unfit, match=f"is of edition {edition}.*{remedy}"):
        connect(database)


@pytest.mark.parametrize("at", [0, 30, 4096, 20_000])
def test_a_damaged_file_is_told_by_name_and_not_overwritten(path, at):
    closed(path)
    content = bytearray(path.read_bytes())
    content[at : at + 3000] = os.urandom(3000)
    path.write_bytes(content)
    with pytest.raises((StoreFailed, Unfit), match=str(path)) as caught:
        connect(path)
    assert "left as it" in str(caught.value) or "edition" in str(caught.value)
    assert path.read_bytes() == content


def test_a_file_of_something_else_is_refused_and_not_overwritten(path):
    path.write_text("my shopping list, " * 400)
    with pytest.raises(StoreFailed, match="left as it is"):
        connect(path)
    assert path.read_text().startswith("my shopping list")


def test_a_database_of_another_program_is_refused_and_not_overwritten(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    with pytest.raises(Unfit, match="another program"):
        connect(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    connection.close()


@pytest.mark.parametrize("put_back", [False, True])
def test_a_ledger_that_is_removed_or_replaced_in_use_takes_no_more_notes(ledger, path, tmp_path, put_back):
    path.rename(tmp_path / "elsewhere")
    if put_back:
        path.write_bytes(b"")
    with pytest.raises(StoreFailed, match="was replaced" if put_back else "was removed"):
        ledger.intend(ALIAS, [key(1)], first=LIVE)
    if put_back:
        path.unlink()
    (tmp_path / "elsewhere").rename(path)
    assert len(ledger.intend(ALIAS, [key(1)], first=LIVE)) == 1


def test_a_failed_flush_is_told_for_good_and_the_entry_is_everybodys(ledger, path, monkeypatch):
    ledger.begin_capture(ALIAS, live=LIVE, shadow="Docs_2")
    flush, other = flushing._flush, connect(path)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(flushing, "_flush", fail)
    with pytest.raises(StoreFailed, match="could not be flushed"):
        ledger.intend(ALIAS, [key(1)], first=LIVE)
    monkeypatch.setattr(flushing, "_flush", flush)
    with pytest.raises(StoreFailed, match="start this process again"):
        ledger.intend(ALIAS, [key(2)], first=LIVE)
    assert {debt.key for debt in other.debts(ALIAS, limit=9, grace_s=0)} == {key(1), key(2)}
    other.close()


def test_a_ledger_that_was_closed_says_so(path):
    ledger = connect(path)
    ledger.close()
    ledger.close()
    with pytest.raises(StoreFailed, match="was closed"):
        ledger.intend(ALIAS, [key(1)], first=LIVE)
