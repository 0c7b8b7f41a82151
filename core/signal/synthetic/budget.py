"""What answers cost: estimated before, reserved while a request is under way, settled by what the endpoint says it used.

The cap holds for a whole job, earlier runs of it included, and with every request in flight counted at the most it can cost:
no more tokens go in than the message has bytes (byte-level tokenizers, and a few for the frame), no more come out than were
allowed. A request whose answer was lost on the way may have been charged; it stays counted in full.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transvase.core.errors import BadValue

from .prompts import Message

_FRAME: Final = 64
"""Tokens that a chat template may put around the messages."""

_CHARACTERS_A_TOKEN: Final = 4.0
"""Of English prose with the usual tokenizers; only the announcement rests on it, never the cap."""

_TOKENS_A_QUERY: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """US dollars per million tokens, or None where nobody told; BadValue for what cannot be a price."""

    into: float | None = None
    out: float | None = None

    def __post_init__(self) -> None:
        for name, price in (("--price-in", self.into), ("--price-out", self.out)):
            if price is not None and not (math.isfinite(price) and price >= 0):
                raise BadValue(name, price, why="US dollars per million tokens are needed, 0 or more")
        if (self.into is None) != (self.out is None):
            raise BadValue("prices", f"in {self.into}, out {self.out}", why="give both --price-in and --price-out, or neither")

    @property
    def known(self) -> bool:
        """True when an answer's cost can be told."""
        return self.into is not None and self.out is not None

    def of(self, tokens_in: float, tokens_out: float) -> float:
        """US dollars; 0 where no price is known."""
        return ((self.into or 0.0) * tokens_in + (self.out or 0.0) * tokens_out) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What is still to be asked and paid, said before the first request."""

    prompts: int
    answered: int
    tokens_in: int
    tokens_out: int
    usd: float | None
    usd_at_most: float | None
    usd_spent_before: float
    budget: float | None

    def sentence(self) -> str:
        """One line for people."""
        cost = "no price was given"
        if self.usd is not None:
            cost = f"about {dollars(self.usd)}, at most {dollars(self.usd_at_most or 0.0)}"
        cap = ""
        if self.budget is not None:
            cap = f"; never more than {dollars(self.budget)} ({dollars(self.usd_spent_before)} of it spent)"
        return (
            f"{self.prompts:,} prompts to ask ({self.answered:,} answered before): about {self.tokens_in:,} tokens in, "
            f"{self.tokens_out:,} out, {cost}{cap}"
        )


def dollars(usd: float) -> str:
    """As people write it, with more digits where it is little."""
    return f"${usd:,.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


def likely_tokens(conversation: Sequence[Message], *, queries: int) -> tuple[int, int]:
    """Tokens in and out that one request will probably take."""
    characters = sum(len(message["content"]) for message in conversation)
    return math.ceil(characters / _CHARACTERS_A_TOKEN), _TOKENS_A_QUERY * queries


def most_tokens(conversation: Sequence[Message]) -> int:
    """Tokens in that one request cannot exceed."""
    return sum(len(message["content"].encode()) for message in conversation) + _FRAME


class Budget:
    """What has been spent and what is reserved, in US dollars; safe to use from many threads."""

    def __init__(self, cap: float | None, *, spent: float = 0.0) -> None:
        """BadValue for a cap that is none; ``spent`` is what earlier runs of the same job paid."""
        if cap is not None and not (math.isfinite(cap) and cap > 0):
            raise BadValue("--budget", cap, why="US dollars are needed, more than 0")
        self.cap, self.spent = cap, spent
        self._reserved = 0.0
        self._settled = threading.Condition()

    def reserve(self, most: float) -> bool:
        """Set ``most`` aside for a request, waiting for others to be settled first; False when it does not fit even then."""
        with self._settled:
            while self.cap is not None and self.spent + self._reserved + most > self.cap:
                if self._reserved <= 1e-12:  # what rounding leaves of sums that were taken back
                    return False
                self._settled.wait()
            self._reserved += most
            return True

    def settle(self, most: float, *, paid: float) -> None:
        """Turn what was set aside for a request into what it cost."""
        with self._settled:
            self._reserved -= most
            self.spent += paid
            self._settled.notify_all()
