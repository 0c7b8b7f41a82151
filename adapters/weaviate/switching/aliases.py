"""An alias as the server and our rows on it show it together: the server's alias says which side is live, the rows say the rest.

The two are written one after the other, so a crash may fall between them. Then the server's alias has the last word, and the
generation is one more than the row says, just as it will be when the row is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from transvase.adapters.ledger.port import Ledger
from transvase.adapters.weaviate.collections.control import AliasRow, Control
from transvase.adapters.weaviate.collections.names import canonical
from transvase.adapters.weaviate.collections.schema import schema_here
from transvase.adapters.weaviate.comparing.sweep import Sleepers
from transvase.core.errors import StoreFailed, Superseded, Unfit, UnknownName
from transvase.core.ports import Alias, Declaration

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection


@dataclass(frozen=True, slots=True)
class Realm:
    """One server, what is declared on it, and the ledger that belongs to it."""

    connection: Connection
    control: Control
    ledger: Ledger
    sleepers: Sleepers = field(default_factory=Sleepers)
    """What the tries of one command need not wake again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An alias as it was seen."""

    alias: Alias
    row: AliasRow

    @property
    def drifted(self) -> bool:
        """True while the server's alias names another side than the row."""
        return self.alias.generation != self.row.generation

    @property
    def names(self) -> tuple[str, ...]:
        """The server's aliases that stand for it, its own first."""
        return (canonical(self.row.name), *self.row.also)

    def declaration(self, index: str) -> Declaration:
        """The declaration of one of its two indexes; Superseded when it has neither of that name."""
        for declared in (self.alias.live, self.alias.shadow):
            if declared is not None and declared.name == index:
                return declared
        raise Superseded(index)


def named(connection: Connection, alias: str) -> str | None:
    """The collection that the server's alias names, as the leader knows it; None where there is no such alias."""
    found = connection.rest("GET", f"/aliases/{quote(canonical(alias))}", doing=f"looking at the alias {canonical(alias)}")
    return None if found is None else str(found["class"])


def named_here(connection: Connection, alias: str) -> str | None:
    """The same as the host that is asked knows it, a fraction of a second later; it needs no leader for that."""
    found = schema_here(connection, canonical(alias))
    return None if found is None else str(found["class"])


CHANGED: Final = "alias changed"
"""The code of a failure that somebody else's hand has made, and time does not mend."""


def load(
    connection: Connection, control: Control, name: str, *, naming: Callable[[Connection, str], str | None] = named
) -> Known:
    """One alias as it is now. UnknownName; StoreFailed where the server's alias is gone or names something else."""
    row = control.load(name)
    if row is None:
        there = control.aliases()
        same = [one for one in there if canonical(one) == canonical(name)]
        hint = f"it was adopted as {same[0]!r}" if same else f"there are {', '.join(there) or 'none'}; `adopt` makes one"
        raise UnknownName("alias", name, hint=hint)
    live, shadow = control.index(row.live), control.index(row.shadow) if row.shadow else None
    if live is None:
        raise StoreFailed(f"the declaration of {row.live}, which {name!r} names, is gone from the server", code=CHANGED)
    site = naming(connection, name)
    found = Alias(name=name, source=row.source, live=live, shadow=shadow, generation=row.generation)
    if site == live.site:
        return Known(alias=found, row=row)
    if shadow is not None and site == shadow.site:
        return Known(alias=replace(found, live=shadow, shadow=live, generation=row.generation + 1), row=row)
    sides = " or ".join(side.site for side in (live, shadow) if side is not None)
    what = f"names {site}, which is none of its sides" if site else "is gone"
    raise StoreFailed(
        f"the server's alias {canonical(name)} {what}: somebody changed it; let it name {sides} again", code=CHANGED
    )


def known(realm: Realm, name: str) -> Known:
    """As ``load``, for what needs the ledger as well; Unfit where the alias is kept by another ledger than this one."""
    return kept(realm.ledger, load(realm.connection, realm.control, name))


def kept(ledger: Ledger, found: Known) -> Known:
    """What was found, if this is the ledger that it is kept in; else Unfit."""
    demanded(ledger, found.row)
    return found


def demanded(ledger: Ledger, row: AliasRow) -> None:
    """Unfit where the alias is kept by another ledger than this one."""
    if row.ledger != ledger.identity:
        raise Unfit(
            f"what is owed for {row.name!r} is kept in another ledger than {ledger.where}",
            remedy="name the ledger with which it was adopted: ?journal=PATH or ?journal=postgresql://…",
        )
