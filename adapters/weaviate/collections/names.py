"""Which names the server takes, what it makes of others, and the ids of our own objects.

The server puts a capital first and says nothing: ``docs`` is ``Docs`` from then on. Names are normalised here before they are
compared, and what the server would refuse is refused before anything is done.
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID, uuid5

from transvase.core.errors import BadValue

CONTROL: Final = "TransvaseControl"
"""The collection that holds our declarations."""

LONGEST: Final = 200
"""Characters of a physical name; the server takes 255, and a backup or a path wants some for itself."""
LONGEST_ALIAS: Final = 40
"""As on the other stores: physical names add an attempt and a space to it."""

_CLASS: Final = re.compile(r"[A-Z][_0-9A-Za-z]*")
_NAMESPACE: Final = UUID("6b0a6f6c-0d36-5a55-9d8e-6f0a3f7f2c11")
"""Drawn once; it makes our objects' ids differ from anybody else's."""


def canonical(name: str) -> str:
    """The name as the server will know it: with a capital first."""
    return name[:1].upper() + name[1:]


def is_class_name(name: str) -> bool:
    """True when the server takes the name, after its own capital, for a collection or an alias."""
    return len(name) <= LONGEST and _CLASS.fullmatch(canonical(name)) is not None


def physical(stem: str) -> str:
    """The collection's name for ``stem``; BadValue where it holds anything but letters, digits and underscores."""
    if not is_class_name(stem):
        raise BadValue(
            "name", stem, why=f"Weaviate takes a letter, then letters, digits and underscores, {LONGEST} characters in all"
        )
    return canonical(stem)


def alias_name(alias: str) -> str:
    """The alias as the server will know it; BadValue where it takes no such name, or one that is ours."""
    if len(alias) > LONGEST_ALIAS:
        raise BadValue("alias", alias, why=f"it takes between 1 and {LONGEST_ALIAS} characters")
    name = physical(alias)
    if name.startswith(CONTROL):
        raise BadValue("alias", alias, why=f"{CONTROL} holds what Transvase itself remembers; choose another name")
    return name


def object_id(kind: str, *parts: str) -> UUID:
    """The id of one of our objects in the control collection: always the same for the same names."""
    return uuid5(_NAMESPACE, "\x1f".join((kind, *parts)))
