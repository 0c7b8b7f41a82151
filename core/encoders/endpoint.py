"""Reads ENC where it is the URL of an OpenAI-compatible endpoint: what is asked of it, and the Space that follows.

``https://host/v1#model``; before the ``#`` settings may stand: ``?dimensions=512&max_length=2000&query_prompt=query:%20``.
The weights behind an endpoint cannot be seen. Its Space is therefore made of names: the address, the model's name, the
settings and the dimension. A provider who changes the model under its name is not seen by the id but by looking at
vectors: ``adopt``, ``audit`` and ``prove`` re-encode a sample, and an adapter over an endpoint asks for its probe texts anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from ..endpoints import KEY
from ..errors import BadValue
from ..space import Role, Space
from .fingerprint import digest

CHARACTERS: Final = 4
"""Characters that are counted as one token: the usual rule for English, the only measure where no tokenizer is seen."""
_LENGTH: Final = 8191
"""Tokens that most embedding endpoints take of one text."""
_BATCH: Final = 32
"""Texts in one request: what the strictest of the usual servers take by default."""
_PATH: Final = "/embeddings"
_NUMBERS: Final = ("dimensions", "max_length", "batch")
_PROMPTS: Final = ("query_prompt", "document_prompt")
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """What ENC says of an endpoint."""

    url: str
    """The base address, without settings, model or final slash."""
    model: str
    dimensions: int | None
    """Asked for in every request, for models that can be cut; None: as the model gives them."""
    max_length: int
    batch: int
    query_prompt: str
    document_prompt: str

    def text(self, text: str, role: Role) -> str:
        """What is sent for a text: the prompt, the text, cut; one space for nothing at all, which endpoints refuse."""
        prompt = self.query_prompt if role is Role.QUERY else self.document_prompt
        return (prompt + text)[: self.max_length * CHARACTERS] or " "

    def tokens(self, text: str) -> int:
        """An estimate: nobody here sees the model's tokenizer."""
        return -(-len(text) // CHARACTERS)

    def space(self, dimension: int) -> Space:
        """The Space of vectors so wide; they are always scaled to unit length here."""
        return Space(
            weights=digest(["endpoint", self.url, self.model]),
            tokenizer=digest(["characters", CHARACTERS]),
            modules=digest(["endpoint", self.dimensions]),
            pooling="endpoint",
            query_prompt=self.query_prompt,
            document_prompt=self.document_prompt,
            normalised=True,
            max_length=self.max_length,
            dimension=dimension,
        )


def endpoint_of(enc: str) -> Endpoint:
    """ENC taken apart; BadValue for what is no such URL, for an unknown setting, or where a secret stands in it."""
    parts = _parts(enc)
    settings = _settings(parts)
    numbers = {name: _number(name, settings.get(name), parts) for name in _NUMBERS}
    return Endpoint(
        url=_address(parts),
        model=unquote(parts.fragment),
        dimensions=numbers["dimensions"],
        max_length=numbers["max_length"] or _LENGTH,
        batch=numbers["batch"] or _BATCH,
        query_prompt=settings.get("query_prompt", ""),
        document_prompt=settings.get("document_prompt", ""),
    )


def _parts(enc: str) -> SplitResult:
    try:
        parts = urlsplit(enc.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadValue("encoder", enc.partition("?")[0].rpartition("@")[2], why=f"this is no URL ({error})") from error
    if "@" in parts.netloc:
        why = "keep credentials out of the URL; put the key into the environment variable TRANSVASE_API_KEY"
        raise BadValue("encoder", f"{parts.scheme}://{host}", why=why)
    if not host or port == 0:
        raise BadValue("encoder", enc, why="a host is missing; such as https://host/v1#model")
    if not parts.fragment:
        raise BadValue(
            "encoder", _address(parts), why="the model's name is missing; add it behind a #, such as https://host/v1#model"
        )
    return parts


def _settings(parts: SplitResult) -> dict[str, str]:
    """The settings by name. Their values are not repeated in messages, for one may be a key that somebody put there."""
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True, encoding="utf-8") if parts.query else []
    except ValueError as error:
        raise BadValue("encoder", _address(parts), why="behind the ? only NAME=VALUE joined by & is understood") from error
    names = [name for name, _ in pairs]
    strange = sorted({name for name in names if name not in (*_NUMBERS, *_PROMPTS)})
    if strange or len(set(names)) != len(names):
        known = ", ".join((*_NUMBERS, *_PROMPTS))
        told = f"{', '.join(strange)} is not known" if strange else "a setting is given twice"
        why = f"{told}; its settings are {known}, and a key belongs into {KEY}"
        raise BadValue("encoder", _address(parts), why=why)
    return dict(pairs)


def _number(name: str, value: str | None, parts: SplitResult) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit()) or not 0 < int(value[:8]) <= 1_000_000:
        raise BadValue("encoder", _address(parts), why=f"{name} must be a whole number from 1 to 1000000")
    return int(value)


def _address(parts: SplitResult) -> str:
    """The same for each way of writing it: host and scheme small, usual port and final slash gone."""
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = f":{parts.port}" if parts.port and parts.port != _PORTS.get(parts.scheme) else ""
    path = parts.path.rstrip("/").removesuffix(_PATH)
    return urlunsplit((parts.scheme, host + port, path, "", ""))
