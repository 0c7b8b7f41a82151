"""A server with a module that makes vectors, and the inference container that it asks for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from weaviate_server import Node, needed, node, place, running

MODULE = "text2vec-transformers"


@contextmanager
def with_transformers(vector_of: Callable[[str], list[float]]) -> Iterator[Node]:
    """The container is as that module knows it: ready, and it has a vector for each text."""

    class Inference(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            text = json.loads(self.rfile.read(int(self.headers["content-length"])))["text"]
            vector = vector_of(text)
            self._answer({"text": text, "vector": vector, "dim": len(vector)})

        def _answer(self, told: object) -> None:
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Inference) as inference, place() as folder:
        threading.Thread(target=inference.serve_forever, daemon=True).start()
        one = node(needed(), folder=folder)
        url = f"http://127.0.0.1:{inference.server_address[1]}"
        one.env.update(ENABLE_MODULES=MODULE, TRANSFORMERS_INFERENCE_API=url, API_BASED_MODULES_DISABLED="true")
        with running([one]):
            yield one
        inference.shutdown()
