"""The states of a tenant: which there are, how the server calls each, and which of them can be read and written."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Activity(StrEnum):
    """A tenant's state: the server speaks of HOT, COLD and FROZEN over REST, of these elsewhere."""

    ACTIVE = "ACTIVE"
    INACTIVE = "INACTIVE"
    OFFLOADED = "OFFLOADED"
    OFFLOADING = "OFFLOADING"
    ONLOADING = "ONLOADING"


AWAY: Final = (Activity.OFFLOADED, Activity.OFFLOADING, Activity.ONLOADING)
"""What it holds lies elsewhere, or is on its way."""
ASLEEP: Final = (Activity.INACTIVE, Activity.OFFLOADED, Activity.OFFLOADING)
"""It cannot be read, and nobody has asked that it could."""
ASKED: Final = {
    Activity.ACTIVE: "HOT",
    Activity.INACTIVE: "COLD",
    Activity.OFFLOADED: "FROZEN",
    Activity.OFFLOADING: "FROZEN",
    Activity.ONLOADING: "HOT",
}
"""What is asked for to come to a state; the two on the way lead where they were going."""
_SPOKEN: Final = {
    "HOT": Activity.ACTIVE,
    "COLD": Activity.INACTIVE,
    "FROZEN": Activity.OFFLOADED,
    "FREEZING": Activity.OFFLOADING,
    "UNFREEZING": Activity.ONLOADING,
}


def understood(said: str | None) -> Activity:
    """The state that the server tells; a tenant of which nothing is said is active."""
    if not said:
        return Activity.ACTIVE
    return _SPOKEN[said] if said in _SPOKEN else Activity(said)
