"""What stands before a server and says no for it: a proxy of both ways in that asks callers to wait, or leaves them waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import grpc
import httpx
from weaviate_server import Node

_LARGEST: Final = (("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1))


@dataclass(frozen=True)
class No:
    """An answer that is none: an HTTP status and what gRPC has for it, or silence for so many seconds."""

    status: int = 429
    code: grpc.StatusCode = grpc.StatusCode.RESOURCE_EXHAUSTED
    after: str = ""
    """What ``Retry-After`` says; empty for no such header."""
    silent_s: float = 0.0


@dataclass
class Gate:
    """The proxy's ports, what it says to everybody now (None: it hands on), and how often it has said no.

    It opens by itself when it has said no ``opens_after`` times.
    """

    rest: int = 0
    grpc: int = 0
    no: No | None = None
    noes: int = 0
    opens_after: int | None = None

    @property
    def url(self) -> str:
        """As ``--store`` takes it, with deadlines of two seconds."""
        return f"weaviate://127.0.0.1:{self.rest}?grpc={self.grpc}&timeout=2"

    def refusing(self) -> No | None:
        """What is to be said now, counted; silence is kept here."""
        no = self.no
        if no is not None and self.noes == self.opens_after:
            no = self.no = None
        if no is not None:
            self.noes += 1
            time.sleep(no.silent_s)
        return no


@contextmanager
def gate_before(node: Node) -> Iterator[Gate]:
    """A gate that is open, before both ports of the server."""
    gate = Gate()
    with _rest_before(gate, node), _grpc_before(gate, node):
        yield gate


@contextmanager
def _rest_before(gate: Gate, node: Node) -> Iterator[None]:
    web = httpx.Client(base_url=f"http://127.0.0.1:{node.rest}", timeout=30)

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            no = gate.refusing()
            if no is not None:
                self.told(no.status, b"slow down", {"retry-after": no.after} if no.after else {})
                return
            given = {key: value for key, value in self.headers.items() if key.lower() in ("content-type", "consistency")}
            found = web.request(self.command, self.path, content=body, headers=given)
            kept = {key: found.headers[key] for key in ("content-type", "date") if key in found.headers}
            self.told(found.status_code, found.content, kept)

        def told(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response_only(status)
            for key, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(key, value)
            self.end_headers()
            with suppress(OSError):  # who waited too long has gone
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815 - the names are the library's

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A caller that has gone is no error here."""

    with Server(("127.0.0.1", 0), Door) as server:
        gate.rest = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()
    web.close()


@contextmanager
def _grpc_before(gate: Gate, node: Node) -> Iterator[None]:
    channel = grpc.insecure_channel(f"127.0.0.1:{node.grpc}", options=_LARGEST)

    class Door(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            method = channel.unary_unary(details.method)

            def answer(request: bytes, context: grpc.ServicerContext) -> Any:
                no = gate.refusing()
                if no is not None:
                    context.set_trailing_metadata((("retry-after", no.after),) if no.after else ())
                    context.abort(no.code, "slow down")
                try:
                    return method(request, timeout=30)
                except grpc.RpcError as error:
                    context.abort(error.code(), error.details())

            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(ThreadPoolExecutor(16), handlers=(Door(),), options=_LARGEST)
    gate.grpc = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()
        channel.close()


@contextmanager
def plain_http_429(*, after: str) -> Iterator[int]:
    """A port whose HTTP/2 answers every request as a proxy does that knows nothing of gRPC: with a status and a header."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listener.accept()
                threading.Thread(target=_speak_http2, args=(caller, after), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


_SETTINGS: Final = 4
_HEADERS: Final = 1
_ACKNOWLEDGED: Final = 1
_ENDS: Final = 5
"""Of a HEADERS frame: END_STREAM and END_HEADERS."""


def _speak_http2(caller: socket.socket, after: str) -> None:
    """RFC 9113 as far as it is needed here: settings, and to every HEADERS frame a HEADERS frame that ends its stream."""

    def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def literal(name: bytes, value: str) -> bytes:
        return name + bytes([len(value)]) + value.encode()

    # RFC 7541: literals without indexing; 8 is the static table's ``:status``, and 0 begins a name that is written out.
    block = literal(b"\x08", "429") + literal(b"\x00\x0bretry-after", after)
    with caller, caller.makefile("rb") as heard, suppress(OSError):
        heard.read(24)
        caller.sendall(frame(_SETTINGS, 0, 0))
        while head := heard.read(9):
            size, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
            heard.read(size)
            if kind == _SETTINGS and not flags & _ACKNOWLEDGED:
                caller.sendall(frame(_SETTINGS, _ACKNOWLEDGED, 0))
            if kind == _HEADERS:
                caller.sendall(frame(_HEADERS, _ENDS, stream, block))
