"""``transvase``: finds the command that was named, and turns every error into one sentence and an exit status."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from typing import Final

import click
from transvase.core.errors import DONE, TransvaseError

COMMANDS: Final = (
    ("adopt", "audit", "plan", "migrate"),
    ("open", "fill", "prove", "cutover", "rollback", "retire", "abort"),
    ("status", "pause", "resume", "history", "sync", "search"),
    ("pairs", "assess", "train", "evaluate", "export", "demo"),
)
"""Every command, in the order in which they are shown. Each is a module of this package with an object ``command``."""

_INTERRUPTED: Final = 130
_BROKEN: Final = 3


class Verbs(click.Group):
    """The commands that are installed, each imported only when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of ``COMMANDS``; a module that is not there is a command that is not there."""
        del ctx
        return [name for group in COMMANDS for name in group if find_spec(f"{__package__}.{name}") is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of the command."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = getattr(importlib.import_module(f"{__package__}.{cmd_name}"), "command", None)
        return command if isinstance(command, click.Command) else None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--store",
    metavar="URL",
    envvar="TRANSVASE_STORE",
    help="postgresql://…, embedded:PATH, weaviate://HOST:PORT or memory: [TRANSVASE_STORE]",
)
@click.version_option(version("transvase"), prog_name="transvase")
@click.pass_context
def cli(context: click.Context, store: str | None) -> None:
    """Pour a live vector index from one vector space into another, without the two ever mixing."""
    context.obj = store


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit status: 0 done, 1 refused, 2 misuse, 3 the world failed, 130 interrupted (SIGTERM counts)."""
    with _asked_to_end():
        try:
            status = cli.main(arguments, prog_name="transvase", standalone_mode=False)
        except click.Abort:
            return _told("interrupted; what was done stays done, and the same command goes on from there", _INTERRUPTED)
        except click.ClickException as error:
            error.show()
            return error.exit_code
        except BrokenPipeError:
            _let_go_of_stdout()
            return DONE
        except TransvaseError as error:
            return _told(str(error), error.status)
        except Exception as error:  # a defect of ours must end in a sentence and a status too
            return _told(f"unexpected {type(error).__name__}: {error} (TRANSVASE_DEBUG=1 shows where)", _BROKEN)
        return status if isinstance(status, int) else DONE


@contextmanager
def _asked_to_end() -> Iterator[None]:
    """Let a polite request to end count as an interruption from the keyboard, while the body runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _told(sentence: str, status: int) -> int:
    if os.environ.get("TRANSVASE_DEBUG"):
        traceback.print_exc()
    click.echo(f"transvase: {sentence}", err=True)
    return status


def _let_go_of_stdout() -> None:
    """Nobody reads any more: keep the interpreter from complaining when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
