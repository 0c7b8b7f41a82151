"""How a URL finds its store: by its scheme, among the entry points that installed packages offer. No adapter is known by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Final, cast

from .errors import BadValue, ExtraMissing
from .ports import Store

GROUP: Final = "transvase.stores"
"""The entry-point group: the name is a URL's scheme, the object a function from the URL to a Store."""


def connect(url: str | None) -> Store:
    """The store at ``url``. BadValue without one or for an unknown scheme; ExtraMissing when its package is not there."""
    known = {point.name: point for point in entry_points(group=GROUP)}
    schemes = ", ".join(f"{name}:" for name in sorted(known)) or "none; is transvase installed?"
    if not url:
        raise BadValue("store", url, why=f"give a URL with --store or TRANSVASE_STORE; the schemes are {schemes}")
    scheme, colon, _ = url.partition(":")
    if not colon or scheme not in known:  # only the scheme is shown: what follows it may hold a password
        raise BadValue("store scheme", scheme if colon else "", why=f"a store's URL begins with one of {schemes}")
    return _opener(known[scheme])(url)


def _opener(point: EntryPoint) -> Callable[[str], Store]:
    try:
        return cast("Callable[[str], Store]", point.load())
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("transvase"):
            raise  # our own package is broken, and no extra would mend it
        raise ExtraMissing(point.name, needed_for=f"a store at {point.name}:") from error
