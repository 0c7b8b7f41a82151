"""Encoders: how ENC, the operator's word for a model, becomes something that encodes.

ENC is ``builtin:minilm``, a model directory (sentence-transformers layout, or our ONNX export of one) or a hub name.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import BadValue, UnknownName
from ..ports import Encoder
from ..space import UNKNOWN, Space
from .builtin import PREFIX, builtin_directory
from .hub import hub_directory
from .model_directory import space_of_directory
from .onnx import is_export, load_onnx, space_of_export
from .space_file import write_space

__all__ = ["directory_of", "load", "space_of", "write_space"]


def load(enc: str) -> Encoder:
    """The encoder that ENC names, loaded and ready. Keep it: loading takes seconds, and nothing here remembers it.

    UnknownName when there is no such model, Unfit when its directory is damaged, ExtraMissing when a model that runs on
    torch is wanted without torch, EncoderFailed when it cannot be loaded, BadValue for a URL.
    """
    directory = directory_of(enc)
    if is_export(directory):
        return load_onnx(directory, name=enc)
    from .torch import load_torch

    return load_torch(directory, name=enc)


def space_of(enc: str) -> Space:
    """The Space of everything that ``load(enc)`` will encode, read from the files without loading the model."""
    directory = directory_of(enc)
    return space_of_export(directory) if is_export(directory) else space_of_directory(directory)


def directory_of(enc: str) -> Path:
    """Where the model lies. UnknownName when there is none, BadValue for a URL, ExtraMissing without its package."""
    if not enc or enc == UNKNOWN or "\0" in enc:
        raise BadValue("encoder", enc, why="a model directory, builtin:minilm or a hub name is needed")
    if enc.startswith(PREFIX):
        return builtin_directory(enc)
    path = Path(enc).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise UnknownName("model", enc, hint="this is a file; a model is a directory")
    return hub_directory(enc)
