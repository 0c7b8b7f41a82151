"""Click logs: what is read, what is sifted out, and what a click or a skip comes to. tests/collections has the simulated ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gleanings import log_of, sentence, write_csv, write_jsonl
from transvase.core.errors import BadValue, UnknownName
from transvase.core.signal.clicks import swaps
from transvase.core.signal.clicks.counts import Counts
from transvase.core.signal.clicks.harvest import ClickTerms, harvest_clicks
from transvase.core.signal.clicks.reading import read_log
from transvase.core.signal.clicks.relevance import Bounds
from transvase.core.signal.clicks.sifting import Sieve, sift
from transvase.core.signal.harvest import Tally


def line(number: int, **own: object) -> dict[str, object]:
    start = {"session": f"s{number}", "time": number * 60, "query": "how to", "shown": ["a", "b", "c"], "clicks": ["b"]}
    return start | own


def harvested(tmp_path: Path, lines: list[dict[str, object]], **bounds: int):
    corpus = write_jsonl(tmp_path / "corpus.jsonl", [{"_id": name, "text": f"text of {name}"} for name in "abc"])
    log = write_jsonl(tmp_path / "log.jsonl", lines)
    tally = Tally()
    terms = ClickTerms(bounds=Bounds(clip=0.05, **bounds))
    harvest, _ = harvest_clicks(log, corpus=corpus, terms=terms, tally=tally)
    return {judgment.document: judgment for judgment in harvest.judgments}, tally, harvest


def test_what_is_skipped_above_a_click_is_judged_wrong_and_what_lies_below_is_not_judged(tmp_path: Path) -> None:
    found, _, _ = harvested(tmp_path, [line(number) for number in range(5)])

    assert {name: judgment.grade for name, judgment in found.items()} == {"a": 0.0, "b": 4.0}
    assert found["a"].weight == 1


def test_what_was_ever_clicked_is_no_negative_however_often_it_was_skipped(tmp_path: Path) -> None:
    clicks = [["b"]] * 6 + [["a"]] * 5
    found, _, _ = harvested(tmp_path, [line(number, clicks=names) for number, names in enumerate(clicks)])

    assert found["a"].grade > 0
    assert found["b"].grade > 0


def test_dwell_and_conversion_say_what_a_click_was_worth(tmp_path: Path) -> None:
    swapped = [["a", "b", "c"], ["b", "a", "c"]]
    acts = [{"clicks": [{"id": "a", "dwell": 2}, {"id": "b", "dwell": 90}]}, {"conversions": ["c"], "clicks": ["c"]}]
    lines = [line(number, shown=swapped[number % 2], **acts[number % 3 == 0]) for number in range(30)]
    found, _, _ = harvested(tmp_path, lines)

    assert found["b"].weight > 2 * found["a"].weight
    assert found["c"].grade == 4


def test_seldom_shown_pairs_and_unknown_documents_are_left_out_and_counted(tmp_path: Path) -> None:
    lines = [line(number) for number in range(5)] + [line(9, shown=["c", "gone"], clicks=["gone", "c"])]
    found, tally, _ = harvested(tmp_path, lines, least_impressions=6)

    assert set(found) == {"c"}
    assert tally.reasons["document not in the corpus"] == (1, ["log.jsonl:6"])
    assert tally.reasons["shown too seldom"][0] == 2


def test_a_query_of_one_visit_belongs_to_it_and_one_of_many_to_none(tmp_path: Path) -> None:
    lines = [line(number) for number in range(5)]
    lines += [line(7, query=text, time=420 + row) for row, text in enumerate(["rare one"] * 2 + ["other"] * 2)]
    _, _, harvest = harvested(tmp_path, lines, least_impressions=2)
    sessions = {query.text: query.metadata.get("session") for query in harvest.queries}

    assert sessions["how to"] is None
    assert sessions["rare one"] == sessions["other"] is not None


def test_spellings_of_one_query_are_one_query(tmp_path: Path) -> None:
    _, _, harvest = harvested(
        tmp_path, [line(number, query=text) for number, text in enumerate(["How  to?", "how to", "HOW TO "])]
    )

    assert [(query.text, query.metadata["impressions"]) for query in harvest.queries] == [("How  to?", 3)]


def test_robots_are_sifted_out_each_for_its_reason(tmp_path: Path) -> None:
    people = [line(number, clicks=[{"id": "b", "dwell": 20}]) for number in range(20)]
    fast = [line(0, session="fast", time=5_000 + number, query=sentence(number)) for number in range(30)]
    many = [line(0, session="many", time=5_000 + 60 * number, query=sentence(number)) for number in range(60)]
    greedy = [line(0, session="greedy", time=5_000 + 60 * n, query=sentence(n), clicks=["a", "b", "c"]) for n in range(9)]
    glances = [line(0, session="glance", time=5_000 + 60 * n, clicks=[{"id": "b", "dwell": 0.1}]) for n in range(6)]
    tally = Tally()

    log = sift(log_of([*people, *fast, *many, *greedy, *glances], tmp_path), sieve=Sieve(most_per_visit=50), tally=tally)

    assert {reason: tally.reasons[reason][0] for reason in tally.reasons} == {
        "robot: too many queries in a visit": 60,
        "robot: queries faster than a person": 30,
        "robot: clicks everything": 9,
        "robot: stays nowhere": 6,
    }
    assert len(log.query) == 20
    assert set(np.array(log.sessions)[log.session]) == {f"s{number}" for number in range(20)}
    assert tally.reasons["robot: clicks everything"][1][0] == f"log.jsonl:{20 + 30 + 60 + 1}"


def test_a_long_pause_ends_a_visit(tmp_path: Path) -> None:
    log = log_of([line(0, time=time) for time in (0, 60, 4_000, 4_060)], tmp_path)

    assert log.visits().tolist() == [0, 0, 1, 1]


def test_the_same_event_twice_counts_once(tmp_path: Path) -> None:
    tally = Tally()
    log = read_log(write_jsonl(tmp_path / "log.jsonl", [line(1), line(1), line(2)]), columns={}, tally=tally)

    assert len(log.query) == 2
    assert tally.reasons["the same event again"] == (1, ["log.jsonl:2"])


def test_a_row_a_result_says_the_same_as_a_list_a_line(tmp_path: Path) -> None:
    lists = [line(number, clicks=["b"], query=f"q {number % 2}") for number in range(6)]
    rows = [
        {"sid": one["session"], "time": f"1970-01-01T00:0{n}:00Z", "query": one["query"], "doc": name,
         "position": place, "clicked": int(name == "b")}
        for n, one in enumerate(lists)
        for place, name in enumerate(one["shown"], start=1)
    ]  # fmt: skip
    first = log_of(lists, tmp_path)
    second = read_log(write_csv(tmp_path / "log.csv", rows), columns={"session": "sid", "document": "doc"}, tally=Tally())

    for name in ("session", "query", "time", "of", "document", "position", "clicked"):
        assert getattr(first, name).tolist() == getattr(second, name).tolist(), name


def test_results_may_say_themselves_what_became_of_them_under_names_of_their_own(tmp_path: Path) -> None:
    plain = [line(number, clicks=["b"]) for number in range(4)]
    columns = {"session": "sid", "time": "at", "shown": "results", "document": "doc", "position": "rank", "clicked": "hit"}
    told = [
        {"sid": one["session"], "at": one["time"], "query": one["query"],
         "results": [{"doc": name, "rank": place, "hit": name == "b"} for place, name in enumerate("abc", start=1)]}
        for one in plain
    ]  # fmt: skip
    cells = [{name: json.dumps(value) if name == "results" else value for name, value in one.items()} for one in told]
    first = log_of(plain, tmp_path)
    for path in (write_jsonl(tmp_path / "told.jsonl", told), write_csv(tmp_path / "told.csv", cells)):
        second = read_log(path, columns=columns, tally=Tally())
        assert second.documents == first.documents
        assert second.clicked.tolist() == first.clicked.tolist()
        assert second.position.tolist() == first.position.tolist()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "no row"),
        ([line(1, clicks=[]), line(2, clicks=[])], "nothing in it was clicked"),
        ([line(1, clicks=["a", "b", "c"])], "everything that was shown was clicked"),
        ([line(1, time="yesterday")], "log.jsonl:1: seconds since 1970"),
        ([line(1), line(2, time=None)], "log.jsonl:2"),
        ([line(1), line(2, session="")], "log.jsonl:2"),
        ([line(1, shown="a b c")], "log.jsonl:1': a JSON list"),
        ([line(1, shown=[{"id": "a", "position": 0}])], "count from 1"),
        ([line(1, shown=[None])], "log.jsonl:1: write an id"),
    ],
)
def test_a_log_that_cannot_be_meant_is_refused_with_its_line(tmp_path: Path, lines: list[dict[str, object]], said: str) -> None:
    with pytest.raises(BadValue, match=said):
        read_log(write_jsonl(tmp_path / "log.jsonl", lines), columns={}, tally=Tally())


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    without = {name: value for name, value in line(1).items() if name != "session"} | {"sid": "s"}

    with pytest.raises(UnknownName, match=r"'session'.*'sid'.*session=COLUMN"):
        read_log(write_jsonl(tmp_path / "log.jsonl", [without]), columns={}, tally=Tally())
    with pytest.raises(UnknownName, match="column of ours"):
        read_log(write_jsonl(tmp_path / "log.jsonl", [without]), columns={"sesion": "sid"}, tally=Tally())


def test_a_log_of_another_corpus_is_refused(tmp_path: Path) -> None:
    corpus = write_jsonl(tmp_path / "corpus.jsonl", [{"_id": "z", "text": "zed"}])

    with pytest.raises(BadValue, match="3 of its 3 documents"):
        harvest_clicks(write_jsonl(tmp_path / "log.jsonl", [line(1)]), corpus=corpus, terms=ClickTerms(), tally=Tally())


@pytest.mark.parametrize("bounds", [{"clip": 0.0}, {"clip": 1.5}, {"least_impressions": 0}, {"least_skips": 0}])
def test_bounds_that_cannot_be_meant_are_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(BadValue):
        Bounds(**bounds)


def swapped(deepest: int) -> Counts:
    """Three documents that were shown at positions 1 and 3 alike, and one far below; looks fall as 1/position."""
    shown = [(pair, position) for pair in range(3) for position in (1, 3)] + [(3, deepest)]
    return Counts(
        query=np.zeros(4, dtype=np.int64),
        document=np.arange(4),
        pair=np.array([pair for pair, _ in shown]),
        position=np.array([position for _, position in shown]),
        shown=np.full(len(shown), 300.0),
        clicks=np.array([round(150 / position) for _, position in shown], dtype=float),
    )


def test_positions_below_those_that_are_compared_follow_the_law_as_if_they_had_been_solved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    short = swaps.harvested(swapped(120))
    monkeypatch.setattr(swaps, "DEEPEST", 120)
    solved = swaps.harvested(swapped(120))

    assert short is not None
    assert solved is not None
    np.testing.assert_allclose(short.looks, solved.looks, rtol=1e-9)
    np.testing.assert_allclose(short.error, solved.error, rtol=1e-9)
    assert short.known.tolist() == solved.known.tolist()


def test_one_result_far_down_costs_neither_time_nor_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Solved whole, ten thousand positions would be a matrix of a hundred million numbers."""
    sizes: list[int] = []
    inverse = np.linalg.inv

    def counted(matrix: np.ndarray) -> np.ndarray:
        sizes.append(len(matrix))
        return inverse(matrix)

    monkeypatch.setattr(np.linalg, "inv", counted)
    found = swaps.harvested(swapped(10_000))
    assert found is not None
    assert len(found.looks) == len(found.error) == len(found.known) == 10_000
    assert sizes == [swaps.DEEPEST]
