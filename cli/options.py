"""Arguments and options that several commands share, so that the same word means the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from transvase.core.errors import BadValue

from .wiring import enc_as_kept

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd]?)")

F = TypeVar("F", bound=Callable[..., Any])


def alias_argument(function: F) -> F:
    """``ALIAS``."""
    return click.argument("alias")(function)


def json_option(function: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Write one JSON object to stdout.")(function)


def to_option(*, required: bool) -> Callable[[F], F]:
    """``--to ENC``."""

    def add(function: F) -> F:
        text = "Encoder of the new space: a model directory, a hub name or builtin:minilm."
        return click.option("--to", required=required, metavar="ENC", callback=_kept, help=text)(function)

    return add


def derive_option(function: F) -> F:
    """``--derive``."""
    text = "Compute the new vectors from the stored old ones: for a linear adapter or a cut, without encoding."
    return click.option("--derive", is_flag=True, help=text)(function)


def allow_owed_option(function: F) -> F:
    """``--allow-owed N``."""
    text = "Switch although up to N rows are still owed; kept in the audit log."
    return click.option("--allow-owed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help=text)(function)


def wait_option(function: F) -> F:
    """``--wait SECONDS``."""
    text = "How long to go on paying while writers keep rows owed."
    return click.option(
        "--wait", "wait_s", type=click.FloatRange(0), default=30.0, show_default=True, metavar="SECONDS", help=text
    )(function)


def quiet_option(function: F) -> F:
    """``--quiet DURATION``."""
    text = (
        "Refuse unless nobody is known to have read the old side for so long: 90s, 15m, 2h, 1d. Without it, refuse where a read "
        "is known that came after the cutover and less than a minute ago; 0 asks for no quiet."
    )
    return click.option("--quiet", "quiet_s", default=None, metavar="DURATION", callback=_seconds, help=text)(function)


def sample_option(default: int) -> Callable[[F], F]:
    """``--sample N``."""

    def add(function: F) -> F:
        text = "Rows to encode again and compare."
        return click.option("--sample", type=click.IntRange(1), default=default, show_default=True, metavar="N", help=text)(
            function
        )

    return add


def seconds(text: str, *, named: str) -> float:
    """``90s``, ``15m``, ``2h``, ``1d`` or a plain number of seconds; BadValue for anything else."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise BadValue(named, text, why="say how long with a number and a unit: 90s, 15m, 2h or 1d")
    return float(found[1]) * _UNITS[found[2]]


def _seconds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    return None if value is None else seconds(value, named="--quiet")


def _kept(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    return None if value is None else enc_as_kept(value)
