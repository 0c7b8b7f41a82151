"""``adopt``: takes an index that exists under an alias, after a sample has shown which encoder made its vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transvase.core.errors import BadValue, ForeignVectors, UnknownName
from transvase.core.fence import Fenced
from transvase.core.ports import Census, Declaration, Encoder, Preview, Progress, Proposal, Source, Store
from transvase.core.record import Record
from transvase.core.space import UNKNOWN, Role

from .agreement import SAMPLE, Agreement, compare
from .runner import Encoders, silent

SHARE: Final = 0.95
"""Of the sampled rows, how many must agree: a live table has some that were written amiss, and ``audit`` lists those."""

LEAST: Final = 200
"""No proof rests on fewer rows, unless the table has no more."""

_HINTED: Final = 32
"""Rows that are tried another way to say what may be wrong."""

UNKNOWN_NOTICE: Final = (
    "nobody knows which encoder made these vectors: until the first migration there is no search through Transvase, and after "
    "its cutover the old side gets no writes, so there is no rollback"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """What was taken under the alias, and what its rows are like. ``agreement`` is None where the encoder is unknown."""

    alias: str
    declaration: Declaration
    census: Census
    agreement: Agreement | None
    already: bool
    notices: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The one object that ``adopt`` writes."""
        seen = self.agreement
        return {
            "alias": self.alias,
            "index": self.declaration.name,
            "space": self.declaration.label,
            "already": self.already,
            "records": self.census.records,
            "missing": self.census.missing,
            "zero": self.census.zero,
            "sampled": len(seen.compared) if seen else 0,
            "foreign": len(seen.foreign) if seen else None,
            "foreign_at_most": round(seen.bound, 6) if seen else None,
            "lowest_cosine": round(seen.worst, 6) if seen else None,
            "notices": list(self.notices),
        }


def adopt(
    store: Store,
    alias: str,
    *,
    source: Source,
    encoder: str,
    encoders: Encoders,
    sample: int = SAMPLE,
    progress: Progress = silent,
) -> Adopted:
    """Put the vectors of ``source`` under ``alias`` as those of ``encoder``; nothing of the user's table is changed.

    ForeignVectors when the encoder did not make them, BadValue when the alias stands for something else, and all that
    the store finds against the table. Adopting the same again changes nothing.
    """
    _well_named(alias, sample)
    model = None if encoder == UNKNOWN else encoders(encoder)
    proposal = Proposal(alias, source, model.space if model else None, encoder)
    with store.hold(alias):
        found = store.inspect(proposal)  # before the alias is looked up: it names all that stands against it, rights too
        already = _taken(store, proposal, found)
        declaration = store.alias(alias).live if already else found
        seen = store.preview(proposal, declaration)
        progress("counting rows", 0, 0)
        census = seen.index.census()
        agreement = None
        if model is not None:
            progress("encoding a sample", 0, sample)
            agreement = prove_origin(seen, seen.corpus.sample(max(sample, LEAST), seed=1), Fenced(model, declaration.width))
            progress("encoding a sample", len(agreement.compared), len(agreement.compared))
        if not already:
            store.adopt(proposal, declaration)
        notices = _notices(census, agreement)
        adopted = Adopted(
            alias=alias, declaration=declaration, census=census, agreement=agreement, already=already, notices=notices
        )
        store.journal.note(alias, "adopt", {"encoder": encoder, "table": source.table, **adopted.as_json()})
    return adopted


def prove_origin(seen: Preview, records: Sequence[Record], encoder: Encoder) -> Agreement:
    """The agreement of the sample; ForeignVectors when too few rows agree, with the likeliest reason."""
    agreement = compare(seen.index, records, encoder)
    if agreement.share >= SHARE:
        return agreement
    raise ForeignVectors(
        encoder=encoder.name,
        sampled=len(agreement.compared),
        agreeing=int(agreement.agrees.sum()),
        worst=agreement.worst,
        hint=_hint(seen, agreement, encoder),
    )


def _hint(seen: Preview, agreement: Agreement, encoder: Encoder) -> str:
    if agreement.only_direction:
        return (
            f"{agreement.only_direction} of them point the right way and have another length: they were stored with other "
            f"normalisation, which the metric {seen.index.declaration.metric} does not forgive"
        )
    strangers = set(agreement.foreign)
    some = [record for record in agreement.compared if record.key in strangers][:_HINTED]
    if compare(seen.index, some, encoder, role=Role.QUERY).share >= SHARE:
        return "they agree with its query prompt: the documents were encoded as if they were queries"
    why = seen.made or "who made them may have put more into the text, such as the names of table and columns"
    return f"name the encoder that made them, check the text expression ({why}), or adopt with `--encoder {UNKNOWN}`"


def _well_named(alias: str, sample: int) -> None:
    if not alias.strip() or "\x00" in alias:
        raise BadValue("alias", alias, why="an alias needs a name")
    if sample < 1:
        raise BadValue("sample", sample, why="at least one row is compared")


def _taken(store: Store, proposal: Proposal, wanted: Declaration) -> bool:
    """True when the alias stands for exactly this already; BadValue when it stands for anything else.

    What is wanted is as the store found it: it knows under how many spellings one table can be named.
    """
    try:
        known = store.alias(proposal.alias)
    except UnknownName:
        return False
    was = (known.live.name, known.live.label, known.source.key, known.source.text)
    key = proposal.source.key or known.source.key  # where the store knows it, it may be left out
    if known.live.adopted and was == (wanted.name, wanted.label, key, proposal.source.text):
        return True
    why = f"it names {known.live.name} (space {known.live.label}, text {known.source.text!r}) already; choose another alias"
    raise BadValue("alias", proposal.alias, why=why)


def _notices(census: Census, agreement: Agreement | None) -> tuple[str, ...]:
    notices = []
    if agreement is None:
        notices.append(UNKNOWN_NOTICE)
    elif not agreement.compared:
        notices.append("there were no vectors to compare: the encoder is believed without a proof")
    elif agreement.foreign:
        notices.append(
            f"{len(agreement.foreign)} of {len(agreement.compared)} sampled rows are not of this encoder "
            f"(at most {agreement.bound:.1%} of all, 95 % confidence); `transvase audit` lists them"
        )
    if census.missing:
        notices.append(f"{census.missing} rows have a text and no vector: no search finds them until the first migration")
    if census.orphaned:
        notices.append(
            f"{census.orphaned} rows have a vector and no text by this expression: a migration gives them none, so no search "
            "finds them after its cutover; what may be missing is `{name?}` in a template, and coalesce(name, '') in SQL"
        )
    if census.zero:
        notices.append(f"{census.zero} rows have a vector of length zero: a cosine index leaves them out")
    return tuple(notices)
