"""Weaviate as a Store: each verb of the port handed to the file that knows it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from weakref import WeakSet

from transvase.adapters.ledger import Ledger
from transvase.adapters.weaviate.collections import outlook as prospects
from transvase.adapters.weaviate.collections.control import Control
from transvase.adapters.weaviate.collections.inspect import FORM, inspected
from transvase.adapters.weaviate.collections.modules import made
from transvase.adapters.weaviate.collections.names import physical
from transvase.adapters.weaviate.collections.schema import WIDEST, schema_of
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.wakings import put_back
from transvase.adapters.weaviate.ports.corpus import WeaviateCorpus
from transvase.adapters.weaviate.ports.index import WeaviateIndex
from transvase.adapters.weaviate.ports.outbox import WeaviateOutbox
from transvase.adapters.weaviate.switching import aliases, lifecycle, likeness, pointing, retiring
from transvase.adapters.weaviate.switching import witness as witnesses
from transvase.adapters.weaviate.switching.aliases import Known, Realm
from transvase.adapters.weaviate.switching.pinning import Pins
from transvase.adapters.weaviate.switching.watch import Watch
from transvase.adapters.weaviate.wire import pressure as pressures
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.core.errors import Superseded, TransvaseError
from transvase.core.ports import Alias, Declaration, Journal, Likeness, Outlook, Preview, Proposal, Switch


class WeaviateStore:
    """Fits the port ``Store``. Safe to use from several threads.

    A store that only serves readers never opens its ledger: that lies where the operator is.
    """

    def __init__(self, connection: Connection, ledger: Ledger | Callable[[], Ledger], control: Control | None = None) -> None:
        self.connection = connection
        self.control = Control(connection) if control is None else control
        self.ledger: Ledger = _unopened(ledger) if callable(ledger) else ledger
        self._realm = Realm(connection, self.control, self.ledger)
        self._watch, self._pins = Watch(connection, self.control), Pins(connection)
        self._switching = threading.Lock()
        self._given: WeakSet[WeaviateIndex] = WeakSet()

    @property
    def journal(self) -> Journal:
        """The journal is part of the ledger."""
        return self.ledger.journal

    @contextmanager
    def hold(self, alias: str) -> Iterator[None]:
        """The operator's lock of one alias, in the ledger."""
        with self.ledger.hold(alias):
            self._watch.forget(alias)
            self._realm.sleepers.swept.clear()
            with suppress(TransvaseError):  # the verb itself meets it, and says it
                put_back(self.connection, self.ledger, alias)
                self._pins.again(self._watch.fresh(alias))
            try:
                yield
            finally:  # however a fill ended
                for one in tuple(self._given):
                    one.let_go(alias)

    def aliases(self) -> list[str]:
        """All aliases of the server that are ours."""
        return self.control.aliases()

    def alias(self, name: str) -> Alias:
        """One alias as it is now; Unfit with another ledger than its own, which is asked of whoever does more than search."""
        return aliases.kept(self.ledger, self._watch.known(name)).alias

    def serving(self, alias: str) -> tuple[Alias, WeaviateIndex]:
        """The alias and its live index as the watch knows them, so that no search waits for the leader."""
        seen = self._watch.glance(alias)
        return seen, WeaviateIndex(self._watched(alias), seen.live)

    def inspect(self, proposal: Proposal) -> Declaration:
        """Everything that can stand against an adoption."""
        return inspected(self.connection, lifecycle.completed(self._realm, proposal))

    def preview(self, proposal: Proposal, declaration: Declaration) -> Preview:
        """The objects and vectors of a collection that is not adopted yet."""
        source = lifecycle.completed(self._realm, proposal).source
        alias = Alias(name=proposal.alias, source=source, live=declaration, shadow=None, generation=0)
        setting = Setting(
            connection=self.connection, ledger=self.ledger, alias=proposal.alias, look=lambda: alias, clock=self.control.now_ms
        )
        return Preview(WeaviateCorpus(setting), WeaviateIndex(setting, declaration), made(self.connection, source))

    def adopt(self, proposal: Proposal, declaration: Declaration) -> None:
        """Make the server's alias and write down what was inspected."""
        lifecycle.adopt(self._realm, lifecycle.completed(self._realm, proposal), declaration)
        self._watch.forget(proposal.alias)

    def widest(self, form: str) -> int | None:
        """What the server takes, whatever the form."""
        return WIDEST if form == FORM else None

    def form_for(self, live: str, dimension: int) -> str:  # noqa: ARG002 - the port's; there is one form here
        """The only form there is."""
        return FORM

    def physical(self, stem: str) -> str:
        """A collection's name."""
        return physical(stem)

    def outlook(self, alias: str, target: Declaration) -> Outlook:
        """Sizes, warnings, refusals."""
        return prospects.outlook(self.connection, self._watch.fresh(alias), target)

    def create(self, alias: str, target: Declaration) -> None:
        """A new collection, and capture."""
        with self._changing(alias):
            lifecycle.create(self._realm, alias, target)

    def captures(self, alias: str) -> bool:
        """Whether Mirror is asked to write both sides; what escapes it is said by ``blind``."""
        aliases.known(self._realm, alias)
        return self.ledger.capture(alias).on

    def blind(self, alias: str) -> str | None:
        """Nothing here stands between a writer and the server: writes that do not go through Mirror are found later."""
        return prospects.blind_spots(schema_of(self.connection, self._watch.fresh(alias).live.site))

    def there(self, index: str) -> bool:
        """Whether the index exists."""
        return lifecycle.there(self._realm, index)

    def built(self, index: str) -> bool:
        """Whether it has taken up all that a fill gave it; the server keeps an index over what it takes from then on."""
        return self.there(index) and self.control.built(index)

    def liken(self, alias: str, index: str) -> Likeness:
        """Properties and tenants are brought along, and settings compared."""
        return likeness.liken(self.setting(alias), self.index(alias, index).declaration)

    def point(self, alias: str, index: str, *, expect: int, allow_owed: int) -> Switch:
        """The cutover."""
        with self._changing(alias):
            return pointing.point(self._realm, alias, index, expect=expect, allow_owed=allow_owed, settings=self._setting_of)

    def behind(self, alias: str) -> tuple[str, ...]:
        """Nodes that do not serve the live side yet."""
        with self._changing(alias):
            return pointing.behind(self._realm, alias, settings=self._setting_of)

    def discard(self, alias: str, index: str) -> None:
        """Remove a target that never went live."""
        with self._changing(alias):
            lifecycle.discard(self._realm, alias, index)

    def retire(self, alias: str, index: str, *, drop: bool, take_name: bool = False) -> str:
        """End the side that was live before; with ``take_name`` its name becomes one more alias of the live side."""
        with self._changing(alias):
            return retiring.retire(self._realm, alias, index, drop=drop, take_name=take_name)

    def let_go(self, alias: str, *, ledger_lost: bool = False) -> None:
        """Forget an alias that was adopted wrongly, or whose ledger is lost. Nothing of the application's is touched."""
        with self._changing(alias):
            lifecycle.let_go(self._realm, alias, ledger_lost=ledger_lost)

    def witness(self, alias: str, index: str) -> str:
        """What a verdict is bound to."""
        return witnesses.witness(self._realm, alias, index)

    def corpus(self, alias: str) -> WeaviateCorpus:
        """The objects of the live side."""
        return WeaviateCorpus(self.setting(alias))

    def index(self, alias: str, index: str) -> WeaviateIndex:
        """The live side or the shadow."""
        seen = self._watch.fresh(alias)
        declared = next((side for side in (seen.live, seen.shadow) if side is not None and side.name == index), None)
        if declared is None or not self.there(index):
            raise Superseded(index)
        made = WeaviateIndex(self.setting(alias), declared)
        self._given.add(made)
        return made

    def outbox(self, alias: str) -> WeaviateOutbox:
        """The alias' debts."""
        aliases.known(self._realm, alias)
        return WeaviateOutbox(self.setting(alias), upkeep=lambda: self._pins.again(self._watch.recent(alias)))

    def pressure(self, alias: str) -> str | None:
        """Why to wait now."""
        return pressures.pressure(self.connection, self._watch.fresh(alias).live.site)

    def setting(self, alias: str) -> Setting:
        """What the ports of one alias stand on. UnknownName without the alias, Unfit with another ledger than its own."""
        aliases.kept(self.ledger, self._watch.known(alias))
        return self._watched(alias)

    def close(self) -> None:
        """Let go of every connection and of the ledger."""
        self._watch.close()
        self.ledger.close()
        self.connection.close()

    def _watched(self, alias: str) -> Setting:
        look = self._watch.recent
        return Setting(
            connection=self.connection,
            ledger=self.ledger,
            alias=alias,
            look=lambda: look(alias),
            clock=self.control.now_ms,
            watch=self._watch,
        )

    def _setting_of(self, seen: Known) -> Setting:
        alias = seen.alias
        return Setting(
            connection=self.connection,
            ledger=self.ledger,
            alias=alias.name,
            look=lambda: alias,
            clock=self.control.now_ms,
        )

    @contextmanager
    def _changing(self, alias: str) -> Iterator[None]:
        """One step at a time, in this process by itself, and among processes by the operator's lock."""
        with self._switching:
            try:
                yield
            finally:
                self._watch.forget(alias)


class _Unopened:
    """A ledger that is opened when it is first used, and not at all where it never is."""

    def __init__(self, opening: Callable[[], Ledger]) -> None:
        self._opening, self._opened = opening, cast("Ledger | None", None)
        self._lock = threading.Lock()

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            if self._opened is None:
                self._opened = self._opening()
        return getattr(self._opened, name)


def _unopened(opening: Callable[[], Ledger]) -> Ledger:
    return cast("Ledger", _Unopened(opening))
