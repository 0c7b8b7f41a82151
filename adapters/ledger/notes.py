"""The small things a ledger remembers: places of fills, doubts, marks of comparison, and who was last seen alive."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from transvase.core.figures import Place
from transvase.core.record import Key

from . import statements
from .figures import Doubt, Fact, Mark
from .keys import key, placed, timed, unplaced
from .pages import Pages

_OWNER: Final = "owner"
"""The fact by which a doubt says whose it is; told as ``owned``."""


class Notes(ABC):
    """The part of ``Ledger`` that knows nothing of entries."""

    @abstractmethod
    def at(self) -> Pages:
        """The pages to write on."""

    @abstractmethod
    def sign(self) -> str:
        """A living sign of this process, by which others see when it has died."""

    def forget(self, alias: str, index: str) -> None:
        """Everything about an index that is gone."""
        with self.at().write("forgetting an index") as run:
            for statement in statements.FORGET:
                run(statement, {"alias": alias, "site": index})

    def place(self, index: str) -> Place:
        """How far the fill of the index has come."""
        with self.at().read("reading a place") as run:
            rows = run(statements.PLACE, {"site": index})
        return Place(unplaced(rows[0][0]), bool(rows[0][1]), int(rows[0][2])) if rows else Place()

    def advance(self, index: str, place: Place) -> None:
        """Keep a place; one that is lost with the machine is filled again."""
        values = {"site": index, "after": placed(place.after), "finished": int(place.finished), "done": place.done}
        with self.at().write("keeping a place", durable=False) as run:
            run(statements.ADVANCE, values)

    def doubt(self, alias: str, why: str, *, facts: Mapping[str, Fact] | None = None, own: bool = False) -> int:
        """Note a doubt; its number."""
        said = {**(facts or {}), **({_OWNER: self.sign()} if own else {})}
        values = {"alias": alias, "why": why, "facts": json.dumps(said)}
        with self.at().write("noting a doubt") as run:
            return int(run(statements.DOUBT, values)[0][0])

    def doubts(self, alias: str) -> list[Doubt]:
        """Doubts, oldest first."""
        with self.at().read("reading doubts") as run:
            rows = run(statements.DOUBTS, {"alias": alias})
        said = [(int(number), float(at), str(why), json.loads(facts)) for number, at, why, facts in rows]
        owners = {facts[_OWNER] for *_, facts in said if _OWNER in facts}
        alive = self.at().living(owners) if owners else set()
        return [Doubt(number, at, why, facts, owned=facts.pop(_OWNER, None) in alive) for number, at, why, facts in said]

    def clear(self, alias: str, doubt: int) -> bool:
        """End a doubt."""
        with self.at().write("clearing a doubt") as run:
            return bool(run(statements.CLEAR, {"alias": alias, "id": doubt}))

    def mark(self, alias: str, index: str, mark: Mark) -> None:
        """Keep a mark; one that is lost is measured again."""
        with self.at().write("keeping a mark", durable=False) as run:
            run(statements.MARK, {"alias": alias, "site": index, "body": json.dumps(asdict(mark))})

    def marked(self, alias: str, index: str) -> Mark:
        """The mark of an index."""
        with self.at().read("reading a mark") as run:
            rows = run(statements.MARKED, {"alias": alias, "site": index})
        return Mark(**json.loads(rows[0][0])) if rows else Mark()

    def paid(self, alias: str, index: str, times: Mapping[Key, int]) -> None:
        """Note how a payment left these keys."""
        if times:
            with self.at().write("noting what was paid", durable=False) as run:
                run(statements.PAID, {"alias": alias, "site": index, "times": timed(times)})

    def as_paid(self, alias: str, index: str, times: Mapping[Key, int]) -> set[Key]:
        """Those that nobody has written since."""
        with self.at().read("reading what was paid") as run:
            return {key(*row) for row in run(statements.AS_PAID, {"alias": alias, "site": index, "times": timed(times)})}

    def paid_long_ago(self, alias: str, *, before: int) -> None:
        """Throw away what is older."""
        with self.at().write("throwing away what was paid long ago", durable=False) as run:
            run(statements.PAID_LONG_AGO, {"alias": alias, "before": before})

    def beat(self, alias: str, *, who: str = "worker") -> None:
        """Say that ``who`` is alive."""
        with self.at().write("noting a sign of life", durable=False) as run:
            run(statements.BEAT, {"alias": alias, "who": who})

    def quiet_s(self, alias: str, *, who: str = "worker") -> float | None:
        """Seconds since the last beat; never less than 0, whatever a clock did."""
        with self.at().read("looking for a sign of life") as run:
            rows = run(statements.QUIET, {"alias": alias, "who": who})
        return max(0.0, float(rows[0][0])) if rows else None
