"""Arguments and options that several commands share, so that the same word means the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .wiring import enc_as_kept

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


def sample_option(default: int) -> Callable[[F], F]:
    """``--sample N``."""

    def add(function: F) -> F:
        text = "Rows to encode again and compare."
        return click.option("--sample", type=click.IntRange(1), default=default, show_default=True, metavar="N", help=text)(
            function
        )

    return add


def _kept(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    return None if value is None else enc_as_kept(value)
