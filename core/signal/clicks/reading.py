"""Click logs as people export them: a line for each list that was shown, or a row for each result in it.

A list a line (JSON): ``session``, ``time``, ``query``, ``shown`` (ids, or objects with ``id``, ``position``, ``clicked``,
``dwell``, ``converted``), ``clicks`` (ids, or objects with ``id`` and ``dwell``), ``conversions`` (ids). A row a result (CSV,
TSV or JSON): ``session``, ``time``, ``query``, ``document``, ``position``, ``clicked``; if known, ``dwell``, ``converted`` and
``impression``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue, UnknownName
from transvase.core.signal.faults import Faults
from transvase.core.signal.harvest import Tally
from transvase.core.signal.table import Row, each_row

from .log import Log, Recorder, Result

LISTS: Final = ("session", "time", "query", "shown")
RESULTS: Final = ("session", "time", "query", "document", "position", "clicked")
OPTIONAL: Final = ("clicks", "dwell", "conversions", "converted", "impression")
NAMES: Final = tuple(dict.fromkeys((*LISTS, *RESULTS, *OPTIONAL)))
"""What a log may say, in our words; its own columns may be called otherwise."""

DEEPEST: Final = 10_000
"""The last position that is believed: nobody looks so far down, and what is above it is an error of whoever wrote the log."""

_Head = tuple[str, float, str, int]
"""Session, time, query and line of a list."""

_YES: Final = {"1", "true", "yes", "t", "y"}
_NO: Final = {"", "0", "false", "no", "f", "n"}


def read_log(path: Path, *, columns: Mapping[str, str], tally: Tally, most_broken: int = 0) -> Log:
    """Read a log; ``columns`` says what a column of ours is called in it. ``tally.read`` counts the lists that were shown.

    Up to ``most_broken`` lines may be broken (no JSON, a position below 1, no time …): they are left out and counted.
    UnknownName for a missing file or column, BadValue for more broken lines than that (with their numbers), or a log in which
    nothing was clicked, or everything.
    """
    unknown = sorted(set(columns) - set(NAMES))
    if unknown:
        raise UnknownName("column of ours", unknown[0], hint=f"a log has {', '.join(NAMES)}")
    named = {name: columns.get(name, name) for name in NAMES}
    faults = Faults(path, most=most_broken, tally=tally)
    recorder, seen = Recorder(path.name), set[int]()
    for shown in _shown(path, named, faults):
        tally.read += 1
        trace = hash((shown.session, shown.time, shown.query, tuple(result.document for result in shown.results)))
        if trace in seen:
            tally.drop("the same event again", f"{path.name}:{shown.line}")
            continue
        seen.add(trace)
        if not shown.query or not shown.results:
            tally.drop("query empty" if not shown.query else "nothing was shown", f"{path.name}:{shown.line}")
            continue
        for _ in range(shown.strays):
            tally.drop("click on something that was not shown, or shown twice", f"{path.name}:{shown.line}")
        recorder.add(list(shown.results), session=shown.session, time=shown.time, query=shown.query, line=shown.line)
    faults.settle()
    log = recorder.log()
    if not len(log.query):
        raise BadValue("log", str(path), why="it holds no list that was shown")
    if not log.clicked.any():
        why = f"nothing in it was clicked; clicks are told by {named['clicks']!r}, or by {named['clicked']!r} of each result"
        raise BadValue("log", str(path), why=why)
    if log.clicked.all():
        raise BadValue("log", str(path), why="everything that was shown was clicked; log what was shown and not clicked too")
    return log


@dataclass(frozen=True, slots=True)
class _Shown:
    """One list; ``strays`` counts clicks that fit nothing in it."""

    session: str
    time: float
    query: str
    line: int
    results: tuple[Result, ...]
    strays: int


def _shown(path: Path, named: Mapping[str, str], faults: Faults) -> Iterator[_Shown]:
    rows = iter(each_row(path, broken=faults.note))
    first = next(rows, None)
    if first is None:
        faults.settle()
        raise BadValue("log", str(path), why="it holds no row")
    lists = named["shown"] in first.fields
    for name in LISTS if lists else RESULTS:
        if named[name] not in first.fields:
            there = ", ".join(map(repr, first.fields))
            form = "a list a line" if lists else "a row a result"
            raise UnknownName("column", named[name], hint=f"{form} needs {name}; {first.where} has {there}; say {name}=COLUMN")
    return _lists(first, rows, named, faults) if lists else _gathered(first, rows, named, faults)


def _lists(first: Row, rows: Iterable[Row], named: Mapping[str, str], faults: Faults) -> Iterator[_Shown]:
    for row in chain([first], rows):
        shown = faults.tried(row.where, partial(_list, row, named))
        if shown is not None:
            yield shown


def _list(row: Row, named: Mapping[str, str]) -> _Shown:
    results: dict[str, Result] = {}
    strays = 0
    shown = _entries(row, named["shown"])
    if len(shown) > DEEPEST:
        raise BadValue(named["shown"], row.where, why=f"{len(shown):,} results are no list that anybody was shown")
    for number, entry in enumerate(shown, start=1):
        result = _result(entry, row, named=named, position=number)
        strays += result.document in results
        results.setdefault(result.document, result)
    for name in ("clicks", "conversions"):
        for entry in _entries(row, named[name]):
            act = _result(entry, row, named=named, position=1)
            strays += act.document not in results
            if act.document in results:
                results[act.document] = _joined(results[act.document], act, converted=name == "conversions")
    return _Shown(*_head(row, named), tuple(results.values()), strays)


def _gathered(first: Row, rows: Iterable[Row], named: Mapping[str, str], faults: Faults) -> Iterator[_Shown]:
    """Rows of one list need not follow each other, so all are gathered before the first is handed on."""
    lists: dict[tuple[str, ...], tuple[_Head, dict[str, Result], list[int]]] = {}
    for row in chain([first], rows):
        read = faults.tried(row.where, partial(_single, row, named))
        if read is None:
            continue
        key, head, found = read
        _, results, strays = lists.setdefault(key, (head, {}, [0]))
        if found.document in results:
            strays[0] += 1
            found = _joined(results[found.document], found, converted=found.converted, clicked=found.clicked)
        results[found.document] = found
    for head, results, strays in lists.values():
        yield _Shown(*head, tuple(results.values()), strays[0])


def _single(row: Row, named: Mapping[str, str]) -> tuple[tuple[str, ...], _Head, Result]:
    """Which list a row belongs to, what is known of that list, and the result."""
    head = _head(row, named)
    found = Result(
        row.identifier(named["document"]),
        _position(row.number(named["position"]), row),
        _flag(row, named["clicked"]),
        row.number(named["dwell"]),
        _flag(row, named["converted"]),
    )
    return (row.text(named["impression"]), head[0], str(head[1]), head[2]), head, found


def _head(row: Row, named: Mapping[str, str]) -> _Head:
    time = row.moment(named["time"])
    if time is None:
        raise BadValue(named["time"], row.where, why="the moment is missing: seconds since 1970 or an ISO 8601 date")
    return row.identifier(named["session"]), time, row.text(named["query"]), int(row.where.rpartition(":")[2])


def _entries(row: Row, column: str) -> list[object]:
    entries = row.fields.get(column)
    if entries in (None, ""):
        return []
    if isinstance(entries, str) and entries.lstrip().startswith("["):  # a list within a cell of a table
        try:
            entries = json.loads(entries)
        except (ValueError, RecursionError) as error:
            raise BadValue(column, row.where, why=f"it is not a JSON list ({error})") from error
    if not isinstance(entries, list):
        raise BadValue(column, row.where, why="a JSON list is needed here")
    return entries


def _result(entry: object, row: Row, *, named: Mapping[str, str], position: int) -> Result:
    if isinstance(entry, str | int) and not isinstance(entry, bool) and str(entry).strip():
        return Result(str(entry).strip(), position)
    if isinstance(entry, dict):
        inner = Row(row.where, entry)
        there = inner.number(named["position"])
        return Result(
            inner.identifier("id" if "id" in entry else named["document"]),
            position if there is None else _position(there, row),
            _flag(inner, named["clicked"]),
            inner.number(named["dwell"]),
            _flag(inner, named["converted"]),
        )
    raise BadValue("result", entry, why=f"{row.where}: write an id, or an object with an id")


def _joined(shown: Result, act: Result, *, converted: bool, clicked: bool = True) -> Result:
    dwells = [dwell for dwell in (shown.dwell, act.dwell) if dwell is not None]
    return replace(
        shown,
        clicked=shown.clicked or clicked,
        dwell=max(dwells) if dwells else None,
        converted=shown.converted or act.converted or converted,
    )


def _position(number: float | None, row: Row) -> int:
    if number is None or not 1 <= number <= DEEPEST or number != int(number):
        raise BadValue("position", number, why=f"{row.where}: positions are whole numbers, count from 1, and end at {DEEPEST:,}")
    return int(number)


def _flag(row: Row, column: str) -> bool:
    text = row.text(column).casefold()
    if text not in _YES | _NO:
        number = row.number(column)
        return number is not None and number > 0
    return text in _YES
