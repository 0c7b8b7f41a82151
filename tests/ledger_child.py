"""Processes that use a ledger and die: what the children of a fork server (``forking``) do with the ledger that an order names.

A *site* is a directory with one file for each key, written whole; two of them stand for the two collections of a store. For
each order a child does one thing and is killed by SIGKILL at the n-th step: before a statement, after a commit, before and
after a flush, before and after the write of an object.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from forking import Server, forked, killed_by, say
from transvase.adapters.ledger import Book, connect, flushing, postgres, sqlite
from transvase.core.record import Key

ALIAS: Final = "Docs"
LIVE, SHADOW = "Docs_1", "Docs_2"


def key(number: int) -> Key:
    return (UUID(int=number),)


@dataclass(frozen=True)
class Sites:
    """The two sides, on disk."""

    root: Path

    def put(self, site: str, of: Key, value: str) -> None:
        place = self.root / site / str(of[-1])
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{place.name}.{os.getpid()}.{threading.get_ident()}")
        part.write_text(value)
        part.replace(place)

    def get(self, site: str, of: Key) -> str | None:
        try:
            return (self.root / site / str(of[-1])).read_text()
        except FileNotFoundError:
            return None

    def differing(self, keys: Sequence[Key]) -> set[Key]:
        return {of for of in keys if self.get(LIVE, of) != self.get(SHADOW, of)}

    def pay(self, ledger: Book, *, grace_s: float = 0.0) -> int:
        """One round of a worker: copy what is owed, look again, settle what agrees."""
        debts = ledger.debts(ALIAS, limit=100, grace_s=grace_s)
        for debt in debts:
            value = self.get(LIVE, debt.key)
            if value is not None:
                self.put(SHADOW, debt.key, value)
        agreeing = [debt for debt in debts if not self.differing([debt.key])]
        return ledger.settle(ALIAS, [entry for debt in agreeing for entry in debt.entries])


def mirror(ledger: Book, sites: Sites, keys: Sequence[Key], value: str, *, tick: Any = lambda: None) -> set[Key]:
    """One write of an application: intent, live, shadow, look for overlaps, settle or leave; what overlapped."""
    entries = ledger.intend(ALIAS, keys, first=LIVE)
    try:
        for site in (LIVE, SHADOW) if ledger.capture(ALIAS).on else (LIVE,):
            for of in keys:
                tick()
                sites.put(site, of, value)
                tick()
    except BaseException:  # whatever was done: a payer looks at it
        ledger.leave(ALIAS, entries)
        raise
    crossed = ledger.overlapped(ALIAS, entries)
    ledger.settle(ALIAS, [entry for of, entry in zip(keys, entries, strict=True) if of not in crossed])
    if crossed:
        ledger.leave(ALIAS, [entry for of, entry in zip(keys, entries, strict=True) if of in crossed])
    return crossed


class Children(Server):
    """The fork server, as a context."""

    def __init__(self) -> None:
        super().__init__(str(Path(__file__).resolve()))

    def say(self, what: str, **facts: Any) -> dict[str, Any]:
        """Have a child do something; what it reported and how it ended."""
        self.order({"what": what, **facts})
        answer: dict[str, Any] = self.answer()
        return answer


def _counting(die_at: int) -> Any:
    """Make every step count, and one of them the last."""
    seen = [0]

    def tick() -> int:
        seen[0] += 1
        if seen[0] == die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return seen[0]

    for module, pages in ((sqlite, sqlite.SqlitePages), (postgres, postgres.PostgresPages)):
        runner, write = module.runner, pages.write

        def counted(connection: Any, *, runner: Any = runner) -> Any:
            run = runner(connection)
            return lambda *given: (tick(), run(*given))[1]

        @contextmanager
        def ticking(self: Any, doing: str, *, durable: bool = True, write: Any = write) -> Iterator[Any]:
            with write(self, doing, durable=durable) as run:
                yield run
            tick()

        module.runner, pages.write = counted, ticking
    flush = flushing._flush
    flushing._flush = lambda descriptor: (tick(), flush(descriptor), tick())[1]
    return tick


def _write(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Three writes of two keys each, one of them beside an entry of somebody else; the steps it took."""
    tick = _counting(facts["die_at"])
    ledger, sites = connect(facts["where"]), Sites(Path(facts["sites"]))
    for turn in range(3):
        mirror(ledger, sites, [key(1 + turn), key(2 + turn)], f"{facts['die_at']}-{turn}", tick=tick)
        if turn == 0:
            ledger.owe(ALIAS, [key(3)], only=SHADOW)
    return {"steps": tick()}


