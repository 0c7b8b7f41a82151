"""What the driver's collection has and a mirror has not, and where an application turns for it instead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Never

from transvase.adapters.weaviate.collections.names import canonical
from transvase.core.errors import Lacking

_READ: Final = (
    "it takes the writes alone: read by the alias, client.collections.use({alias!r}).{part}, "
    "or search by Retriever.connect(URL, {alias!r})"
)
_SCHEMA: Final = (
    "settings are those of one collection: see them at client.collections.use({alias!r}).{part}; a property that is new is made "
    "on both sides by the first write that names it"
)
_OTHER: Final = (
    "it takes what weaviate-client 4.23 has for writes; anything else is to be had at client.collections.use({alias!r})"
)

INSTEAD: Final[Mapping[str, str]] = {
    "query": _READ,
    "generate": _READ,
    "aggregate": _READ,
    "iterator": _READ,
    "config": _SCHEMA,
    "shards": _SCHEMA,
    "backup": "back up the collections by their own names and the ledger beside them; `status` names the sides",
    "consistency_level": "where there are replicas it writes by QUORUM, whatever the driver would have been told",
}
"""By name, of the parts of a collection that somebody may look for here."""


class Partial:
    """Stands for a part of the driver's collection, and says of what it has not where that is to be had."""

    __slots__ = ()

    @property
    def _named(self) -> str:
        """The alias."""
        raise NotImplementedError

    if not TYPE_CHECKING:  # a checker of types shall go on telling of names that are not there

        def __getattr__(self, name: str) -> Never:
            """Only asked for what is not there. Names with an underscore are Python's own questions."""
            what = type(self).__name__
            if name.startswith("_"):
                raise Lacking(what, name, instead="")
            raise Lacking(what, name, instead=INSTEAD.get(name, _OTHER).format(alias=canonical(self._named), part=name))
