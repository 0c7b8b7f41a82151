"""``transvase pairs``: which kinds of signal there are, each imported only when it is named."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Final

import click

KINDS: Final = ("from-qa", "from-judgments", "from-clicks", "synthesize", "leaks")
"""Every kind, in the order in which they are shown. Each is a module of this package with an object ``command``."""


class Kinds(click.Group):
    """The kinds that are installed; ``from-qa`` stands in ``from_qa.py``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of ``KINDS``; a module that is not there is a command that is not there."""
        del ctx
        return [name for name in KINDS if find_spec(f"{__package__}.{_module(name)}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of the command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = getattr(importlib.import_module(f"{__package__}.{_module(cmd_name)}"), "command", None)
        return command if isinstance(command, click.Command) else None


def _module(name: str) -> str:
    return name.replace("-", "_")


@click.group(name="pairs", cls=Kinds)
def command() -> None:
    """Make a judged collection (the BEIR layout) of the signal you have, cleaned and split without leaks."""
