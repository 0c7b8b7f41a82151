"""The demo's documents: functions and classes of the Python packages installed beside it, read by ``ast`` and never imported.

A record is a definition's source without its documentation's summary line, a query is that line, a family is the module
both stand in. Everything is sorted or drawn by a seeded digest, so the same packages always give the same selection.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import os
import re
import sysconfig
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transvase.core.errors import Unfit

PACKAGES: Final = ("matplotlib", "networkx", "numpy", "pandas", "scipy", "sklearn", "sympy", "torch")
"""All of them come with the extra ``demo``; the standard library follows where they do not suffice."""
PER_MODULE: Final = 8
"""No module may dominate: its records resemble each other more than two questions of real users do."""
LONGEST: Final = 340
"""Characters of a record's text: about 90 tokens, so that 3,000 records are encoded in less than a minute on two cores."""
SHORTEST: Final = 120
SKIPPED: Final = re.compile(
    r"^(_?test.*|.*_tests?|_?vendor(ed)?|_?externals?|conftest|examples?|setup|site-packages|idlelib|lib2to3|__pycache__)$"
)
"""Folders and modules that are not the package's own doing."""
BIGGEST_FILE: Final = 400_000
"""Bytes: what is larger is generated, and takes seconds to parse."""


@dataclass(frozen=True, slots=True)
class Document:
    """One record with its query: ``body`` lacks the line that ``query`` is."""

    module: str
    name: str
    body: str
    query: str


@dataclass(frozen=True, slots=True)
class Selection:
    """Documents in key order (their place in ``documents`` plus one is their key), and each split's places."""

    documents: tuple[Document, ...]
    train: tuple[int, ...]
    dev: tuple[int, ...]
    test: tuple[int, ...]


def select(records: int, *, seed: int, roots: Sequence[Path] | None = None) -> Selection:
    """At least ``records`` documents (a few more: modules come whole), split so that no module is in two splits.

    A ninth of them, and 300 at least where there are 3,000, are held out as ``test``, a twentieth as ``dev``. Unfit when
    the installed packages do not hold enough.
    """
    chosen: list[Document] = []
    seen: Counter[str] = Counter()
    for path, module in _drawn(installed() if roots is None else roots, seed=seed):
        for document in documents_of(path, module):
            seen[_plain(document.query)] += 1
            chosen.append(document)
        if len(chosen) >= records and len(_unrepeated(chosen, seen)) >= records:
            break
    kept = sorted(_unrepeated(chosen, seen), key=lambda d: (d.module, d.name))
    if len(kept) < records:
        raise Unfit(f"the installed packages hold only {len(kept)} documented definitions", remedy="ask for fewer with --records")
    return _split(kept, seed=seed)


def installed() -> list[Path]:
    """Folders of the packages that are read, the standard library last."""
    paths = sysconfig.get_paths()
    folders = [Path(paths["purelib"]) / name for name in PACKAGES]
    return [folder for folder in folders if folder.is_dir()] + [Path(paths["stdlib"])]


def documents_of(path: Path, module: str) -> list[Document]:
    """The first PER_MODULE usable top-level definitions of one file; none where it cannot be read as Python."""
    try:
        if path.stat().st_size > BIGGEST_FILE:
            return []
        source = path.read_text(encoding="utf-8")
        tree = ast.parse(source)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    lines = source.splitlines()
    found = (_document(node, lines, module) for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return [document for document in found if document is not None][:PER_MODULE]


def write(selection: Selection, folder: Path, *, splits: Sequence[str]) -> None:
    """The BEIR layout: corpus, queries and judgements of ``splits`` alone, so that training cannot see the modules held out."""
    places = {split: getattr(selection, split) for split in splits}
    wanted = sorted(place for each in places.values() for place in each)
    (folder / "qrels").mkdir(parents=True)
    _lines(folder / "corpus.jsonl", (_corpus_line(selection, place) for place in wanted))
    _lines(folder / "queries.jsonl", (_query_line(selection, place) for place in wanted))
    for split, each in places.items():
        rows = (f"q{place + 1}\t{place + 1}\t1" for place in each)
        _lines(folder / "qrels" / f"{split}.tsv", ("query-id\tcorpus-id\tscore", *rows))


def _drawn(roots: Iterable[Path], *, seed: int) -> Iterator[tuple[Path, str]]:
    """Every module below the roots, in an order that only the seed and the names decide; the standard library comes last."""
    library = Path(sysconfig.get_paths()["stdlib"])
    packages = [root for root in roots if root != library]
    for group in (packages, [library] if len(packages) < len(list(roots)) else []):
        found = [(_draw(module, seed=seed), path, module) for root in group for path, module in _modules(root, library=library)]
        for _, path, module in sorted(found):
            yield path, module


def _modules(root: Path, *, library: Path) -> Iterator[tuple[Path, str]]:
    """The modules of one package with their names; what is not the package's own doing is not even looked into."""
    base = root if root == library else root.parent
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not SKIPPED.match(name)]
        for file in files:
            if file.endswith(".py") and not SKIPPED.match(file.removesuffix(".py")):
                path = Path(folder, file)
                yield path, ".".join(path.relative_to(base).with_suffix("").parts).removesuffix(".__init__")


