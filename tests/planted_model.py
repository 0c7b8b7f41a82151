"""A real HTTP server that speaks the chat completions protocol, with every fault that endpoints are known for, planted at will.

It counts what it was asked and what it delivered whole: an answer delivered twice for one question was paid twice.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

WORDS = 6
"""Words of its own that each planted record has."""

Fault = str
"""``well``, ``cut`` (half a JSON, then the connection is gone), ``slow``, ``html`` (200, but no completion), ``prose`` (the model
itself answers garbage), ``cut off`` (it has no more tokens), ``renamed`` (knows only the newer name of a parameter),
``429@SECONDS`` (with Retry-After), or a bare status such as ``500``."""


@dataclass
class Seen:
    """What the server saw, under one lock."""

    requests: list[tuple[str, Fault]] = field(default_factory=list)
    delivered: Counter[str] = field(default_factory=Counter)
    at: list[float] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    refused_at: float | None = None


Plan = Callable[[str, int, bool], Fault]
"""What happens to a question (its key), asked so many times before; True when the client asks for a correction of garbage."""


def always(fault: Fault) -> Plan:
    return lambda _key, _attempt, _corrected: fault


class PlantedModel:
    """Serves on a port of its own until the block ends."""

    def __init__(self, plan: Plan | None = None, *, usage: bool = True) -> None:
        self.plan, self.usage = plan or always("well"), usage
        self.pause_s = 0.0
        self.seen, self.lock = Seen(), threading.Lock()
        self._server = Behind(("127.0.0.1", 0), Handler)
        self._server.model = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, conversation: Sequence[dict[str, str]], fault: Fault) -> dict[str, Any]:
        """Queries of words that the record has, in an order that the record has not."""
        asked = json.loads(conversation[1]["content"])
        words = sorted({word for word in asked["record"]["text"].split() if "word" in word}, reverse=True)
        queries = [f"{words[at]} {words[at + 1]} {asked['style'].split()[1]}" for at in range(asked["how_many"])]
        text = "Certainly! Here are some queries." if fault == "prose" else json.dumps(queries)
        into = sum(len(message["content"]) for message in conversation) // 4
        reason = "stop"
        if fault == "cut off":
            text, reason = text[: len(text) // 2], "length"
        used = {"usage": {"prompt_tokens": into, "completion_tokens": len(text) // 4}} if self.usage else {}
        return {"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": reason}], **used}


class Behind(ThreadingHTTPServer):
    """The server proper; its handlers find the model here."""

    daemon_threads = True
    model: PlantedModel


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def model(self) -> PlantedModel:
        assert isinstance(self.server, Behind)
        return self.server.model

    def do_POST(self) -> None:
        model = self.model
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers["Idempotency-Key"]
        with self.model.lock:
            attempt = sum(asked == key for asked, _ in model.seen.requests)
            fault = model.plan(key, attempt, len(body["messages"]) > 2)
            model.seen.requests.append((key, fault))
            model.seen.at.append(time.monotonic())
            model.seen.keys.add(self.headers["Authorization"])
            model.seen.bodies.append(body)
            model.seen.at_once += 1
            model.seen.most_at_once = max(model.seen.most_at_once, model.seen.at_once)
        try:
            self._act(key, fault, body)
        except OSError:
            self.close_connection = True  # the client has gone: nothing was delivered
        finally:
            with self.model.lock:
                model.seen.at_once -= 1

    def _act(self, key: str, fault: Fault, body: dict[str, Any]) -> None:
        if fault == "slow":
            self._await_farewell()
        time.sleep(self.model.pause_s)
        if fault == "renamed":
            fault = "well" if "max_completion_tokens" in body else "400"
            if fault == "400":
                self._send(400, b'{"error": {"message": "max_tokens is not supported, use max_completion_tokens"}}', {})
                return
        if fault[:1].isdigit():
            status, _, wait = fault.partition("@")
            with self.model.lock:
                self.model.seen.refused_at = time.monotonic()
            self._send(int(status), b'{"error": {"message": "planted"}}', {"Retry-After": wait} if wait else {})
            return
        if fault == "html":
            self._send(200, b"<html>one moment, please</html>", {})
            return
        whole = json.dumps(self.model.answer(body["messages"], fault)).encode()
        if fault == "cut":
            self._head(200, len(whole), {})
            self.wfile.write(whole[: len(whole) // 2])
            self.wfile.flush()
            self.close_connection = True
            return
        self._send(200, whole, {})
        with self.model.lock:
            self.model.seen.delivered[key] += 1

    def _await_farewell(self) -> None:
        """Slower than the client is patient, whatever its patience: nothing is sent before it has hung up."""
        self.connection.settimeout(60)
        self.connection.recv(1, socket.MSG_PEEK)
        raise ConnectionAbortedError

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self._head(status, len(content), headers)
        self.wfile.write(content)
        self.wfile.flush()

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, _format: str, *_args: object) -> None:
        """Silence: the tests look at what was seen."""


def write_records(path: Path, count: int) -> Path:
    """A corpus of records, each of words that no other has, and a few that all have."""
    lines = []
    for row in range(count):
        own = " ".join(f"{chr(97 + at)}word{row}x{at}" for at in range(WORDS))
        lines.append(json.dumps({"_id": f"d{row}", "title": f"record {row}", "text": f"this is the text about {own}"}))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path
