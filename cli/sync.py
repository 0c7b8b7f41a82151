"""``transvase sync``."""

from __future__ import annotations

import threading
from typing import Final

import click
from transvase.migrations.beginning import Beginning
from transvase.migrations.sync import Worker

from .options import alias_argument, json_option
from .output import emit
from .progress import Lines
from .wiring import encoders, opened

_ONCE_S: Final = 3600.0
"""Longest run of ``--once``: writers that never pause must not keep it for ever."""


@click.command()
@alias_argument
@click.option("--once", is_flag=True, help="Pay what is owed now, and end.")
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, once: bool, as_json: bool) -> None:
    """Pay the outbox of ALIAS, for the live index and the one kept beside it, until interrupted."""
    beginning = Beginning(Lines())
    with opened(url, beginning=beginning) as store:
        beginning.through(lambda: store.alias(alias))
        worker = Worker(store, alias, encoders(), report=lambda sentence: click.echo(f"transvase: {sentence}", err=True))
        if once:
            beginning.through(store.outbox(alias).beat)
            worker.pay_up(deadline_s=_ONCE_S)
        else:
            _serve(worker)
        owed = store.outbox(alias).owed()
    poisoned = [[str(part) for part in key] for key in worker.poisoned]
    emit({"alias": alias, "paid": worker.paid, "owed": owed, "not_encodable": poisoned}, as_json)


def _serve(worker: Worker) -> None:
    """Serve in a thread, so that an interruption is heard at once and the batch in hand is still paid."""
    stop = threading.Event()
    thread = threading.Thread(target=worker.serve, args=(stop,), name="sync")
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        stop.set()
        thread.join()
