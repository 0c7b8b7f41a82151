"""What a role of the server permits, what the moves need, and whom a switch would shut out.

The server resolves an alias before it looks at rights: a role granted on the old collection gets 403 through the same alias
from the moment of the switch on, even for reading the alias. Roles are read as raw JSON; the driver warns of permissions it
does not know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from transvase.core.errors import Unfit

from .names import CONTROL

if TYPE_CHECKING:
    from .connection import Connection

DATA: Final = ("create_data", "read_data", "update_data", "delete_data")
COLLECTIONS: Final = ("create_collections", "read_collections", "update_collections", "delete_collections")
ALIASES: Final = ("create_aliases", "read_aliases", "update_aliases")
TENANTS: Final = ("create_tenants", "read_tenants", "update_tenants")


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One action on one collection (``*`` may stand in its name), and on an alias where it is about one."""

    action: str
    collection: str = "*"
    alias: str = ""

    def __str__(self) -> str:
        on = f" through alias {self.alias}" if self.alias else ""
        return f"{self.action} on {self.collection}{on}"

    def covers(self, other: Permission) -> bool:
        """True when who has this one may do the other."""
        return (
            self.action == other.action
            and _reaches(self.collection, other.collection)
            and (not other.alias or _reaches(self.alias or "*", other.alias))
        )


def needed(*, alias: str, collections: Sequence[str], adopted: str, tenants: bool) -> tuple[Permission, ...]:
    """What an operator must be able to do: on each of the collections, on ours for declarations, on the alias, on the nodes.

    The one that was ``adopted`` is not made by us, and deleted only when it is retired.
    """
    wanted = [Permission(action, name) for name in (*collections, CONTROL) for action in (*DATA, *COLLECTIONS)]
    wanted = [
        one for one in wanted if one.collection != adopted or one.action not in ("create_collections", "delete_collections")
    ]
    wanted += [Permission(action, name, alias) for name in collections for action in ALIASES]
    wanted += [Permission(action, name) for name in collections for action in TENANTS] if tenants else []
    return (*wanted, *(Permission("read_nodes", name) for name in collections))


def own(connection: Connection) -> tuple[Permission, ...] | None:
    """What this user may do; None where the server knows no roles, or does not tell."""
    try:
        told = connection.rest("GET", "/users/own-info", doing="asking who we are")
    except Unfit:  # where everybody is let in, nobody has a name
        return None
    roles = (told or {}).get("roles")
    return tuple(one for role in roles for one in _permissions(role)) if roles else None


def lacking(has: Iterable[Permission], wanted: Iterable[Permission]) -> tuple[Permission, ...]:
    """Those that are wanted and covered by none."""
    held = tuple(has)
    return tuple(one for one in wanted if not any(other.covers(one) for other in held))


def shut_out(connection: Connection, *, live: str, target: str) -> dict[str, tuple[Permission, ...]] | None:
    """By role: what it may do on ``live`` and could not on ``target`` once the alias has moved. None where roles are not told.

    Only what goes through an alias counts: data, tenants, the alias itself and reading the configuration.
    """
    try:
        roles = connection.rest("GET", "/authz/roles", doing="reading the roles") or []
    except Unfit:
        return None
    if not roles and own(connection) is not None:
        return None  # a user without the right is shown an empty list
    found = {}
    for role in roles:
        has = tuple(_permissions(role))
        moved = [
            Permission(one.action, target, one.alias)
            for one in has
            if _reaches(one.collection, live) and (one.action in (*DATA, *TENANTS, *ALIASES) or one.action == "read_collections")
        ]
        lost = lacking(has, moved)
        if lost:
            found[str(role["name"])] = tuple(sorted(set(lost)))
    return found


def _permissions(role: Mapping[str, Any]) -> Iterable[Permission]:
    for one in role.get("permissions") or ():
        about = next((one[key] for key in ("data", "collections", "aliases", "tenants", "nodes") if key in one), None)
        if about is not None:
            yield Permission(str(one["action"]), str(about.get("collection") or "*"), str(about.get("alias") or ""))


def _reaches(pattern: str, name: str) -> bool:
    """As the server matches: the whole name, ``*`` for any run of characters. A wanted name is never a pattern wider than it."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), name) is not None
