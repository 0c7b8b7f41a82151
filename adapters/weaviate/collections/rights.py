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
    from transvase.adapters.weaviate.wire.connection import Connection

DATA: Final = ("create_data", "read_data", "update_data", "delete_data")
COLLECTIONS: Final = ("create_collections", "read_collections", "update_collections", "delete_collections")
ALIASES: Final = ("create_aliases", "read_aliases", "update_aliases")
TENANTS: Final = ("create_tenants", "read_tenants", "update_tenants")
SHARDS: Final = ("read_tenants",)
"""A collection's shards are told to who may read its tenants, also where it has none."""
CLUSTER: Final = "read_cluster"
OVERVIEW: Final = "read_nodes (minimal)"
"""Of the cluster's nodes and nothing else; the other kind, told of single collections, does not include it."""
BUILT_IN: Final = ("root", "admin", "viewer")
"""Roles whose ``read_nodes`` is of both kinds, whatever the server tells of it."""


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One action on one collection (``*`` may stand in its name), and on an alias where it is about one.

    ``read_cluster`` and ``read_nodes`` of the minimal kind are about no collection.
    """

    action: str
    collection: str = "*"
    alias: str = ""

    def __str__(self) -> str:
        if self.action in (CLUSTER, OVERVIEW):
            return self.action
        on = f" through alias {self.alias}" if self.alias else ""
        return f"{self.action} on {self.collection}{on}"

    def covers(self, other: Permission) -> bool:
        """True when who has this one may do the other."""
        return (
            self.action == other.action
            and _reaches(self.collection, other.collection)
            and (not other.alias or _reaches(self.alias or "*", other.alias))
        )


def needed(*, aliases: Sequence[str], collections: Sequence[str], adopted: str, tenants: bool) -> tuple[Permission, ...]:
    """What an operator must be able to do: on each of the collections, on ours for declarations, on the aliases, on the nodes.

    The one that was ``adopted`` is not made by us, and deleted only when it is retired.
    """
    wanted = [Permission(action, name) for name in (*collections, CONTROL) for action in (*DATA, *COLLECTIONS)]
    wanted = [
        one for one in wanted if one.collection != adopted or one.action not in ("create_collections", "delete_collections")
    ]
    wanted += [Permission(action, name, alias) for name in collections for alias in aliases for action in ALIASES]
    wanted += [Permission(action, name) for name in collections for action in (TENANTS if tenants else SHARDS)]
    return (*wanted, *(Permission("read_nodes", name) for name in collections), Permission(OVERVIEW), Permission(CLUSTER))


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


def demanded(connection: Connection, wanted: Iterable[Permission]) -> None:
    """Return when this user may do all of it, as far as the server tells; Unfit names what is lacking."""
    has = own(connection)
    lost = () if has is None else lacking(has, wanted)
    if lost:
        remedy = "grant these to one of its roles, or use the key of another user"
        raise Unfit(f"this user lacks: {'; '.join(map(str, lost))}", remedy=remedy)


def searching(*, alias: str, collections: Sequence[str]) -> tuple[Permission, ...]:
    """What a role must be able to do to search through the Retriever, whichever of the collections is live."""
    read = [Permission(action, name) for name in (*collections, CONTROL) for action in ("read_data", "read_collections")]
    return (*read, *(Permission("read_aliases", name, alias) for name in collections))


def writing(*, alias: str, collections: Sequence[str], tenants: bool) -> tuple[Permission, ...]:
    """What a role must be able to do to write through Mirror: to both sides, the properties that one of them lacks among it."""
    own_ = [Permission(action, name) for name in collections for action in (*DATA, "update_collections")]
    own_ += [Permission(action, name) for name in collections for action in TENANTS] if tenants else []
    return tuple(dict.fromkeys((*searching(alias=alias, collections=collections), *own_)))


def shut_out(connection: Connection, *, live: str, target: str) -> dict[str, tuple[Permission, ...]] | None:
    """By role: what it may do on ``live`` and could not on ``target`` once the alias has moved. None where roles are not told.

    Only what goes through an alias counts: data, tenants, the alias itself and reading the configuration.
    """
    roles = _roles(connection)
    if roles is None:
        return None
    found = {}
    for name, has in roles.items():
        moved = [
            Permission(one.action, target, one.alias)
            for one in has
            if _reaches(one.collection, live) and (one.action in (*DATA, *TENANTS, *ALIASES) or one.action == "read_collections")
        ]
        lost = lacking(has, moved)
        if lost:
            found[name] = tuple(sorted(set(lost)))
    return found


def unready(connection: Connection, *, alias: str, live: str, target: str, tenants: bool) -> dict[str, tuple[Permission, ...]]:
    """By role that reads ``live``: what it lacks to search through the Retriever, or to write through Mirror if it writes at all.

    What ``shut_out`` tells of the target is left out.
    """
    found = {}
    said = shut_out(connection, live=live, target=target) or {}
    for name, has in (_roles(connection) or {}).items():
        if lacking(has, [Permission("read_data", live)]):
            continue
        writes = not lacking(has, [Permission("update_data", live)])
        wanted = searching(alias=alias, collections=(live, target))
        if writes:
            wanted = writing(alias=alias, collections=(live, target), tenants=tenants)
        lost = set(lacking(has, wanted)) - set(said.get(name, ()))
        if lost:
            found[name] = tuple(sorted(lost))
    return found


def _roles(connection: Connection) -> dict[str, tuple[Permission, ...]] | None:
    """What every role permits; None where the server knows none, or does not tell this user."""
    try:
        roles = connection.rest("GET", "/authz/roles", doing="reading the roles") or []
    except Unfit:
        return None
    if not roles and own(connection) is not None:
        return None  # a user without the right is shown an empty list
    return {str(role["name"]): tuple(_permissions(role)) for role in roles}


def _permissions(role: Mapping[str, Any]) -> Iterable[Permission]:
    for one in role.get("permissions") or ():
        action = str(one["action"])
        about = next((one[key] for key in ("data", "collections", "aliases", "tenants", "nodes") if key in one), None)
        if action == CLUSTER:
            yield Permission(action)
        elif action == "read_nodes" and (role.get("name") in BUILT_IN or (about or {}).get("verbosity") == "minimal"):
            yield Permission(OVERVIEW)
        if about is not None and about.get("verbosity") != "minimal":
            yield Permission(action, str(about.get("collection") or "*"), str(about.get("alias") or ""))


def _reaches(pattern: str, name: str) -> bool:
    """As the server matches: the whole name, ``*`` for any run of characters. A wanted name is never a pattern wider than it."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), name) is not None
