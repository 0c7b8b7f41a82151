"""Reads the JSON files of a model directory; knows how a damaged one looks and says so in one way."""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import Unfit

REMEDY = "the model directory is damaged: fetch or save it again"


def damaged(path: Path, why: str) -> Unfit:
    """The refusal for a file of a model directory that cannot be used."""
    return Unfit(f"{path}: {why}", remedy=REMEDY)


def read_bytes(path: Path) -> bytes:
    """The whole file; Unfit when it is missing, empty or cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise damaged(path, "the file is missing") from error
    except OSError as error:
        raise damaged(path, f"the file cannot be read ({error.strerror or error})") from error
    if not content:
        raise damaged(path, "the file is empty")
    return content


def read_json(path: Path) -> object:
    """What the file says; Unfit when it is not JSON in UTF-8 (NUL bytes are named, for they tell of a torn write)."""
    content = read_bytes(path)
    if b"\0" in content:
        raise damaged(path, f"a NUL byte stands at position {content.index(0)}, where only JSON belongs")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise damaged(path, f"not valid JSON ({error})") from error


def read_object(path: Path) -> dict[str, object]:
    """The JSON object in the file; Unfit when it holds anything else."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise damaged(path, f"a JSON object is needed, not {type(value).__name__}")
    return value


def read_object_if_there(path: Path) -> dict[str, object]:
    """The JSON object in the file, or an empty one where there is no such file."""
    return read_object(path) if path.exists() else {}
