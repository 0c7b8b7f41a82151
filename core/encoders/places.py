"""Where the model lies that the operator's word (ENC) names: with a package, in a directory, on the hub, behind a URL."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadValue, UnknownName
from ..space import UNKNOWN
from .builtin import PREFIX, builtin_directory
from .hub import hub_directory


def is_remote(enc: str) -> bool:
    """True when ENC names an endpoint, be the URL whole or not."""
    return enc.lower().startswith(("http://", "https://"))


def directory_of(enc: str) -> Path:
    """Where the model lies. UnknownName when there is none, BadValue for a URL, ExtraMissing without its package."""
    if not enc or enc == UNKNOWN or "\0" in enc:
        raise BadValue("encoder", enc, why="a model directory, builtin:minilm, a hub name or the URL of an endpoint is needed")
    if enc.startswith(PREFIX):
        return builtin_directory(enc)
    path = Path(enc).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise UnknownName("model", enc, hint="this is a file; a model is a directory")
    return hub_directory(enc)
