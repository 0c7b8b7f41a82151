"""The text that a module of the server's makes vectors of, as a template: what an adoption has to name to have the same text.

A module puts it together from the collection's name and the object's properties, in the order of their names. The rules are those
of the server's source (1.39, ``usecases/modulecomponents/vectorizer/object_texts.go``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from transvase.core.ports import Source

from .inspect import TEXTS
from .schema import Raw, VectorKind, schema_of, vector_kind

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|_+")
_TAKEN: Final = ("text", "text[]")
"""Kinds of property that a module takes of itself."""


def made(connection: Connection, source: Source) -> str:
    """Of which text a module makes the vectors, where that is not the text of ``source`` and a template has it; else empty."""
    raw = schema_of(connection, source.table)
    kind = vector_kind(raw, source.vector)
    template = template_of(raw, kind) if kind.module != "none" else ""
    if "{" not in template or template == source.text:
        return ""
    return f"{kind.module} makes these vectors, of a text that it puts together itself, nearest to the template {template!r}"


def template_of(raw: Raw, kind: VectorKind) -> str:
    """The template whose text comes nearest to the one that the module of the vector ``kind`` makes of an object.

    Not in it: values of kinds that have no text in a template, and that a module may write everything in lower case. A name
    that the module puts before a value stands before a missing one too, and once before an array.
    """
    settings = _settings(raw, kind)
    chosen = settings.get("properties") or ()
    parts = [_in_words(str(raw["class"]))] if settings.get("vectorizeClassName", True) else []
    for prop in sorted(raw.get("properties") or (), key=lambda one: str(one["name"])):
        name, own = str(prop["name"]), (prop.get("moduleConfig") or {}).get(kind.module) or {}
        form = str(prop["dataType"][0])
        taken = (name in chosen and form in TEXTS) if chosen else (form in _TAKEN and not own.get("skip", False))
        if taken:
            before = f"{_in_words(name)} " if own.get("vectorizePropertyName", False) else ""
            parts.append(f"{before}{{{name}?}}")
    return " ".join(parts)


def _settings(raw: Raw, kind: VectorKind) -> Mapping[str, Any]:
    held = raw["vectorConfig"][kind.name]["vectorizer"] if kind.name else raw.get("moduleConfig")
    return (held or {}).get(kind.module) or {}


def _in_words(name: str) -> str:
    """``TeamNotes`` as ``Team Notes``."""
    return " ".join(_WORDS.findall(name))