def _document(node: ast.FunctionDef | ast.ClassDef, lines: Sequence[str], module: str) -> Document | None:
    """The definition as a document, or None where its summary is no question or its source is trivial or tells the answer."""
    documentation = ast.get_docstring(node)
    if documentation is None or node.name.startswith("_"):
        return None
    summary, _, rest = (part.strip() for part in documentation.partition("\n\n"))
    if not _asks(summary, node.name):
        return None
    body = _without_summary(node, lines, rest)
    if len(body) < SHORTEST or _plain(summary).rstrip(".") in _plain(body):
        return None
    return Document(module, node.name, _cut(body), summary)


def _asks(summary: str, name: str) -> bool:
    """True for one line of 4 to 20 words that describes something; signatures, notices, names and addresses do not."""
    words = re.findall(r"[A-Za-z]{2,}", summary)
    if "\n" in summary or not 4 <= len(words) <= 20 or not 25 <= len(summary) <= 130:
        return False
    if not summary.isascii() or "://" in summary:
        return False
    return not re.match(rf"{re.escape(name)}\s*\(|(deprecated|alias|see |todo|copied|adapted|\.\.)", summary, re.IGNORECASE)


def _without_summary(node: ast.FunctionDef | ast.ClassDef, lines: Sequence[str], rest: str) -> str:
    """The definition's own lines, its documentation shortened to what followed the summary."""
    first = node.body[0]
    head, tail = lines[node.lineno - 1 : first.lineno - 1], lines[(first.end_lineno or first.lineno) : node.end_lineno]
    indent = " " * first.col_offset
    kept = textwrap.indent(f'"""{inspect.cleandoc(rest)}"""', indent).splitlines() if rest else []
    return textwrap.dedent("\n".join((*head, *kept, *tail))).strip()


def _cut(body: str) -> str:
    """At most LONGEST characters, whole lines where possible, without characters that a text column refuses."""
    body = re.sub(r"\n\s*\n+", "\n", body.replace("\0", ""))
    if len(body) <= LONGEST:
        return body
    whole = body[:LONGEST].rpartition("\n")[0]
    return whole if len(whole) >= SHORTEST else body[:LONGEST]


def _unrepeated(documents: Sequence[Document], seen: Counter[str]) -> list[Document]:
    """Without the queries that more than one definition answers, and without bodies that occur twice."""
    bodies = Counter(document.body for document in documents)
    return [d for d in documents if seen[_plain(d.query)] == 1 and bodies[d.body] == 1]


def _split(documents: Sequence[Document], *, seed: int) -> Selection:
    families = sorted({document.module for document in documents}, key=lambda module: _draw(module, seed=seed + 1))
    members: dict[str, list[int]] = {family: [] for family in families}
    for place, document in enumerate(documents):
        members[document.module].append(place)
    quotas = {"test": len(documents) // 9, "dev": len(documents) // 20}
    splits: dict[str, list[int]] = {"test": [], "dev": [], "train": []}
    for family in families:
        open_split = next((split for split, quota in quotas.items() if len(splits[split]) < quota), "train")
        splits[open_split] += members[family]
    return Selection(tuple(documents), *(tuple(sorted(splits[split])) for split in ("train", "dev", "test")))


def _draw(word: str, *, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{word}".encode()).digest()


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _corpus_line(selection: Selection, place: int) -> str:
    document = selection.documents[place]
    facts = {
        "_id": str(place + 1),
        "title": "",
        "text": document.body,
        "metadata": {"module": document.module, "name": document.name},
    }
    return json.dumps(facts)


def _query_line(selection: Selection, place: int) -> str:
    document = selection.documents[place]
    return json.dumps({"_id": f"q{place + 1}", "text": document.query, "metadata": {"family": document.module}})


def _lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
