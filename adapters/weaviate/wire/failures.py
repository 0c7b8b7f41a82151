"""The one place where what the server says becomes Transvase's errors, and where it is told what may be tried again.

The server's refusals differ by their sentences alone: the same status stands for a wrong width and for a full disk, and
the same refusal has other statuses over REST and over gRPC. SIGNS is the one table of those sentences; each of its lines has a
test that makes a real server say it.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Collection
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final, TypeVar

import grpc
import httpx
from transvase.core.errors import SpaceMismatch, StoreFailed, Superseded, TransvaseError, Unfit, UnknownName

T = TypeVar("T")


class Kind(StrEnum):
    """What a failure is. It is the ``code`` of a StoreFailed."""

    GONE = "gone"
    MISSING = "missing"
    NO_TENANT = "no tenant"
    ASLEEP = "tenant asleep"
    TENANT_NEEDED = "tenant needed"
    WIDTH = "width"
    UNTIMED = "timestamps not indexed"
    UNINDEXED = "property not indexed"
    MODULE = "module does not answer"
    EXISTS = "exists"
    DANGLING = "dangling reference"
    STRANGER = "not known"
    FORBIDDEN = "forbidden"
    SIZE = "too large"
    MODE = "mode"
    STILL = "store read-only"
    BUSY = "busy"
    UNREACHED = "not reached"
    TIMED_OUT = "timed out"
    BROKEN = "broken off"
    CONSISTENCY = "consistency"
    LEADERLESS = "no leader"
    REFUSED = "refused"


SIGNS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            Kind.MODULE,
            r"vectoriz.*(connection refused|connection reset|no such host|timeout|deadline exceeded|EOF|status:? 5\d\d)",
        ),
        (Kind.FORBIDDEN, r"forbidden action|insufficient permissions"),
        (Kind.LEADERLESS, r"failed to execute query: rpc error: code = (Canceled|Unavailable|DeadlineExceeded)"),
        (Kind.STRANGER, r"anonymous access not enabled|invalid api key|unauthorized"),
        (
            Kind.DANGLING,
            r"invalid cref|^target: object \S+ not found for|^target: .*tenant not found|^target class \S+ not found in",
        ),
        (
            Kind.GONE,
            r"could not find class|which does not exist|class \S+ not found|target class \S+ does not exist|class not found",
        ),
        (Kind.GONE, r"failed to get class|non-existing index for|class \S+: not found"),
        (Kind.GONE, r"could not find index for class|class '\S+' not present in schema"),
        (Kind.GONE, r"Cannot query field \S+ on type \S*AggregateObjectsObj"),
        (Kind.NO_TENANT, r"tenant not found"),
        (Kind.ASLEEP, r"tenant not active"),
        (Kind.TENANT_NEEDED, r"multi-tenancy enabled, but request was without tenant"),
        (Kind.WIDTH, r"vector dimensions do not match|vector lengths don't match"),
        (Kind.UNTIMED, r"Timestamps must be indexed"),
        (Kind.UNINDEXED, r"(Nullstate|Property length) must be indexed|requires inverted index|bucket for prop \S+ not found"),
        (Kind.EXISTS, r"already exists"),
        (Kind.SIZE, r"message larger than max|trying to send message larger|request body too large"),
        (Kind.MODE, r"(read|write)-only mode is enabled|scale-out mode"),
        (Kind.STILL, r"store is read-only"),
        (Kind.CONSISTENCY, r"cannot achieve consistency level|cannot reach enough replicas"),
        (Kind.LEADERLESS, r"leader not found|node is not the leader|leadership lost"),
        (Kind.BUSY, r"429 too many requests|http2 header with status: (429|503)|not enough memory"),
        (Kind.UNREACHED, r"failed to connect to all addresses|connection refused"),
        (Kind.TIMED_OUT, r"deadline exceeded"),
        (Kind.BROKEN, r"code = Canceled|client connection is closing"),
    )
)
"""The server's sentences, and gRPC's own, the narrower ones first.

