"""Rows of what people export: JSON lines, CSV or TSV with a header, each row with the file and line that it came from."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue, UnknownName
from transvase.core.evaluation.judged import object_of

_DELIMITERS: Final = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_JSON_LINES: Final = (".jsonl", ".ndjson", ".json")
_LONGEST_FIELD: Final = 1 << 27
"""Bytes of one CSV field; Python's own limit of 131,072 is less than a long article."""

_Broken = Callable[[str, BadValue], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One line's fields by column, and ``file:line``."""

    where: str
    fields: Mapping[str, object]

    def text(self, column: str) -> str:
        """The field as text: empty where it is missing or null; a number as it was written."""
        value = self.fields.get(column)
        if value is None:
            return ""
        if isinstance(value, str):
            return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()  # no lone surrogate
        if isinstance(value, bool | int | float):
            return str(value)
        raise BadValue(column, self.where, why=f"a JSON {type(value).__name__} stands where a text is needed")

    def number(self, column: str) -> float | None:
        """The field as a finite number, None where it is missing or empty; BadValue for anything else."""
        text = self.text(column)
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if number - number != 0:  # neither NaN nor infinite
            raise BadValue(column, text, why=f"{self.where}: a finite number is needed here")
        return number

    def identifier(self, column: str) -> str:
        """The field as an id: BadValue where it is empty, or holds a tab or a line's end, which no judgments file can."""
        text = self.text(column)
        if not text or any(mark in text for mark in "\t\r\n"):
            raise BadValue(column, text, why=f"{self.where}: an id is needed here, on one line and without tabs")
        return text

    def moment(self, column: str) -> float | None:
        """The field as seconds since 1970, of a number of seconds or an ISO 8601 date (UTC where it names no zone)."""
        text = self.text(column)
        try:
            return self.number(column)
        except BadValue:
            pass
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise BadValue(column, text, why=f"{self.where}: seconds since 1970 or an ISO 8601 date is needed here") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def read_rows(path: Path, *, columns: Sequence[str]) -> tuple[Row, ...]:
    """All rows of a file, each of which is known to be well formed; ``columns`` must be there.

    A JSON line may leave a column out, as long as some line has it. UnknownName for a missing file or column (naming those
    that are there), BadValue for an empty file or a broken line, with its number.
    """
    rows = tuple(each_row(path))
    if not rows:
        raise BadValue("file", str(path), why="it holds no row")
    there = list(dict.fromkeys(name for row in rows for name in row.fields))
    for column in columns:
        if column not in there:
            raise UnknownName("column", column, hint=f"{path.name} has {', '.join(map(repr, there))}")
    return rows


def each_row(path: Path, *, broken: _Broken | None = None) -> Iterator[Row]:
    """The rows one by one, for files that are larger than memory; errors as ``read_rows`` raises them for files and lines.

    ``broken`` is told of a faulty line and its place in place of the error, and the line is left out; but a quoted field that
    does not end is an error all the same, since nobody can say how many lines it has swallowed.
    """
    kind, note = path.suffix.casefold(), broken or _refused
    if kind in _DELIMITERS:
        return _separated(path, delimiter=_DELIMITERS[kind], broken=note)
    if kind in _JSON_LINES:
        return _objects(path, broken=note)
    raise BadValue("file", str(path), why="its name says no format; call it .jsonl, .csv or .tsv")


def _refused(_: str, error: BadValue) -> None:
    raise error


def _objects(path: Path, *, broken: _Broken) -> Iterator[Row]:
    for number, line in _lines(path, broken=broken):
        if not line.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            fields = object_of(line, where=where)
        except BadValue as error:
            broken(where, error)
        else:
            yield Row(where, fields)


def _separated(path: Path, *, delimiter: str, broken: _Broken) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.reader((line for _, line in _lines(path, broken=broken)), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    began = 1
    while True:
        began = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise BadValue("line", f"{path.name}:{began}", why=f"it is not a row of a table ({error})") from error
        if cells is None:
            return
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(cells, path)
            continue
        if len(cells) != len(header):
            why = f"{len(cells)} fields under a header of {len(header)}; quote fields that hold the delimiter"
            broken(f"{path.name}:{began}", BadValue("line", f"{path.name}:{began}", why=why))
            continue
        yield Row(f"{path.name}:{began}", dict(zip(header, cells, strict=True)))


def _header(cells: Sequence[str], path: Path) -> list[str]:
    header = [cell.strip() for cell in cells]
    repeated = sorted({name for name in header if header.count(name) > 1})
    if repeated:
        raise BadValue("header", f"{path.name}:1", why=f"the column {repeated[0]!r} stands in it twice")
    return header


def _lines(path: Path, *, broken: _Broken) -> Iterator[tuple[int, str]]:
    """Numbered lines with their ends; a byte-order mark does no harm."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    line = (raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw).decode("utf-8")
                except UnicodeDecodeError as error:
                    why = f"it is not UTF-8 (byte {error.start + 1}); write the file again as UTF-8"
                    broken(f"{path.name}:{number}", BadValue("line", f"{path.name}:{number}", why=why))
                    line = "\n"
                yield number, line
    except FileNotFoundError:
        raise UnknownName("file", str(path), hint="name the file that holds the signal") from None
    except OSError as error:
        raise BadValue("file", str(path), why=f"it cannot be read ({error.strerror})") from error
