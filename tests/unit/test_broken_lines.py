"""Broken lines of a click log: refused with all their numbers, or left out and counted where so many were allowed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gleanings import SearchEngine, write_jsonl
from transvase.cli.main import main
from transvase.core.errors import BadValue
from transvase.core.signal.clicks.reading import read_log
from transvase.core.signal.harvest import Tally

GOOD = {"session": "s", "query": "how to", "shown": ["a", "b", "c"], "clicks": ["b"]}


def log(path: Path, *, broken: dict[int, bytes], lines: int = 9) -> Path:
    """A log of lists with these lines, counted from 1, in place of good ones."""
    good = [json.dumps(GOOD | {"time": 60 * number}).encode() for number in range(1, lines + 1)]
    path.write_bytes(b"".join(broken.get(number, line) + b"\n" for number, line in enumerate(good, start=1)))
    return path


BROKEN = {
    2: b'{"session": "s", "time": 1, "que',
    5: json.dumps(GOOD).encode(),  # no time
    8: b'{"session": "s\xff"}',
}


def test_all_broken_lines_of_a_log_are_named_at_once(tmp_path: Path) -> None:
    said = r"3 lines are broken: 2, 5, 8; the first: line 'log.jsonl:2': it is not JSON.*--most-broken 3"
    with pytest.raises(BadValue, match=said):
        read_log(log(tmp_path / "log.jsonl", broken=BROKEN), columns={}, tally=Tally())


def test_a_single_broken_line_is_told_as_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"^time 'log.jsonl:5': the moment is missing"):
        read_log(log(tmp_path / "log.jsonl", broken={5: BROKEN[5]}), columns={}, tally=Tally())


def test_broken_lines_within_the_bound_are_left_out_and_counted_with_their_places(tmp_path: Path) -> None:
    tally = Tally()
    found = read_log(log(tmp_path / "log.jsonl", broken=BROKEN), columns={}, tally=tally, most_broken=3)

    assert found.line.tolist() == [1, 3, 4, 6, 7, 9]
    assert tally.as_json()["broken line"] == {"count": 3, "examples": ["log.jsonl:2", "log.jsonl:5", "log.jsonl:8"]}
    assert tally.read == 6


def test_one_more_than_the_bound_refuses_the_log(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="3 lines are broken"):
        read_log(log(tmp_path / "log.jsonl", broken=BROKEN), columns={}, tally=Tally(), most_broken=2)


def test_a_log_of_nothing_but_broken_lines_says_how_many(tmp_path: Path) -> None:
    path = log(tmp_path / "log.jsonl", broken=dict.fromkeys(range(1, 31), b"{"), lines=30)
    with pytest.raises(BadValue, match=r"30 lines are broken: 1, 2, .*20 and 10 more"):
        read_log(path, columns={}, tally=Tally())


def test_rows_of_results_are_left_out_one_by_one(tmp_path: Path) -> None:
    rows = ["session,time,query,document,position,clicked", "s,60,how to,a,1,0", "s,60,how to,b,2,1", "s,60,how to,c,0,0", "s,60"]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(rows) + "\n")
    tally = Tally()
    found = read_log(path, columns={}, tally=tally, most_broken=2)

    assert found.documents == ("a", "b")
    assert sorted(tally.reasons["broken line"][1]) == ["log.csv:4", "log.csv:5"]
    with pytest.raises(BadValue, match=r"2 lines are broken"):
        read_log(path, columns={}, tally=Tally())


@pytest.mark.parametrize("position", [0, 2.5, 10_001, 50_000, 1e9, 1e300])
def test_a_position_that_nobody_was_shown_is_a_broken_line(tmp_path: Path, position: float) -> None:
    line = json.dumps(GOOD | {"time": 7, "shown": ["a", {"id": "b", "position": position}]}).encode()
    path = log(tmp_path / "log.jsonl", broken={3: line})
    with pytest.raises(BadValue, match=r"log.jsonl:3: positions are whole numbers, count from 1, and end at 10,000"):
        read_log(path, columns={}, tally=Tally())

    tally = Tally()
    assert 3 not in read_log(path, columns={}, tally=tally, most_broken=1).line
    assert tally.as_json()["broken line"] == {"count": 1, "examples": ["log.jsonl:3"]}


def test_a_list_of_more_results_than_anybody_was_shown_is_a_broken_line(tmp_path: Path) -> None:
    line = json.dumps(GOOD | {"time": 7, "shown": [f"d{number}" for number in range(10_001)]}).encode()
    with pytest.raises(BadValue, match="10,001 results are no list"):
        read_log(log(tmp_path / "log.jsonl", broken={3: line}), columns={}, tally=Tally())


def test_a_quote_that_does_not_end_refuses_the_file_whatever_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text('session,time,query,document,position,clicked\ns,60,how to,a,1,1\ns,60,"how to,b,2,1\ns,60,how to,c,3,0\n')
    with pytest.raises(BadValue, match=r"log.csv:3.*not a row of a table"):
        read_log(path, columns={}, tally=Tally(), most_broken=9)


def test_the_command_takes_a_torn_log_where_it_is_told_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = SearchEngine(looks=[1, 0.5, 0.3], quality=0.5, swaps="shuffle", seed=1, queries=40)
    path = write_jsonl(tmp_path / "log.jsonl", engine.searches(1_000))
    corpus = write_jsonl(tmp_path / "corpus.jsonl", engine.documents())
    with path.open("a") as file:
        file.write('{"session": "torn')
    words = ["pairs", "from-clicks", str(path), "--corpus", str(corpus), "--out", str(tmp_path / "out"), "--json"]

    assert main(words) == 2
    assert "log.jsonl:1001" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*words, "--most-broken", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["dropped"]["broken line"] == {"count": 1, "examples": ["log.jsonl:1001"]}
