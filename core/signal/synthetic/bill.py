"""What a run says of money when it ends without a collection: what was paid for, what it cost, and where it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from transvase.core.errors import BadValue, EndpointFailed

from .budget import Prices, dollars
from .planning import Account


def bill(before: Account, after: Account, *, prices: Prices, ledger: Path) -> str:
    """One sentence without its end; empty where nothing was paid for between the two."""
    answers, lost = after.answers - before.answers, after.lost_out - before.lost_out
    if answers <= 0 and lost <= 0:
        return ""
    cost = f", at most {dollars(after.usd(prices) - before.usd(prices))}" if prices.known else ""
    return f"{answers} answers were paid for in this run{cost}: they lie in {ledger}, and are not paid for again"


@contextmanager
def billed(sentence: Callable[[], str]) -> Iterator[None]:
    """A refusal, or an endpoint that failed, says that sentence too."""
    try:
        yield
    except BadValue as error:
        raise BadValue(error.what, error.value, why=_both(error.why, sentence())) from error
    except EndpointFailed as error:
        raise EndpointFailed(error.url, _both(error.why, sentence())) from error


def _both(why: str, spent: str) -> str:
    return f"{why}. {spent}" if spent else why