def _intend(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Leave an intent in flight, and die or wait to be killed."""
    return {"entries": connect(facts["where"]).intend(ALIAS, [key(n) for n in facts["keys"]], first=LIVE), "die": True}


def _hold(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Hold the alias, with a child that lives longer, and wait to be killed."""
    ledger = connect(facts["where"])
    holding = ledger.hold(ALIAS)
    holding.__enter__()
    if os.fork() == 0:
        for descriptor in (facts["report"], 0, 1):
            os.close(descriptor)
        time.sleep(facts["orphan_s"])
        os._exit(0)
    return {"holding": holding}


def _watch(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Begin to watch and die."""
    return {"watched": connect(facts["where"]).watch(ALIAS), "die": True}


def _fork(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Parent and child go on with a ledger that was open before the fork."""
    ledger = connect(facts["where"])
    mine = ledger.intend(ALIAS, [key(1)], first=LIVE)
    child = os.fork()
    if child == 0:
        theirs = ledger.intend(ALIAS, [key(2)], first=LIVE)
        os._exit(0 if ledger.settle(ALIAS, theirs) == 1 and ledger.flying(ALIAS) == 1 else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"child": status, "flying": ledger.flying(ALIAS), "settled": ledger.settle(ALIAS, mine), "owed": ledger.owed(ALIAS)}


def _heir(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Die, and leave a child that goes on with the ledger when it is told to by a file."""
    ledger, signs = connect(facts["where"]), Path(facts["signs"])
    ledger.intend(ALIAS, [key(1)], first=LIVE)
    if os.fork() == 0:
        for descriptor in (facts["report"], 0, 1):
            os.close(descriptor)
        ledger.owed(ALIAS)
        ledger.beat(ALIAS)
        (signs / "ready").touch()
        while not (signs / "go").exists():
            time.sleep(0.01)
        ledger.leave(ALIAS, ledger.intend(ALIAS, [key(2)], first=LIVE))
        (signs / "done").touch()
        os._exit(0)
    return {"die": True}


def _fail(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write as a user who may not, or with no room; what was said."""
    import resource

    ledger = None
    if facts.get("user"):
        os.setuid(facts["user"])
    else:
        ledger = connect(facts["where"])
        before = ledger.owed(ALIAS)
        room = Path(f"{facts['where']}-wal").stat().st_size + 8192
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        ledger = ledger or connect(facts["where"])
        ledger.intend(ALIAS, [key(n) for n in range(100, 1100)], first=LIVE)
    except Exception as error:
        said = {"error": type(error).__name__, "said": str(error)}
    else:
        return {"error": "", "said": ""}
    if ledger is not None:
        said["kept"] = ledger.owed(ALIAS) - before
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        said["afterwards"] = len(ledger.intend(ALIAS, [key(5)], first=LIVE))
    return said


WORK: Final = {"write": _write, "intend": _intend, "hold": _hold, "watch": _watch, "fork": _fork, "heir": _heir, "fail": _fail}


def _child(facts: Mapping[str, Any], report: int) -> None:
    try:
        said = WORK[facts["what"]]({**facts, "report": report})
        waits, dies = "holding" in said, said.pop("die", False)
        shown = {name: value for name, value in said.items() if name != "holding"}
        os.write(report, json.dumps({**shown, "pid": os.getpid()}).encode())
        if waits or facts.get("stay"):
            os.close(report)
            select.select([], [], [], 60)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
    except BaseException as error:  # whatever it is, the parent must hear of it
        os.write(report, json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode())


def _serve() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for line in sys.stdin:
        facts = json.loads(line)
        number, report = forked(_child, facts)
        said = json.loads(report or "{}")
        if not (facts.get("stay") or facts["what"] == "hold"):
            said["signal"] = killed_by(number)
        say(said)


if __name__ == "__main__":
    _serve()