A node that asks the leader about a collection in vain says that it failed to get the collection: nothing is gone for that.
"""

_STATUS: Final = {401: Kind.STRANGER, 403: Kind.FORBIDDEN, 404: Kind.MISSING, 413: Kind.SIZE, 429: Kind.BUSY}
_CODES: Final = {
    grpc.StatusCode.UNAUTHENTICATED: Kind.STRANGER,
    grpc.StatusCode.PERMISSION_DENIED: Kind.FORBIDDEN,
    grpc.StatusCode.DEADLINE_EXCEEDED: Kind.TIMED_OUT,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Kind.BUSY,
    grpc.StatusCode.UNAVAILABLE: Kind.BROKEN,
    grpc.StatusCode.CANCELLED: Kind.BROKEN,
}
_GATEWAY: Final = {502: Kind.BROKEN, 503: Kind.BUSY, 504: Kind.TIMED_OUT}
"""What a balancer before the server answers for it."""

DOUBTFUL: Final = {Kind.TIMED_OUT, Kind.BROKEN, Kind.CONSISTENCY, Kind.LEADERLESS}
"""Failures after which nobody knows whether it was done."""
PASSING: Final = {Kind.MODULE, Kind.MODE, Kind.STILL, Kind.BUSY, Kind.UNREACHED} | DOUBTFUL
"""Failures that time may mend."""

_WORDS: Final = {
    Kind.SIZE: "the request was larger than the server takes",
    Kind.MODULE: "a module of the server's that makes vectors does not answer it (see the service that it asks)",
    Kind.MODE: "a node of the server takes no writes just now",
    Kind.STILL: "a shard is set read-only (by hand, or by a full disk: see /v1/nodes)",
    Kind.BUSY: "the server asks to wait",
    Kind.UNREACHED: "the server was not reached",
    Kind.TIMED_OUT: "the server gave no answer in time, and whether it did it is not known",
    Kind.BROKEN: "the connection broke off, and whether it was done is not known",
    Kind.CONSISTENCY: "too few replicas answered, and whether it was done on some is not known",
    Kind.LEADERLESS: "the cluster is choosing a leader, and whether it was done by the last one is not known",
}


def kind_said(said: str, *, status: int | None = None, code: grpc.StatusCode | None = None) -> Kind:
    """What the server's sentence means; where it says nothing known, its HTTP status or gRPC code speaks."""
    for kind, sign in SIGNS:
        if sign.search(said):
            return kind
    if code is not None:
        return _CODES.get(code, Kind.REFUSED)
    return _STATUS.get(status or 0) or _GATEWAY.get(status or 0) or Kind.REFUSED


def refusal(
    said: str,
    *,
    status: int | None = None,
    doing: str = "a request",
    index: str | None = None,
    after_s: float | None = None,
) -> TransvaseError:
    """The error for an HTTP answer that is none, or for one object of a batch; ``doing`` completes "while …".

    ``index`` is the collection that was asked for by its physical name: when it is gone, the error is Superseded. ``after_s`` is
    what the answer asked to wait.
    """
    code = str(status) if status else None
    return _error(kind_said(said, status=status), said, doing=doing, index=index, code=code, after_s=after_s)


def unreached(what: str) -> StoreFailed:
    """The error for a host that we ourselves find not to be there (yet, or any more)."""
    return StoreFailed(what, code=str(Kind.UNREACHED), passing=True)


def silent(host: object, doing: str) -> StoreFailed:
    """The error for a host that does not even say that it is there."""
    return unreached(f"{host} answers nothing at all, while {doing}; wake it, or take it away")


def asked_s(told: str | None) -> float | None:
    """Seconds from now that a ``Retry-After`` asks for, in either of its forms: a number, or a date."""
    if told is None:
        return None
    try:
        return max(float(told), 0.0)
    except ValueError:
        pass
    try:
        return max(parsedate_to_datetime(told).timestamp() - time.time(), 0.0)
    except ValueError:
        return None


def translated(error: Exception, *, doing: str = "a request", index: str | None = None) -> TransvaseError:
    """The error for whatever httpx or gRPC raised; one that is ours already stays as it is."""
    if isinstance(error, TransvaseError):
        return error
    said = _said(error)
    if isinstance(error, grpc.RpcError):
        code = error.code() if isinstance(error, grpc.Call) else None
        name, after_s = (code.name if code else None), _trailing(error)
        return _error(kind_said(said, code=code), said, doing=doing, index=index, code=name, after_s=after_s)
    match error:
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout() | httpx.ProxyError():
            kind = Kind.UNREACHED
        case httpx.TimeoutException():
            kind = Kind.TIMED_OUT
        case httpx.TransportError() | httpx.StreamError():
            kind = Kind.BROKEN
        case _:  # an answer that is no JSON, say
            kind = Kind.REFUSED
    return _error(kind, said, doing=doing, index=index)


def kind_of(error: BaseException) -> Kind | None:
    """The kind that a StoreFailed of this adapter carries; None for any other error."""
    code = error.code if isinstance(error, StoreFailed) else None
    return Kind(code) if code in set(Kind) else None


