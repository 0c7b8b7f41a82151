"""What a URL says of a Weaviate server: its hosts and ports, whether they speak TLS, and where the ledger lies. Never a key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from transvase.core.errors import BadValue

SCHEME: Final = "weaviate"
FORM: Final = "weaviate://HOST:PORT[,HOST:PORT…][?grpc=PORT[,PORT…]&tls=1&ca=FILE&journal=PATH&timeout=SECONDS]"
KEYS: Final = "a key is given in TRANSVASE_WEAVIATE_KEY, a token in TRANSVASE_WEAVIATE_TOKEN: URLs are logged, shown and kept"

_PLAIN: Final = (8080, 50051)
_SECURE: Final = (443, 443)
"""REST and gRPC ports where the URL names none: the server's own, and those of a TLS proxy before it."""

_LONGEST_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Host:
    """One node, or the balancer before several. gRPC may answer under a name of its own, as it does at hosted servers."""

    name: str
    rest: int
    grpc: int
    grpc_name: str = ""

    def __str__(self) -> str:
        return f"{_bracketed(self.name)}:{self.rest}"

    @property
    def target(self) -> str:
        """Where gRPC is, as a channel takes it."""
        return f"{_bracketed(self.grpc_name or self.name)}:{self.grpc}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server, as ``--store`` names it."""

    hosts: tuple[Host, ...]
    tls: bool = False
    authority: Path | None = None
    """Certificates to trust instead of the system's."""
    journal: str | None = field(default=None, repr=False)
    """Path or ``postgresql://`` URL of the ledger, which may hold a password; None: beside the operator."""
    timeout_s: float = 60.0
    """How long one request for data may take."""

    @classmethod
    def parse(cls, url: str) -> Address:
        """The address in ``url``, which has the form above. BadValue for anything else; no message repeats what may be secret."""
        scheme, colon, rest = url.partition("://")
        if scheme != SCHEME or not colon:
            raise BadValue("store", f"{scheme}:…", why=f"the form is {FORM}")
        try:
            parts = urlsplit(f"{SCHEME}://{rest}")
        except ValueError as error:
            raise BadValue("store", f"{SCHEME}://…", why=f"{error}; the form is {FORM}") from None
        if "@" in parts.netloc:
            raise BadValue("store", f"{SCHEME}://…@…", why=KEYS)
        if parts.path not in ("", "/") or parts.fragment or not parts.netloc:
            raise BadValue("store", f"{SCHEME}://{parts.netloc}…", why=f"the form is {FORM}")
        options = _options(parts.query)
        tls = _flag(options, "tls")
        return cls(
            hosts=_hosts(parts.netloc, options.get("grpc"), _SECURE if tls else _PLAIN),
            tls=tls,
            authority=_file(options, "ca", tls=tls),
            journal=options.get("journal"),
            timeout_s=_seconds(options),
        )

    @property
    def shown(self) -> str:
        """What it is called in messages."""
        return f"{SCHEME}://{','.join(str(host) for host in self.hosts)}"


def _options(query: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise BadValue(
            "store", f"{SCHEME}://…?…", why=f"what follows the question mark is not NAME=VALUE; the form is {FORM}"
        ) from None
    options = dict(pairs)
    unknown = sorted(options.keys() - {"grpc", "tls", "ca", "journal", "timeout"})
    if unknown:
        secret = any(word in name.lower() for name in unknown for word in ("key", "token", "secret", "pass", "auth"))
        raise BadValue("store option", ", ".join(unknown), why=KEYS if secret else f"the form is {FORM}")
    if len(pairs) > len(options):
        raise BadValue("store", f"{SCHEME}://…?…", why="an option is given twice")
    empty = [name for name, value in options.items() if not value.strip()]
    if empty:
        raise BadValue("store option", empty[0], why="it has no value; leave it out instead")
    return options


def _hosts(given: str, grpc: str | None, ports: tuple[int, int]) -> tuple[Host, ...]:
    names = [_split(part, ports[0]) for part in given.split(",")]
    others = [_split(part, ports[1], bare_port=True) for part in grpc.split(",")] if grpc else [("", ports[1])]
    if len(others) == 1:
        others *= len(names)
    if len(others) != len(names):
        raise BadValue("store option", f"grpc={grpc}", why=f"give one port, or one for each of the {len(names)} hosts")
    hosts = tuple(Host(name, port, other, grpc_name=at) for (name, port), (at, other) in zip(names, others, strict=True))
    if len({(host.name, host.rest) for host in hosts}) < len(hosts):
        raise BadValue("store", f"{SCHEME}://{given}", why="it names the same host twice")
    return hosts


def _split(part: str, port: int, *, bare_port: bool = False) -> tuple[str, int]:
    """A host and its port; IPv6 addresses stand in brackets. With ``bare_port`` a single number is a port."""
    part = part.strip()
    if bare_port and part.isdigit():
        return "", _port(part)
    if part.startswith("["):
        name, bracket, rest = part[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadValue("store host", part, why="an IPv6 address stands in brackets: [::1]:8080")
        return _name(name, part), _port(rest[1:]) if rest else port
    name, colon, number = part.partition(":")
    return _name(name, part), _port(number) if colon else port


def _name(name: str, part: str) -> str:
    if not name or any(character.isspace() or character in "/?#%" for character in name):
        raise BadValue("store host", part, why=f"that is not a host; the form is {FORM}")
    return name


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        raise BadValue("store port", text, why="a port is a number from 1 to 65535")
    return int(text)


def _flag(options: Mapping[str, str], name: str) -> bool:
    value = options.get(name, "0").lower()
    if value not in ("0", "1", "true", "false"):
        raise BadValue("store option", f"{name}={value}", why="it is 1 or 0")
    return value in ("1", "true")


def _file(options: Mapping[str, str], name: str, *, tls: bool) -> Path | None:
    if name not in options:
        return None
    path = Path(options[name])
    if not tls:
        raise BadValue("store option", f"{name}={path}", why="certificates are for TLS: add tls=1")
    if not path.is_file():
        raise BadValue("store option", f"{name}={path}", why="there is no such file")
    return path


def _seconds(options: Mapping[str, str]) -> float:
    text = options.get("timeout", "60")
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= _LONGEST_S:
        raise BadValue("store option", f"timeout={text}", why=f"it is a number of seconds up to {_LONGEST_S:.0f}")
    return value


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name else name
