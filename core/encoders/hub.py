"""Finds a model that was named and not given as a directory: in the local cache of the model hub, else on the hub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from ..errors import BadValue, ExtraMissing, UnknownName

_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_NEEDED: Final = ("*.json", "*.safetensors", "*.txt", "*.model")
_NOT_NEEDED: Final = ("onnx/*", "openvino/*", "coreml/*")


def hub_directory(name: str) -> Path:
    """The directory of a model of the hub, from the local cache where it is there.

    BadValue for a URL, UnknownName when there is no such model or the hub is out of reach, ExtraMissing without the library.
    """
    if "://" in name:
        why = "of URLs only http:// and https:// are understood; or give a model directory or a hub name"
        raise BadValue("encoder", name, why=why)
    if not _NAME.fullmatch(name):
        raise UnknownName("model", name, hint="no such directory")
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise ExtraMissing("train", needed_for=f"{name!r} is no directory; a model of the hub") from error
    problem: Exception | None = None
    for local in (True, False):
        try:
            found = snapshot_download(name, local_files_only=local, allow_patterns=[*_NEEDED], ignore_patterns=[*_NOT_NEEDED])
        except Exception as error:  # the hub, the network and the cache each have a family of their own
            problem = error
        else:
            return Path(found)
    reason = str(problem).strip().partition("\n")[0]
    raise UnknownName(
        "model", name, hint=f"no such directory, and no such model in the local cache or on the hub ({reason})"
    ) from problem
