"""What an index, an alias and its source are declared to be. What is counted or measured of them stands in ``figures``."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import BadValue, NotReady, SpaceMismatch
from .space import UNKNOWN, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What is known of one index without looking into it."""

    name: str
    """Physical name, unique for each attempt and never used again."""
    space: Space | None
    """None: nobody knows which encoder made its vectors."""
    encoder: str
    """ENC of the encoder that makes its vectors, or ``unknown``."""
    text: str
    """The expression whose value is embedded: part of what is compared."""
    width: int
    """Stored dimensions, the fence included."""
    metric: str
    """``cosine``, ``ip`` or ``l2``."""
    form: str
    """Element type in the store: ``vector`` or ``halfvec`` (Postgres), ``float32`` (Weaviate)."""
    adopted: bool = False
    """True for a place that was the user's before it was ours."""
    shares: str = ""
    """The site whose vectors it serves under a name of its own; empty where its site is its own and bears its name."""

    @property
    def site(self) -> str:
        """Where its vectors lie, by the name of the index that was first there: two indexes of one site hold the same vectors."""
        return self.shares or self.name

    @property
    def label(self) -> str:
        """The id of its Space, as written into rows and answers; ``unknown`` where there is none."""
        return self.space.id if self.space else UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an alias' records are: a table (or a collection), its key columns, and the text expression."""

    table: str
    key: tuple[str, ...]
    """Names of the key's parts, in order; of a collection ``("uuid",)``, or ``("tenant", "uuid")`` where it has tenants."""
    text: str
    vector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """The stable name that readers use, as one read of the store showed it."""

    name: str
    source: Source
    live: Declaration
    shadow: Declaration | None
    """The index kept current beside the live one while a migration is open, whichever side is live."""
    generation: int
    """Grows with every change of what the alias declares; each answer of a search carries it."""

    @property
    def kept(self) -> tuple[Declaration, ...]:
        """The sites that must receive every write, each by one declaration: by the live one where both share a site."""
        sites: dict[str, Declaration] = {}
        for side in (self.live, self.shadow):
            if side is not None and side.space is not None:
                sites.setdefault(side.site, side)
        return tuple(sites.values())


@dataclass(frozen=True, slots=True)
class Proposal:
    """What ``adopt`` was told. ``form``, ``width`` and ``metric`` are the store's to find out."""

    alias: str
    source: Source
    space: Space | None
    encoder: str


def same_documents(one: Declaration, space: Space) -> bool:
    """True when the document vectors of ``space`` are those that an index holds: only the queries differ."""
    return one.space is not None and one.space.documents == space.documents


def shareable(target: Declaration, live: Declaration) -> None:
    """Return when ``target`` may serve the vectors of ``live`` as they stand under a name of its own.

    SpaceMismatch where the document vectors are of another Space; BadValue where the two differ in anything but the queries.
    """
    if target.space is None or not same_documents(live, target.space):
        raise SpaceMismatch(expected=live.label, found=target.label, where=live.site)
    here = (live.site, live.width, live.metric, live.form, live.text, live.adopted)
    if (target.shares, target.width, target.metric, target.form, target.text, target.adopted) != here:
        raise BadValue("target", target.name, why=f"what shares the site of {live.name} differs from it in its queries alone")


def openable(alias: Alias, target: Declaration) -> None:
    """Return when ``target`` may be made beside the live index, on any store; what is open already may be opened again.

    BadValue for what is no target, NotReady while another index is kept beside the live one, SpaceMismatch as ``shareable``.
    """
    live, shadow = alias.live, alias.shadow
    if target.space is None or (target.adopted and not target.shares):
        raise BadValue("target", target.name, why="a target is a new index of a known space")
    if target.width < target.space.dimension:
        raise BadValue("width", target.width, why=f"space {target.space.id} has {target.space.dimension} dimensions")
    if target.text != alias.source.text:
        raise BadValue("text expression", target.text, why=f"the records of {alias.name!r} are read as {alias.source.text!r}")
    if target.shares and target.name != live.name:
        shareable(target, live)
    if target.metric != live.metric:
        raise BadValue("target", target.metric, why=f"readers of {alias.name!r} rely on the metric {live.metric}")
    if shadow is not None and shadow.name != target.name:
        raise NotReady("open", f"{shadow.name} is kept beside {live.name}; retire or abort it first")
    if target not in (live, shadow) and target.name in (live.name, shadow.name if shadow else ""):
        raise BadValue("target", target.name, why="there is another index of that name; physical names are never used twice")
