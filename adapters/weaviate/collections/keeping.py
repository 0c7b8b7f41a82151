"""What must be known of a tenant that is woken beyond the process that wakes it, and whoever needs none of that."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from .activity import Activity


class Keeping(Protocol):
    """What is kept in mind, for other processes and for later ones, of the tenants of one collection that are woken."""

    def found(self) -> Mapping[str, Activity]:
        """Tenants that somebody has woken and not left, with the state in which they were found."""
        ...

    def woken(self, tenant: str, before: Activity) -> None:
        """We are about to wake it, or to be in one that somebody has woken."""
        ...

    def arrived(self, tenant: str) -> None:
        """It is awake, and holds what it held."""
        ...

    def wanted(self, tenant: str) -> bool:
        """True where somebody has asked since that it stays awake."""
        ...

    def others(self, tenant: str) -> bool:
        """True while another living process is in it."""
        ...

    def left(self, tenant: str) -> bool:
        """We are out of it; True where nobody has asked meanwhile that it stays awake."""
        ...

    def failed(self, tenant: str) -> None:
        """We are out of it and could not put it back: whoever comes next does."""
        ...

    def release(self, tenants: Collection[str]) -> None:
        """They are to stay awake, whoever is in them."""
        ...


class Nobody:
    """Nothing is kept in mind: no other process is ours."""

    def found(self) -> Mapping[str, Activity]:
        """None."""
        return {}

    def woken(self, tenant: str, before: Activity) -> None:
        """Not kept."""

    def arrived(self, tenant: str) -> None:
        """Not kept."""

    def wanted(self, tenant: str) -> bool:  # noqa: ARG002 - the port's
        """Nobody could have asked."""
        return False

    def others(self, tenant: str) -> bool:  # noqa: ARG002 - the port's
        """None."""
        return False

    def left(self, tenant: str) -> bool:  # noqa: ARG002 - the port's
        """Nobody could have asked."""
        return True

    def failed(self, tenant: str) -> None:
        """Not kept."""

    def release(self, tenants: Collection[str]) -> None:
        """Not kept."""
