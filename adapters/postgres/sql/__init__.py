"""Reads the named statements from the ``.sql`` files of this folder.

A file holds statements, each under a line ``-- name: what_it_does`` and a sentence about it. Places for identifiers and
composed fragments are written ``{like_this}``; values are ``%(named)s`` parameters and never part of the text.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from psycopg import sql


@cache
def statement(file: str, name: str) -> sql.SQL:
    """The statement ``name`` of ``file`` (without its ending), ready for ``.format(...)``; KeyError when there is none."""
    return sql.SQL(_statements(file)[name])


@cache
def _statements(file: str) -> dict[str, str]:
    text = files(__package__).joinpath(f"{file}.sql").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for part in text.split("-- name: ")[1:]:
        name, _, body = part.partition("\n")
        lines = [line for line in body.splitlines() if not line.lstrip().startswith("--")]
        found[name.strip()] = "\n".join(lines).strip().removesuffix(";")
    return found