def passing(error: BaseException) -> bool:
    """True where the same call may succeed later without anybody's doing."""
    return kind_of(error) in PASSING


def in_doubt(error: BaseException) -> bool:
    """True where nobody knows whether it was done: a write that ended so has to be looked for."""
    return kind_of(error) in DOUBTFUL


def retrying(
    what: str,
    call: Callable[[], T],
    *,
    budget_s: float,
    report: Callable[[str], None] = lambda _: None,
    longest_s: float = 5.0,
    among: Collection[Kind] = PASSING,
) -> T:
    """What ``call`` returns, tried again while its failure is one of ``among`` and ``budget_s`` is not spent.

    For calls that may be done twice: one whose outcome is unknown is repeated. ``report`` is told before each wait why there
    is one. The waits double from a fifth of a second to ``longest_s``, shortened at random by up to a half; one that the server
    asks for is kept, and ends the tries where the budget is shorter.
    """
    end, wait = time.monotonic() + budget_s, 0.2
    while True:
        try:
            return call()
        except TransvaseError as error:
            pause = wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the callers; nothing is kept secret by it
            pause = max(pause, (error.after_s or 0.0) if isinstance(error, StoreFailed) else 0.0)
            if kind_of(error) not in among or time.monotonic() + pause > end:
                raise
            report(f"{what} waits: {error}")
            time.sleep(pause)
            wait = min(wait * 2, longest_s)


def _error(
    kind: Kind, said: str, *, doing: str, index: str | None, code: str | None = None, after_s: float | None = None
) -> TransvaseError:
    said = _brief(said)
    if kind in _REMEDIES:
        return Unfit(f"{doing} was refused: {said}", remedy=_REMEDIES[kind])
    if kind in _WORDS:
        passes = kind in PASSING
        return StoreFailed(f"{_WORDS[kind]}, while {doing}: {said}", code=str(kind), passing=passes, after_s=after_s)
    match kind:
        case Kind.GONE if index is not None:
            return Superseded(index)
        case Kind.GONE | Kind.NO_TENANT:
            hint = f"the server says: {said}" if kind is Kind.GONE else f"{index or 'the collection'} has none of that name"
            return UnknownName("collection" if kind is Kind.GONE else "tenant", _about(said), hint=hint)
        case Kind.WIDTH:
            expected, found = _widths(said)
            return SpaceMismatch(expected=expected, found=found, where=index or "the collection")
    return StoreFailed(f"the server refused {doing}: {said}", code=code if kind is Kind.REFUSED else str(kind))


_REMEDIES: Final = {
    Kind.TENANT_NEEDED: "name one of the collection's tenants",
    Kind.ASLEEP: "activate the tenant, or let it be woken for the time of the work",
    Kind.UNTIMED: "create the collection with indexTimestamps, or leave changes by others to reconciliation",
    Kind.UNINDEXED: "leave the condition out; to have it, the collection has to be made anew with that index",
    Kind.STRANGER: "set TRANSVASE_WEAVIATE_KEY to an API key of the server, or TRANSVASE_WEAVIATE_TOKEN to a token that is valid",
    Kind.FORBIDDEN: "grant it to a role of this user, or use the key of another one",
}


def _widths(said: str) -> tuple[str, str]:
    """What the index holds and what was brought, as far as the sentence says; a search's sentence does not say which is which."""
    brought = re.search(r"vector with length (\d+)\. Existing nodes have vectors with length (\d+)", said)
    if brought:
        return f"{brought[2]} wide", f"{brought[1]} wide"
    either = re.search(r"(\d+) vs (\d+)", said)
    return ("another width", f"one of {either[1]} and {either[2]} wide") if either else ("another width", "this width")


def _about(said: str) -> str:
    """The tenant or the collection that the sentence is about."""
    tenant = re.search(r"tenant not found: \"([^\"]+)\"", said)
    found = tenant or re.search(r"(?:class|collection|field|index for|class:) \\?\"?'?([A-Z]\w*)", said)
    return found[1] if found else ""


def _said(error: Exception) -> str:
    if isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        return str(error.details() or error.code().name)
    return str(error) or type(error).__name__


def _trailing(error: grpc.RpcError) -> float | None:
    """What a proxy asks to wait, or the server: it stands behind a failed answer."""
    behind = error.trailing_metadata() if isinstance(error, grpc.Call) else None
    told = dict(behind or ())
    return asked_s(told.get("retry-after"))


def _brief(said: str) -> str:
    line = " ".join(said.split())
    return line if len(line) <= 400 else f"{line[:400]}…"
