"""Asks an OpenAI-compatible endpoint for vectors; the one place of the encoders where httpx's errors are translated.

The key is read from the environment when the client is made and lives in its headers alone: it is in no message, file or
log, and no redirect is followed, so that it goes nowhere else.
"""

from __future__ import annotations

import json
import logging
import ssl
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from ..endpoints import KEY, TRANSIENT, key_from_environment, retry_after
from ..errors import EncoderFailed, ExtraMissing
from ..space import Role, Space, Vectors
from .endpoint import Endpoint, endpoint_of
from .tokens import legible

if TYPE_CHECKING:
    import httpx

_SILENT: Final = logging.NullHandler()
_ADVICE: Final[Mapping[int, str]] = {
    400: "it takes no such text or setting: shorten what is sent with ?max_length=… in ENC, or lower batch",
    401: f"put a valid key into the environment variable {KEY}",
    403: f"the key in {KEY} may not use this model",
    404: "the address or the model's name is wrong; ENC is https://host/v1#model",
    413: "lower batch or max_length in ENC (…?batch=8#model)",
    422: "lower batch or max_length in ENC (…?batch=8#model)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long an endpoint is put up with, in seconds."""

    attempts: int = 6
    first: float = 0.5
    """The first wait; each further one doubles, up to ``longest``. A Retry-After is kept to, where it is not longer than that."""
    longest: float = 60.0
    answer: float = 60.0
    """For one answer."""
    parallel: int = 4
    """Requests at once."""


class RemoteEncoder:
    """One endpoint and its connections. It may be used from several threads."""

    def __init__(self, endpoint: Endpoint, *, name: str, patience: Patience) -> None:
        """ExtraMissing without httpx and stamina, BadValue for a key that no header can carry."""
        self._endpoint, self._name, self._patience = endpoint, name, patience
        self._key = key_from_environment()
        self._client = _client(self._key, patience)
        weakref.finalize(self, self._client.close)
        self._space = endpoint.space(endpoint.dimensions or self._rows(["dimension"]).shape[1])

    @property
    def name(self) -> str:
        """ENC as the operator gave it."""
        return self._name

    @property
    def space(self) -> Space:
        """The Space that the address, the model's name and the settings stand for."""
        return self._space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Shape (len(texts), dimension), unit length. EncoderFailed when the endpoint does not answer or answers nonsense."""
        rows = np.empty((len(texts), self._space.dimension), np.float32)
        for start, part in self.arriving(texts, role):
            rows[start : start + len(part)] = part
        return Vectors(self._space, rows)

    def arriving(self, texts: Sequence[str], role: Role) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """The same in parts, as they come: the place of the first text of each, and the rows.

        When a request fails for good no further one is begun, those under way are waited for, and the error comes last: what was
        answered was paid for.
        """
        sent, size = [self._endpoint.text(legible(text), role) for text in texts], self._endpoint.batch
        parts = {start: sent[start : start + size] for start in range(0, len(sent), size)}
        if len(parts) == 1:
            yield 0, self._fitting(sent)
            return
        over, errors = threading.Event(), list[BaseException]()
        with ThreadPoolExecutor(self._patience.parallel) as pool:
            asked = {pool.submit(self._unless, over, part): start for start, part in parts.items()}
            try:
                for answer in as_completed(asked):
                    if error := answer.exception():
                        errors.append(error)
                        over.set()
                    elif (rows := answer.result()) is not None:
                        yield asked[answer], rows
            finally:
                over.set()
        if errors:
            raise errors[0]

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """An estimate, a quarter of the characters: the endpoint's tokenizer cannot be seen. Cut is by the same measure."""
        return [self._endpoint.tokens(text) for text in texts]

    def _unless(self, over: threading.Event, texts: Sequence[str]) -> NDArray[np.float32] | None:
        return None if over.is_set() else self._fitting(texts)

    def _fitting(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One request's vectors, if they are of the Space's width."""
        rows, width = self._rows(texts), self._space.dimension
        if rows.shape[1] != width:
            raise self._failed(f"it gave vectors of {rows.shape[1]} dimensions, and the space has {width}")
        return rows

    def _rows(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One request's vectors, asked for as often as patience allows."""
        import httpx
        import stamina

        body: dict[str, object] = {"model": self._endpoint.model, "input": list(texts), "encoding_format": "float"}
        if self._endpoint.dimensions:
            body["dimensions"] = self._endpoint.dimensions
        content, patience = json.dumps(body).encode(), self._patience
        answer: object = None
        try:
            for attempt in stamina.retry_context(
                on=partial(_again, longest=patience.longest), attempts=patience.attempts, timeout=None,
                wait_initial=patience.first, wait_max=patience.longest, wait_jitter=patience.first,
            ):  # fmt: skip
                with attempt:
                    answer = self._ask(content)
        except httpx.HTTPStatusError as error:
            raise self._failed(self._told(error.response)) from error
        except httpx.HTTPError as error:
            raise self._failed(f"no answer in {patience.attempts} tries ({type(error).__name__}: {error})") from error
        except (ValueError, RecursionError) as error:
            raise self._failed(f"what came back in {patience.attempts} tries was no whole JSON") from error
        return self._unit(answer, len(texts))

    def _ask(self, content: bytes) -> object:
        """What the endpoint says, once. httpx's errors for no answer and for a refusal, ValueError for what is no JSON."""
        url = self._endpoint.url + "/embeddings"
        answer = self._client.post(url, content=content, headers={"Content-Type": "application/json"})
        answer.raise_for_status()
        return json.loads(answer.content)

    def _unit(self, answer: object, count: int) -> NDArray[np.float32]:
        """The rows of an answer in the order of the texts, scaled to unit length, shape (count, width)."""
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
            raise self._failed("what came back is no list of embeddings")
        rows = {item["index"]: item.get("embedding") for item in data if type(item.get("index")) is int}
        if len(data) != count or rows.keys() != set(range(count)):
            raise self._failed(f"{count} texts were sent, and {len(data)} vectors came back, not numbered one for each")
        try:
            matrix = np.array([rows[place] for place in range(count)], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise self._failed("its vectors are not rows of numbers of one length") from error
        if matrix.ndim != 2 or not matrix.size or not np.isfinite(matrix).all():
            raise self._failed("its vectors are not rows of finite numbers")
        length = np.linalg.norm(matrix, axis=1, keepdims=True)
        if not (length > 0).all():
            raise self._failed("it gave a vector of zeros")
        return np.asarray(matrix / length, dtype=np.float32)

    def _told(self, response: httpx.Response) -> str:
        """What an answer other than 200 says, without the key, and what to do about it."""
        said = " ".join(response.text.split())
        said = (said.replace(self._key, "…") if self._key else said)[:300]
        told = f"it answered {response.status_code}" + (f" ({said})" if said else "")
        if response.is_redirect:
            return f"{told}; redirects are not followed, for the key would go along: name the final address"
        if response.status_code in TRANSIENT:
            pause = retry_after(response.headers.get("Retry-After"))
            return f"{told}; try again " + (f"in {pause:.0f} s" if pause else "later")
        return f"{told}; {_ADVICE.get(response.status_code, 'see what the endpoint wants')}"

    def _failed(self, why: str) -> EncoderFailed:
        return EncoderFailed(f"{self._endpoint.url}#{self._endpoint.model}", why)


def load_remote(enc: str, *, patience: Patience | None = None) -> RemoteEncoder:
    """The encoder of an endpoint; one short text is sent unless ENC states the dimensions.

    BadValue for a URL that is none, ExtraMissing without the extra ``remote``, EncoderFailed when it cannot be reached.
    """
    return RemoteEncoder(endpoint_of(enc), name=enc, patience=patience or Patience())


def space_of_remote(enc: str) -> Space:
    """The Space of an endpoint; nothing is asked, and nothing but ENC needed, where ENC states the dimensions."""
    endpoint = endpoint_of(enc)
    return endpoint.space(endpoint.dimensions) if endpoint.dimensions else load_remote(enc).space


def _again(error: Exception, *, longest: float) -> bool | float:
    """Whether another try may mend it, and after how many seconds where the endpoint says so."""
    import httpx

    if not isinstance(error, httpx.HTTPStatusError):
        return isinstance(error, httpx.TransportError | json.JSONDecodeError | UnicodeDecodeError)
    if error.response.status_code not in TRANSIENT:
        return False
    pause = retry_after(error.response.headers.get("Retry-After"))
    return True if pause is None else pause <= longest and pause


def _client(key: str, patience: Patience) -> httpx.Client:
    try:
        import httpx
        import stamina  # noqa: F401  # asked for here, so that both are there or neither is used
    except ImportError as error:
        raise ExtraMissing("remote", needed_for="an encoder behind a URL") from error
    logging.getLogger("stamina").addHandler(_SILENT)  # else each retry is a line of jargon on stderr
    return httpx.Client(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx.Timeout(patience.answer, connect=min(patience.answer, 15.0)),
        limits=httpx.Limits(max_connections=patience.parallel),
        follow_redirects=False,
        verify=_trust(),
    )


@cache
def _trust() -> ssl.SSLContext:
    """The authorities that are trusted, read once a process: reading them takes longer than most answers."""
    import httpx

    return httpx.create_ssl_context()
