"""Encoders: how ENC, the operator's word for a model, becomes something that encodes.

ENC is ``builtin:minilm``, a model directory (sentence-transformers layout, our ONNX export of one, an adapter directory), a
hub name, or the URL of an OpenAI-compatible endpoint with its model (``https://host/v1#model``).
"""

from __future__ import annotations

from ..ports import Encoder
from ..space import Space
from .adapted import load_adapted
from .adapter_directory import is_adapter, read_adapter
from .derivation import Derivation, derivation_of
from .model_directory import space_of_directory
from .onnx import is_export, load_onnx, space_of_export
from .places import directory_of, is_remote
from .remote import load_remote, space_of_remote
from .space_file import write_space

__all__ = ["Derivation", "derivation_of", "directory_of", "is_remote", "load", "space_of", "write_space"]


def load(enc: str) -> Encoder:
    """The encoder that ENC names, loaded and ready. Keep it: loading takes seconds, and nothing here remembers it.

    UnknownName when there is no such model, Unfit when its directory is damaged, ExtraMissing when a model that runs on
    torch is wanted without torch, EncoderFailed when it cannot be loaded or reached, BadValue for a URL that is none.
    """
    if is_remote(enc):
        return load_remote(enc)
    directory = directory_of(enc)
    if is_adapter(directory):
        return load_adapted(directory, name=enc, load=load)
    if is_export(directory):
        return load_onnx(directory, name=enc)
    from .torch import load_torch

    return load_torch(directory, name=enc)


def space_of(enc: str) -> Space:
    """The Space of everything that ``load(enc)`` will encode, read from the files without loading the model.

    Of an endpoint, whose files nobody sees, one vector is asked for, unless its URL states the dimensions.
    """
    if is_remote(enc):
        return space_of_remote(enc)
    directory = directory_of(enc)
    if is_adapter(directory):
        return read_adapter(directory).space
    return space_of_export(directory) if is_export(directory) else space_of_directory(directory)
