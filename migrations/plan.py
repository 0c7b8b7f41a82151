"""``plan``: what a move to another space would cost, lock and meet, before anything is done; and what ``open`` would make."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from transvase.core.declaration import same_documents
from transvase.core.fence import fence
from transvase.core.migration import Migration
from transvase.core.ports import Alias, Declaration, Encoder, Outlook, Progress, Store
from transvase.core.record import Record
from transvase.core.space import Role, Space

from .derive import Derivations
from .runner import Encoders, silent
from .shortcut import Shortcut, foreseen

_SAMPLE: Final = 256
_WARMED: Final = 16
"""Texts encoded before the clock starts: the first call of a model also loads and plans."""

_ALIAS_BYTES: Final = 32
"""Longest part of an alias in a physical name: with attempt and space it stays under the 63 bytes of an identifier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """Drawn from a sample: tokens of all texts, the share that the model cuts, and how fast it encodes."""

    sampled: int
    tokens: int
    cut: float
    texts_per_s: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of it. ``refusals`` are what ``open`` would say no to."""

    alias: Alias
    target: Declaration
    outlook: Outlook
    effort: Effort
    fenced: bool
    shortcut: Shortcut | None
    refusals: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def kind(self) -> str:
        """``query-only`` where the vectors stay as they are; ``derived`` where they can be computed; ``full`` otherwise."""
        return "query-only" if self.target.shares else "full" if self.shortcut is None else "derived"

    def as_json(self) -> dict[str, object]:
        """The one object that ``plan`` writes."""
        live, target, effort, outlook = self.alias.live, self.target, self.effort, self.outlook
        return {
            "alias": self.alias.name,
            "kind": self.kind,
            "source": {"index": live.name, "space": live.label, "width": live.width},
            "target": {"index": target.name, "space": target.label, "width": target.width, "encoder": target.encoder},
            "rows": outlook.records,
            "tokens": effort.tokens,
            "cut_share": round(effort.cut, 4),
            "texts_per_s": round(effort.texts_per_s, 1),
            "seconds": round(effort.seconds, 1),
            "disk_bytes": outlook.table_bytes + outlook.index_bytes,
            "locks": [
                {"move": k.move, "mode": k.mode, "on": k.on, "waits_for": k.waits_for, "budget_s": k.budget_s}
                for k in outlook.locks
            ],
            "fenced": self.fenced,
            "derive": None if self.shortcut is None else self.shortcut.as_json(),
            "refusals": list(self.refusals),
            "warnings": list(self.warnings),
        }


def plan(
    store: Store,
    alias: str,
    *,
    to: str,
    encoders: Encoders,
    derivations: Derivations = lambda _enc, _source: None,
    progress: Progress = silent,
) -> Plan:
    """Look at the alias, the store and a sample of texts; nothing is changed."""
    progress("loading the encoder", 0, 0)
    encoder = encoders(to)
    now, migration = store.alias(alias), store.journal.load(alias)
    target = target_of(store, now, encoder, attempt=attempt_of(migration))
    progress("encoding a sample", 0, _SAMPLE)
    records = store.corpus(alias).sample(_SAMPLE, seed=1)
    outlook = store.outlook(alias, target)
    effort = _effort(encoder, records, rows=outlook.records)
    progress("encoding a sample", len(records), len(records))
    if target.shares:
        effort = replace(effort, seconds=0.0)
    shortcut = None if target.shares else foreseen(store, now, encoder, derivations, rows=outlook.records)
    return Plan(
        alias=now,
        target=target,
        outlook=outlook,
        effort=effort,
        fenced=target.width != now.live.width,
        shortcut=shortcut,
        refusals=(*refusals(store, now, encoder.space, migration), *outlook.refusals),
        warnings=(*_warnings(now, target, effort), *_unseen(store, alias, target), *outlook.warnings),
    )


def attempt_of(migration: Migration | None) -> int:
    """The attempt that ``open`` would begin or go on with."""
    if migration is None:
        return 1
    return migration.attempt + 1 if migration.ended else migration.attempt


def target_of(store: Store, alias: Alias, encoder: Encoder, *, attempt: int) -> Declaration:
    """What would be made for the alias: a name that was never used, and a width that fences it off from the live index.

    A space whose documents are those of the live one is a second name for the same site: there is nothing to fence off.
    """
    live = alias.live
    name = alias.name
    if len(name.encode()) > _ALIAS_BYTES:
        name = name.encode()[: _ALIAS_BYTES - 9].decode(errors="ignore") + "_" + hashlib.sha256(name.encode()).hexdigest()[:8]
    name = store.physical(f"{name}_{attempt}_{encoder.space.id[:8]}")
    if same_documents(live, encoder.space):
        return replace(live, name=name, space=encoder.space, encoder=encoder.name, shares=live.site)
    native = encoder.space.dimension
    form = store.form_for(live.form, native)
    return Declaration(
        name=name,
        space=encoder.space,
        encoder=encoder.name,
        text=alias.source.text,
        width=fence(native, occupied=live.width, limit=store.widest(form)),
        metric=live.metric,
        form=form,
    )


def refusals(store: Store, alias: Alias, space: Space, migration: Migration | None) -> tuple[str, ...]:
    """What stands against opening, as far as it shows without the store's own look."""
    found = []
    if alias.live.space == space and alias.live.text == alias.source.text:
        found.append(f"{alias.live.name} holds vectors of this space and this text expression already: there is nothing to move")
    if migration is not None and not migration.ended and migration.phase != "planned":
        found.append(f"the migration to {migration.target} is {migration.phase}: finish or abort it first")
    form = store.form_for(alias.live.form, space.dimension)
    widest = store.widest(form)
    if widest is not None and space.dimension > widest:
        found.append(f"{space.dimension} dimensions are more than an index over {form} takes ({widest})")
    return tuple(found)


