"""``space.json``: the record of a model's Space that lies beside the model, with digests of the files it vouches for."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ..errors import BadValue
from ..space import Space
from .json_file import damaged, read_object

NAME: Final = "space.json"
_ALONE: Final = "alone"


def write_space(directory: Path, space: Space, *, files: Sequence[str] = (), alone: bool = False) -> Path:
    """Write ``space.json`` into ``directory``: the facts, the id, and SHA-256 digests of ``files`` there; all or nothing.

    ``alone`` says that the model must be given one text at a time.
    """
    path = directory / NAME
    content = (
        space.as_json()
        | {"files": {name: digest_of_file(directory / name) for name in files}}
        | ({_ALONE: True} if alone else {})
    )
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(partial, path)  # noqa: PTH105  # the atomic one on every platform
    return path


def read_space(directory: Path, *, files: Sequence[str] = ()) -> Space:
    """The recorded Space, every file it vouches for found as recorded, ``files`` among them; Unfit otherwise."""
    path = directory / NAME
    facts = read_object(path)
    vouched = facts.pop("files", {})
    facts.pop(_ALONE, None)
    if not isinstance(vouched, dict) or not vouched.keys() >= set(files):
        raise damaged(path, f"it does not vouch for {', '.join(files) or 'any file'}")
    try:
        space = Space.from_json(facts)
    except BadValue as error:
        raise damaged(path, str(error)) from error
    for name, recorded in vouched.items():
        if digest_of_file(directory / Path(name).name) != recorded:
            raise damaged(directory / name, f"its content is not the one that {NAME} recorded")
    return space


def runs_alone(directory: Path) -> bool:
    """True where the model must be given one text at a time, since its vector of a text depends on the others in the batch.

    8-bit graphs scale their activations over the whole batch: one text in two batches was measured to give vectors with a
    cosine of 0.96, which are not of one Space.
    """
    return bool(read_object(directory / NAME).get(_ALONE, False))


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal; Unfit when it is missing or cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise damaged(path, "the file is missing") from error
    except OSError as error:
        raise damaged(path, f"the file cannot be read ({error.strerror or error})") from error
