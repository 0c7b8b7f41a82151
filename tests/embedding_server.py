"""A real HTTP server that speaks the embeddings protocol, makes vectors from the content of texts, and can be told to fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

Trouble = tuple[int, dict[str, str], bytes]
"""Status, headers and body of an answer that is no good one."""


@dataclass
class Endpoint:
    """One server's settings and what it was asked."""

    url: str = ""
    width: int = 12
    """Dimensions, unless a request says others."""
    changed: bool = False
    """The provider has put another model under the same name."""
    troubles: list[Trouble] = field(default_factory=list)
    """Given out one a request, before anything else."""
    bend: Callable[[dict], object] = lambda answer: answer
    """What becomes of a good answer on its way."""
    asked: list[dict] = field(default_factory=list)
    headers: list[dict] = field(default_factory=list)

    @property
    def enc(self) -> str:
        return f"{self.url}#tiny-embed"

    def vector(self, text: str, width: int) -> list[float]:
        """The first ``width`` of 64 numbers that the text's hash chooses; not of unit length."""
        seed = int.from_bytes(
            blake2b((text + "!" * self.changed).encode("utf-8", "surrogatepass"), digest_size=4).digest(), "little"
        )
        return [3 * float(value) for value in np.random.default_rng(seed).standard_normal(64)[:width]]

    def answer(self, body: dict) -> dict:
        """A good answer, its items in another order than the texts."""
        width = body.get("dimensions") or self.width
        data = [{"index": n, "embedding": self.vector(text, width)} for n, text in enumerate(body["input"])]
        return {"object": "list", "model": body["model"], "data": data[::-1]}


@contextmanager
def serving() -> Iterator[Endpoint]:
    """A server on a free port of this machine while the block runs."""
    endpoint, lock = Endpoint(), threading.Lock()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                endpoint.asked.append(body)
                endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
                trouble = endpoint.troubles.pop(0) if endpoint.troubles else None
            if self.path != "/v1/embeddings":
                trouble = (404, {}, b"not found")
            status, headers, content = trouble or (200, {}, json.dumps(endpoint.bend(endpoint.answer(body))).encode())
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(content))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = "Content-Length" in headers

        def log_message(self, *_: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
