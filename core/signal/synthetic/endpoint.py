"""One request to an OpenAI-compatible chat endpoint and what can come of it; the one place where httpx's errors are translated.

The key is read from the environment when the client is made and lives in its headers alone: it is in no message, file or log,
and no redirect is followed, so that it goes nowhere else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit, urlunsplit

from transvase.core.endpoints import KEY, TRANSIENT, key_from_environment, retry_after
from transvase.core.errors import BadValue, ExtraMissing

from .prompts import Message

if TYPE_CHECKING:
    import httpx

_PATH: Final = "/chat/completions"
_LARGEST: Final = 4 << 20
"""Bytes of a reply: what is longer is no answer to what we asked."""

_FATAL: Final = frozenset({301, 302, 303, 307, 308, 401, 402, 403, 404, 405})
"""What would be answered to every request alike."""


class Kind(StrEnum):
    """What became of one request."""

    ANSWERED = "answered"
    LATER = "later"  # the endpoint said no, for now: nothing was charged
    LOST = "lost"  # sent, and no whole answer came back: perhaps charged
    REFUSED = "refused"  # this request will never be answered
    FATAL = "fatal"  # no request will ever be answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of a request, the model's words, what it used (None: not said), and how long to wait before the next."""

    kind: Kind
    text: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    cut: bool = False
    """Whether the words end where no more were allowed."""
    why: str = ""
    wait_s: float | None = None


class Endpoint:
    """A client with its connections; safe to use from many threads."""

    def __init__(self, url: str, *, model: str, timeout_s: float, most_out: int, workers: int) -> None:
        """BadValue for what is no http URL, ExtraMissing without httpx."""
        try:
            import httpx
        except ImportError as error:
            raise ExtraMissing("remote", needed_for="asking a language model") from error
        self.url, self.model = completions_url(url), model
        self._timeout_s, self._most_out, self._limit = timeout_s, most_out, "max_tokens"
        key = key_from_environment()
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 15.0)),
            limits=httpx.Limits(max_connections=workers),
        )
        self._censored: Callable[[str], str] = lambda text: text.replace(key, "…") if key else text

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, conversation: Sequence[Message], *, key: str) -> Reply:
        """One request, tried once. ``key`` goes along as Idempotency-Key: a gateway that knows it charges a repeat once."""
        limit = self._limit
        reply = self._ask(conversation, key=key, limit=limit)
        if reply.kind is Kind.REFUSED and limit == "max_tokens" and "max_completion_tokens" in reply.why:
            self._limit = "max_completion_tokens"  # newer models of some providers know only this name
            reply = self._ask(conversation, key=key, limit=self._limit)
        return reply

    def _ask(self, conversation: Sequence[Message], *, key: str, limit: str) -> Reply:
        import httpx

        body = {"model": self.model, "messages": list(conversation), limit: self._most_out}
        content = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        try:
            with self._client.stream("POST", self.url, content=content, headers=headers) as response:
                return self._reply(response, _read(response, deadline=time.monotonic() + self._timeout_s))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Reply(kind=Kind.LATER, why=f"no connection ({error})")
        except httpx.HTTPError as error:
            return Reply(kind=Kind.LOST, why=f"the answer did not arrive ({type(error).__name__}: {error})"[:300])

    def _reply(self, response: httpx.Response, body: bytes | None) -> Reply:
        status = response.status_code
        if status == 200:
            return Reply(kind=Kind.LOST, why="the answer took too long or had no end") if body is None else _answer(body)
        said = self._censored(" ".join((body or b"").decode("utf-8", "replace").split()))[:300]
        why = f"it answered {status}" + (f": {said}" if said else "")
        if status in TRANSIENT:
            return Reply(kind=Kind.LATER, why=why, wait_s=retry_after(response.headers.get("Retry-After")))
        return Reply(kind=Kind.FATAL if status in _FATAL else Kind.REFUSED, why=why)


def completions_url(url: str) -> str:
    """Where to post: the path of chat completions is added to a base URL. BadValue for what is no http URL."""
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadValue("--endpoint", shown(url), why=f"this is no URL ({error})") from error
    if parts.scheme not in ("http", "https") or not host:
        raise BadValue("--endpoint", shown(url), why="an http or https URL is needed, such as http://localhost:8000/v1")
    if parts.username or parts.password:
        raise BadValue("--endpoint", shown(url), why=f"keep credentials out of the URL; put the key into {KEY}")
    path = parts.path.rstrip("/")
    return urlunsplit(parts._replace(path=path if path.endswith(_PATH) else path + _PATH, fragment=""))


def shown(url: str) -> str:
    """The URL without whatever could be a secret in it."""
    place = url.strip().rpartition("@")[2] if "@" in url else url.strip()
    return place.partition("?")[0].partition("#")[0]


def _read(response: httpx.Response, *, deadline: float) -> bytes | None:
    """The whole body; None when it is too large or drips in for longer than a request may take."""
    body = bytearray()
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _LARGEST or time.monotonic() > deadline:
            return None
    return bytes(body)


def _answer(body: bytes) -> Reply:
    """Half an object or something else altogether counts as lost: it came from whatever stands in front of the model."""
    try:
        said = json.loads(body)
        choice = said["choices"][0]
        text = choice["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return Reply(kind=Kind.LOST, why="what came back is no chat completion")
    usage = said.get("usage") if isinstance(said.get("usage"), dict) else {}
    return Reply(
        kind=Kind.ANSWERED,
        text=text if isinstance(text, str) else "",
        tokens_in=_count(usage.get("prompt_tokens")),
        tokens_out=_count(usage.get("completion_tokens")),
        cut=choice.get("finish_reason") == "length",
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
