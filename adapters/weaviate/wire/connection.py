"""The server behind all of its hosts: which of them is asked, what version it is, and which nodes are there."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from transvase.core.errors import StoreFailed, TransvaseError, Unfit
from weaviate.proto.v1 import batch_delete_pb2, batch_pb2, search_get_pb2

from .address import Address
from .credentials import Credentials
from .failures import Kind, kind_of
from .line import Line

OLDEST: Final = (1, 32)
"""The first version with aliases."""

ASKING: Final = {Kind.CONSISTENCY, Kind.LEADERLESS}
"""The host answers, and has asked others of the cluster in vain: another host may fare better."""
SILENT: Final = {Kind.UNREACHED, Kind.BROKEN, Kind.TIMED_OUT, *ASKING}
"""After these the next request does not begin with the same host."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NodeState:
    """What the cluster says of one of its nodes. ``mode`` is ReadWrite where it takes writes; empty where it does not say."""

    name: str
    status: str
    mode: str
    version: str


@dataclass(slots=True)
class _Turn:
    """Which of the hosts is asked first."""

    at: int = 0


class Connection:
    """One server. A request goes to the host that answered last; where that one is not reached, to the next.

    What only reads is given to another host as well when the first one breaks off, answers nothing at all any more, or has asked
    the rest of the cluster in vain. What may have written is not: sent and not answered, it stays in doubt. Whatever it was, the
    next request begins elsewhere.
    """

    def __init__(self, address: Address, credentials: Credentials | None = None) -> None:
        self.address = address
        given = Credentials.from_environment() if credentials is None else credentials
        self._lines = tuple(Line(host, address, given) for host in address.hosts)
        self._turn = _Turn()
        self._within_s: float | None = None
        self._version = ""

    def hurried(self, seconds: float) -> Connection:
        """The same for who would rather have no answer than a late one; it shares everything, and is closed with this one."""
        made = copy(self)
        made._within_s = seconds  # noqa: SLF001 - a copy of its own
        return made

    @property
    def each(self) -> tuple[Line, ...]:
        """The hosts of the address, to be asked one by one."""
        return self._lines

    @property
    def version(self) -> str:
        """Of the host that ``try_out`` reached."""
        return self._version

    def try_out(self) -> None:
        """Reach the server over both ways and see that it knows us.

        Unfit where it is too old, or knows nobody of our key; StoreFailed where one of the ways is not answered.
        """
        meta = self.rest("GET", "/meta", doing=f"connecting to {self.address.shown}")
        self._version = str((meta or {}).get("version", ""))
        if numbered(self._version) < OLDEST:
            raise Unfit(
                f"{self.address.shown} is Weaviate {self._version or 'of an unknown version'}, which has no aliases",
                remedy="upgrade it to 1.32 or newer",
            )
        try:
            self._somewhere(lambda line, _: line.ping())
        except TransvaseError as error:
            if kind_of(error) not in (Kind.UNREACHED, Kind.BROKEN, Kind.TIMED_OUT):
                raise
            at = self._lines[self._turn.at].host.target
            raise StoreFailed(
                f"{self.address.shown} answers over REST, and over gRPC nobody answers at {at} ({error}); name the port of gRPC "
                "in the URL (?grpc=PORT), and see that it can be reached"
            ) from error

    def rest(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        local: bool = False,
        doing: str = "",
        index: str | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """As ``Line.rest``, at the first host that can be reached."""
        within = timeout_s or self._within_s

        def ask(line: Line, spare: bool) -> Any:
            return line.rest(method, path, body=body, local=local, doing=doing, index=index, timeout_s=within, spare=spare)

        return self._somewhere(ask, reads=method == "GET")

    def search(
        self, request: search_get_pb2.SearchRequest, *, index: str | None = None, timeout_s: float | None = None
    ) -> search_get_pb2.SearchReply:
        """As ``Line.search``."""
        within = timeout_s or self._within_s
        return self._somewhere(lambda line, spare: line.search(request, index=index, timeout_s=within, spare=spare), reads=True)

    def batch(
        self, request: batch_pb2.BatchObjectsRequest, *, index: str | None = None, timeout_s: float | None = None
    ) -> dict[int, str]:
        """As ``Line.batch``."""
        within = timeout_s or self._within_s
        return self._somewhere(lambda line, _: line.batch(request, index=index, timeout_s=within))

    def delete(
        self, request: batch_delete_pb2.BatchDeleteRequest, *, index: str | None = None, timeout_s: float | None = None
    ) -> batch_delete_pb2.BatchDeleteReply:
        """As ``Line.delete``."""
        within = timeout_s or self._within_s
        return self._somewhere(lambda line, _: line.delete(request, index=index, timeout_s=within))

    def count(self, collection: str, tenant: str = "") -> int:
        """As ``Line.count``."""
        return self._somewhere(lambda line, spare: line.count(collection, tenant, spare=spare), reads=True)

    def now(self) -> float:
        """The clock of the host that is asked just now, whole seconds since 1970."""
        return self._somewhere(lambda line, spare: line.now(spare=spare), reads=True)

    def nodes(self, *, timeout_s: float = 10.0) -> tuple[NodeState, ...]:
        """The nodes that the cluster sees now; one that is stopped is not among them."""
        answer = self.rest("GET", "/nodes", doing="asking for the nodes", timeout_s=timeout_s) or {}
        return tuple(
            NodeState(
                str(node.get("name", "")),
                str(node.get("status", "")),
                str(node.get("operationalMode") or ""),
                str(node.get("version") or ""),
            )
            for node in answer.get("nodes") or ()
        )

    def close(self) -> None:
        """Let go of every connection."""
        for line in self._lines:
            line.close()

    def _somewhere(self, ask: Callable[[Line, bool], T], *, reads: bool = False) -> T:
        """What the first host answers that can be asked; ``ask`` is told whether others are left to be asked instead.

        What only reads comes round to the first one again where the last one broke off: a server may let go of a connection that
        was idle just when it is used. One that is slow at a host that lives is slow everywhere, and asked for once.
        """
        first, count = self._turn.at, len(self._lines)
        for step in range(count + reads):
            at, spare = (first + step) % count, step < count - 1
            try:
                answer = ask(self._lines[at], spare)
            except TransvaseError as error:
                kind = kind_of(error)
                if kind in SILENT:
                    self._turn.at = (at + 1) % count
                broke = reads and kind is Kind.BROKEN and step < count
                if not (broke or (spare and (kind is Kind.UNREACHED or (reads and kind in ASKING)))):
                    raise
                continue
            self._turn.at = at
            return answer
        raise AssertionError("an address has at least one host")


def numbered(version: str) -> tuple[int, ...]:
    """The first two numbers of a version, to be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def connected(address: Address, credentials: Credentials | None = None) -> Connection:
    """A connection that was tried out; nothing is left open when it fails.

    What was not answered passes by nobody's doing, as far as we know: it may be a mistake in the address.
    """
    connection = Connection(address, credentials)
    try:
        connection.try_out()
    except BaseException as error:
        connection.close()
        if isinstance(error, StoreFailed) and kind_of(error) in SILENT:
            raise StoreFailed(error.what, code=error.code) from error
        raise
    return connection
