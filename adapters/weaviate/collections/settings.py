"""Settings of a collection that is there which the server lets be changed, and which mean the same on another side of an alias.

How vectors are indexed is each side's own affair. Left as they are also the number of copies, which moves data, and a time to
live, which deletes it: where these differ, whoever changed them is told.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from transvase.adapters.weaviate.wire.failures import passing
from transvase.core.errors import TransvaseError

from .schema import Raw, differences

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "description": (),
    "invertedIndexConfig": ("usingBlockMaxWAND",),
    "multiTenancyConfig": ("enabled",),
    "replicationConfig": ("factor",),
}
"""What is brought along, each with what of it stays as it was found."""

_log = logging.getLogger(__name__)


def settled(connection: Connection, wanted: Raw, found: Raw) -> None:
    """Give the collection, found like this, such of these settings as it has otherwise; one that is refused stays as it is."""
    site, now = str(found["class"]), found
    for name, own in KEPT.items():
        value = _brought(wanted.get(name), now.get(name), own)
        if not differences({name: value}, {name: now.get(name)}):
            continue
        try:
            body = {**now, name: value}
            connection.rest("PUT", f"/schema/{quote(site)}", body=body, doing=f"changing {name} of {site}", index=site)
        except TransvaseError as error:
            if passing(error):
                raise
            _log.warning("%s of %s was changed on the other side, and not here: %s", name, site, error)
        else:
            now = body


def _brought(wanted: Any, found: Any, own: tuple[str, ...]) -> Any:
    if not isinstance(wanted, Mapping):
        return "" if wanted is None else wanted
    held = found if isinstance(found, Mapping) else {}
    return {**{name: value for name, value in wanted.items() if name not in own}, **{n: held[n] for n in own if n in held}}