def _effort(encoder: Encoder, records: Sequence[Record], *, rows: int) -> Effort:
    texts = [record.text or "" for record in records]
    if not texts:
        return Effort(sampled=0, tokens=0, cut=0.0, texts_per_s=0.0, seconds=0.0)
    lengths = encoder.tokens(texts)
    encoder.encode(texts[:_WARMED], Role.DOCUMENT)
    started = time.perf_counter()
    encoder.encode(texts, Role.DOCUMENT)
    rate = len(texts) / max(time.perf_counter() - started, 1e-9)
    return Effort(
        sampled=len(texts),
        tokens=round(sum(lengths) / len(texts) * rows),
        cut=sum(length > encoder.space.max_length for length in lengths) / len(texts),
        texts_per_s=rate,
        seconds=rows / rate,
    )


def _unseen(store: Store, alias: str, target: Declaration) -> tuple[str, ...]:
    """What may escape the capture, and what is done about it; with one site for both there are no two to compare."""
    why = None if target.shares else store.blind(alias)
    return () if why is None else (f"{why}; so the fill, the proof, the cutover and the rollback compare both sides key by key",)


def _warnings(alias: Alias, target: Declaration, effort: Effort) -> tuple[str, ...]:
    found = []
    if target.shares:
        found.append(
            f"no fence, and none is needed: {alias.live.name} keeps its vectors, which both encoders search alike; only queries "
            "are made another way, so a query of either is compared with what it was made for"
        )
    elif target.width == alias.live.width:
        found.append(
            f"no fence: {target.width} dimensions are the most that an index over {target.form} takes, so the database cannot "
            "refuse a vector of the old space; only Transvase's own readers are safe from mixing"
        )
    if target.form != alias.live.form:
        found.append(
            f"the element type changes to {target.form}, so the view must be replaced at the cutover: "
            "that alone waits for its open readers, within the lock budget"
        )
    if alias.live.space is None:
        found.append("the live index's encoder is unknown: after the cutover it gets no writes, and there is no rollback")
    if effort.cut:
        found.append(f"{effort.cut:.1%} of the texts are longer than the model reads and are cut")
    return tuple(found)
