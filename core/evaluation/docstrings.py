"""General question and answer texts that every machine has: the documentation inside the Python source files it runs on.

A docstring's summary line stands for the question, its body, with the object's name taken out, for the record. Only the
standard library and the packages that Transvase itself always brings are read, as text: nothing is imported, and two
machines with the same versions find the same pairs. It is technical English about programs: a fair sample of what a
general model knows, and a mild test where the domain is documentation of code too.
"""

from __future__ import annotations

import ast
import inspect
import re
import sysconfig
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

PACKAGES: Final = ("click", "numpy", "onnxruntime", "psycopg", "rich")
"""Packages beside the standard library: those that Transvase cannot be installed without and that hold prose."""

LONGEST: Final = 60
"""Words of a body that are kept: enough to tell it from others, little enough to encode thousands in seconds."""

_SKIPPED: Final = frozenset(
    {"__pycache__", "ensurepip", "f2py", "idlelib", "lib2to3", "site-packages", "test", "tests", "testing", "turtledemo"}
)
_DOCUMENTED: Final = re.compile(
    r"""^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(?P<name>\w+)[ \t]*"""
    r"""(?:\((?:[^()"']|\([^()"']*\))*\))?[^"'\n:]*:[ \t]*\n\s*"""
    r"""(?P<literal>[rR]?\"{3}(?:[^\\"]|\\.|"(?!""))*\"{3})""",
    re.MULTILINE | re.DOTALL,
)
"""A definition and its docstring. A definition whose defaults hold a string is passed over: parsing every file to have those
too took ten seconds here, this takes under two."""

_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_SIGNATURE: Final = re.compile(r"^\S*\([^)]*\)\s*(->.*)?$")
_MARKUP: Final = re.compile(r"[`*]+|^\s*(?:[-=~^.]{3,}|>>>.*|\.\. .*|@\w+.*)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Passage:
    """A summary line, the body that goes with it, and the name of what both describe (same name, same family)."""

    question: str
    body: str
    family: str


@cache
def passages(most: int) -> tuple[Passage, ...]:
    """At most ``most`` passages, no two with the same question or body, always the same ones in the same order.

    Files come in the order of a digest of their names, so that any number of them is spread over all packages.
    """
    found: list[Passage] = []
    seen: set[str] = set()
    for path in _files():
        for passage in _passages_of(path):
            marks = {passage.question.casefold(), passage.body.casefold()}
            if not marks & seen:
                seen |= marks
                found.append(passage)
        if len(found) >= most:
            break
    return tuple(found[:most])


def _files() -> list[Path]:
    """Every source file, by the digest of its name under its root."""
    roots = [Path(sysconfig.get_paths()["stdlib"]), *(root for name in PACKAGES for root in _roots(name))]
    named = {f"{root.name}/{path.relative_to(root).as_posix()}": path for root in roots for path in _sources(root)}
    return [named[name] for name in sorted(named, key=lambda name: sha256(name.encode()).digest())]


def _roots(package: str) -> list[Path]:
    """Where a top-level package lies, found without importing it; none when it is not installed."""
    spec = find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []


def _sources(root: Path) -> Iterator[Path]:
    for path in root.rglob("*.py"):
        if not _SKIPPED & set(path.relative_to(root).parts):
            yield path


def _passages_of(path: Path) -> Iterator[Passage]:
    """Passages of one file; a file that cannot be read holds none."""
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    for found in _DOCUMENTED.finditer(source):
        passage = _passage(found["name"], _said(found["literal"]))
        if passage is not None:
            yield passage


def _said(literal: str) -> str:
    """What the literal says, indentation taken off; nothing where its escapes are not Python's."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # other people's stray backslashes
            warnings.simplefilter("ignore", DeprecationWarning)  # the same, up to Python 3.11
            return inspect.cleandoc(str(ast.literal_eval(literal)))
    except (SyntaxError, ValueError):
        return ""


def _passage(name: str, docstring: str) -> Passage | None:
    """The docstring as a pair, or None where it has no summary of 4 to 25 words with 12 words of prose under it."""
    head, _, rest = docstring.strip().partition("\n\n")
    if _SIGNATURE.match(head.strip()) or head.strip().endswith("--"):
        head, _, rest = rest.strip().partition("\n\n")
    question = " ".join(_MARKUP.sub("", head).split())
    words = _masked(_MARKUP.sub(" ", rest), name).split()
    body = " ".join(words[:LONGEST])
    if not 4 <= len(_WORD.findall(question)) <= 25 or len(_WORD.findall(body)) < 12:
        return None
    return Passage(question, body, name.strip("_").casefold() or name)


def _masked(text: str, name: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "this", text, flags=re.IGNORECASE)
