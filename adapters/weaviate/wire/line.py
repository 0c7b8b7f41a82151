"""One host of the server: its REST client and its gRPC channel, and how each of them is set up.

The driver's own client is not used for this: it asks a package index for its version at each connect, sits in silent retries for
up to half a minute when a node takes no writes, and gives no access to raw objects. Its generated messages are what goes over
the wire.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, Final

import grpc
import httpx
from transvase.core.errors import StoreFailed, Superseded, TransvaseError
from weaviate.proto.v1 import aggregate_pb2, batch_delete_pb2, batch_pb2, health_weaviate_pb2, search_get_pb2, weaviate_pb2_grpc

from .address import Address, Host
from .credentials import Badge, Credentials
from .failures import Kind, asked_s, kind_said, refusal, silent, translated
from .presence import NOT_FOUND, PATIENCE_S, Presence, collection_of, described
from .web import ALIVE, Web

CONNECT_S: Final = 5.0
SPARE_S: Final = 1.0
"""How long a host may take to let itself be reached, or to answer a GET, before it is doubted where others could be asked."""
SILENT_S: Final = 0.5
"""The same for a search; and how long a host that is doubted may take to say that it is there. That took 2 ms."""
_PAUSE_S: Final = 0.05
LARGEST: Final = 104_858_000
"""Bytes of one gRPC message that the server takes (``grpcMaxMessageSize``)."""

_CHANNEL: Final = (
    ("grpc.max_send_message_length", LARGEST),
    ("grpc.max_receive_message_length", LARGEST),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),  # a server that was restarted is found again within a second, not two minutes
    ("grpc.enable_http_proxy", 0),
)


class Line:
    """A host, spoken to in both ways. Safe for many threads; every failure leaves as one of our errors."""

    def __init__(self, host: Host, address: Address, credentials: Credentials) -> None:
        self.host = host
        self._timeout_s = address.timeout_s
        trusted = _trusted(address)
        self._web = Web(lambda: _client(host, address, trusted), host=str(host), timeout_s=address.timeout_s)
        self._badge = Badge(credentials, self._web, verify=trusted)
        self._presence = Presence(
            lambda path: self._answered("GET", path, doing="looking what is there", timeout_s=CONNECT_S).status_code,
            host=str(host),
        )
        self._channel = _channel(host, address)
        self._stub = weaviate_pb2_grpc.WeaviateStub(self._channel)  # type: ignore[no-untyped-call]  # generated code

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
        spare: bool = False,
    ) -> Any:
        """What ``path`` below ``/v1`` answers, as JSON; None for an empty answer, and for 404 to GET and DELETE.

        A listing of objects, or a deletion of several, is never None: a collection that is not there is no empty one, and gone.
        What a host that is being started has not loaded is waited for; StoreFailed where that takes long.

        ``local`` asks the node for its own copy of the schema instead of the leader's. ``index`` is the collection asked for, so
        that its end is told as Superseded. ``doing`` completes "while …" in messages. With ``spare`` another host could be asked
        as well: then one that answers nothing at all any more is told as not reached, and soon.
        """
        doing = doing or f"{method} /v1{path.partition('?')[0]}"

        def ask() -> httpx.Response:
            return self._answered(
                method, path, body=body, local=local, doing=doing, timeout_s=timeout_s, spare=spare and method == "GET"
            )

        answer = self._believed(ask, collection_of(path, index), of_schema=method == "GET" and described(path))
        if answer.is_success:
            try:
                return answer.json() if answer.content.strip() else None
            except (json.JSONDecodeError, UnicodeDecodeError) as error:
                raise translated(error, doing=doing, index=index) from error
        if answer.status_code == NOT_FOUND and method in ("GET", "DELETE"):
            if path.startswith(("/objects?", "/batch/objects")):
                raise refusal(f"could not find class {index or ''}", doing=doing, index=index)
            return None
        after_s = asked_s(answer.headers.get("retry-after"))
        raise refusal(_message(answer), status=answer.status_code, doing=doing, index=index, after_s=after_s)

    def _believed(self, ask: Callable[[], httpx.Response], loaded: str | None, *, of_schema: bool) -> httpx.Response:
        """The answer, asked for again until one that finds nothing may be believed."""
        while True:
            asked = time.monotonic()
            answer = ask()
            if answer.status_code != NOT_FOUND:
                return answer
            if loaded is None:
                break
            if self._presence.believed(loaded, asked=asked):
                return answer
        if not of_schema:
            return answer
        self._presence.settled()
        return ask()

    def search(
        self,
        request: search_get_pb2.SearchRequest,
        *,
        index: str | None = None,
        timeout_s: float | None = None,
        spare: bool = False,
    ) -> search_get_pb2.SearchReply:
        """The raw answer to a raw search; ``spare`` as for ``rest``."""
        reply: search_get_pb2.SearchReply = self._call(self._stub.Search, request, "a search", index, timeout_s, spare=spare)
        return reply

    def batch(
        self, request: batch_pb2.BatchObjectsRequest, *, index: str | None = None, timeout_s: float | None = None
    ) -> dict[int, str]:
        """Write objects; what the server says against each that it did not take, by its number. Superseded."""
        end = time.monotonic() + PATIENCE_S
        while True:
            asked = time.monotonic()
            reply: batch_pb2.BatchObjectsReply = self._call(self._stub.BatchObjects, request, "a batch", index, timeout_s)
            told = {error.index: error.error for error in reply.errors}
            if _said(Kind.EXISTS, told) and asked < end:
                time.sleep(_PAUSE_S)
                continue
            if index is None or not _said(Kind.GONE, told):
                return told
            if self._presence.believed(index, asked=asked):
                raise Superseded(index)

    def delete(
        self, request: batch_delete_pb2.BatchDeleteRequest, *, index: str | None = None, timeout_s: float | None = None
    ) -> batch_delete_pb2.BatchDeleteReply:
        """Delete what a filter finds; the raw answer."""
        reply: batch_delete_pb2.BatchDeleteReply = self._call(self._stub.BatchDelete, request, "a deletion", index, timeout_s)
        return reply

    def count(self, collection: str, tenant: str = "", *, spare: bool = False) -> int:
        """Objects of the collection, or of its tenant. Superseded when it is gone."""
        request = aggregate_pb2.AggregateRequest(collection=collection, tenant=tenant, objects_count=True)
        reply: aggregate_pb2.AggregateReply = self._call(self._stub.Aggregate, request, "counting", collection, None, spare=spare)
        return int(reply.single_result.objects_count)

    def ping(self, *, within_s: float = CONNECT_S) -> None:
        """Ask over gRPC whether the server is there; as the driver does when it connects."""
        check = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_weaviate_pb2.WeaviateHealthCheckRequest.SerializeToString,
            response_deserializer=health_weaviate_pb2.WeaviateHealthCheckResponse.FromString,
        )
        self._call(check, health_weaviate_pb2.WeaviateHealthCheckRequest(), "connecting", None, within_s)

    def now(self, *, spare: bool = False) -> float:
        """The host's clock, seconds since 1970, cut to whole ones: what the times of its objects are to be compared with."""
        try:
            answer = self._web.get(ALIVE, timeout=SPARE_S if spare else CONNECT_S)
            return parsedate_to_datetime(answer.headers["date"]).timestamp()
        except httpx.HTTPError as error:
            if spare and isinstance(error, httpx.TimeoutException):
                raise silent(self.host, "asking the time") from error
            raise translated(error, doing="asking the time") from error
        except (KeyError, ValueError) as error:
            raise StoreFailed(f"{self.host} does not say what time it is", code="no date") from error

    def close(self) -> None:
        """Let go of the connections."""
        self._badge.close()
        self._web.close()
        self._channel.close()

    def _call(
        self,
        method: Any,
        request: object,
        doing: str,
        index: str | None,
        timeout_s: float | None,
        *,
        spare: bool = False,
    ) -> Any:
        metadata, within = tuple(self._badge.headers().items()), timeout_s or self._timeout_s
        while True:
            asked = time.monotonic()
            try:
                if spare:
                    return _minded(method.future(request, metadata=metadata, timeout=within), self, doing)
                return method(request, metadata=metadata, timeout=within)
            except (grpc.RpcError, ValueError) as error:  # a closed channel is a ValueError
                told = translated(error, doing=doing, index=index)
                if index is None or not isinstance(told, Superseded) or self._presence.believed(index, asked=asked):
                    raise told from error

    def _answered(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        body: object = None,
        local: bool = False,
        timeout_s: float | None = None,
        spare: bool = False,
    ) -> httpx.Response:
        headers = self._badge.headers() | ({"consistency": "false"} if local else {})
        within = timeout_s or self._timeout_s

        def ask(seconds: float) -> httpx.Response:
            return self._web.request(
                method,
                f"/v1{path}",
                content=None if body is None else json.dumps(body),
                headers=headers | ({} if body is None else {"content-type": "application/json"}),
                timeout=httpx.Timeout(seconds, connect=min(SPARE_S if spare else CONNECT_S, seconds)),
            )

        try:
            if spare:
                try:
                    return ask(min(SPARE_S, within))
                except httpx.ReadTimeout as error:
                    if within <= SPARE_S or not self._web.alive(timeout=SILENT_S):
                        raise silent(self.host, doing) from error
            return ask(within)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise translated(error, doing=doing) from error


def _minded(call: Any, line: Line, doing: str) -> Any:
    """What a call gives: it is waited for as long as the host answers anything, however slow it is."""
    patience = SILENT_S
    while True:
        try:
            return call.result(timeout=patience)
        except grpc.FutureTimeoutError as error:
            try:
                line.ping(within_s=SILENT_S)
            except TransvaseError:
                call.cancel()
                raise silent(line.host, doing) from error
            patience *= 2


def _client(host: Host, address: Address, trusted: ssl.SSLContext) -> httpx.Client:
    scheme = "https" if address.tls else "http"
    patience = httpx.Timeout(address.timeout_s, connect=min(CONNECT_S, address.timeout_s))
    return httpx.Client(base_url=f"{scheme}://{host}", timeout=patience, verify=trusted, trust_env=False)


def _trusted(address: Address) -> ssl.SSLContext:
    """The system's certificates, and those that were named beside them; read once, since that takes a while."""
    context = ssl.create_default_context()
    if address.authority is not None:
        try:
            context.load_verify_locations(cafile=address.authority)
        except (ssl.SSLError, OSError) as error:
            raise StoreFailed(f"{address.authority} holds no certificates that can be read: {error}") from error
    return context


def _channel(host: Host, address: Address) -> grpc.Channel:
    if not address.tls:
        return grpc.insecure_channel(host.target, options=_CHANNEL)
    roots = address.authority.read_bytes() if address.authority else None
    return grpc.secure_channel(host.target, grpc.ssl_channel_credentials(roots), options=_CHANNEL)


def _said(kind: Kind, told: Mapping[int, str]) -> bool:
    """True where an object of a batch was refused for its collection: GONE where there is none, or EXISTS.

    A host that is being started says GONE too. EXISTS says one that found none, would make it by auto-schema, and finds it there
    now: of an object that is there a batch says nothing, so it is sent again.
    """
    return any(kind_said(why) is kind for why in told.values())


def _message(answer: httpx.Response) -> str:
    """The server's sentence: ``{"error": [{"message": …}]}``, ``{"message": …}``, or whatever stands before it said."""
    try:
        told = answer.json()
    except ValueError:
        return answer.text or f"HTTP {answer.status_code}"
    if isinstance(told, Mapping):
        errors = told.get("error")
        if isinstance(errors, list) and errors and isinstance(errors[0], Mapping):
            return "; ".join(str(one.get("message", one)) for one in errors)
        return str(told.get("message") or told)
    return str(told)
