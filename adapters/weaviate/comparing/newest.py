"""Where the newest state of a key lies: on the live side, unless its newest entry in the ledger names another one.

A Mirror's entry says what the Mirror itself has done. What a move of the alias leaves owed is a guess from outside, and is said
with its moment: whoever writes the new live side later has the last word. So there the times of both sides are compared. A copy
that was paid is written later than what it is a copy of, and says the same. One that was overtaken while it was paid, or of which
nobody knows whether it was written, may be later and older: that is said once more by the payer, and with the moment at which its
writes were over, or the alias was moved. What is later than that on the live side is somebody else's, and newer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transvase.adapters.weaviate.objects.reading import Seen
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.core.record import Key

_AT: Final = "@"
"""Between a site and a moment; no collection's name has it."""

Held = Mapping[str, Mapping[Key, Seen]]
"""What each site holds, by key."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the ledger says of a key."""

    site: str
    moment: int | None
    """Milliseconds, the server's clock: what the live side got after it may be newer. None: it is not."""
    payers: bool = False
    """A payer's: what the live side got before the moment is not newer, whatever its time says."""
    borne: bool = False
    """The live side had an older object there at that moment: where it has none now, it was deleted there, and that is newer."""


def dated(site: str, moment: int, *, borne: bool = False) -> str:
    """As the first site of an entry: the site had the newest state at that moment, and may not have it any more.

    ``borne``: the live side was seen to have an older one after that moment.
    """
    return f"{site}{_AT}{moment}{_AT if borne else ''}"


def overtaken(site: str, moment: int | None) -> str:
    """The same for a payer whose writes, of older states, were over at that moment; None: no other side is written by others."""
    return f"{site}{_AT}{_AT}{'' if moment is None else moment}"


def truths(setting: Setting, keys: Sequence[Key], held: Held | None = None) -> dict[Key, str]:
    """The site for each key, as both sides are ``held``; what is needed of them is read where nothing is given."""
    alias = setting.look()
    live = alias.live.site
    others = {side.site for side in (alias.live, alias.shadow) if side is not None} - {live}
    claims = {key: claim for key, claim in _claims(setting, keys).items() if claim.site in others}
    if held is None:
        held = _times(setting, (live, *others), [key for key, claim in claims.items() if claim.moment is not None])
    found = dict.fromkeys(keys, live)
    for key, claim in claims.items():
        if not _overwritten(claim, held.get(live, {}).get(key), held.get(claim.site, {}).get(key)):
            found[key] = claim.site
    return found


def said(setting: Setting, keys: Sequence[Key]) -> tuple[set[Key], set[Key]]:
    """Those of the keys of which a writer has said where it wrote first, and those of which a payer has said where they lie."""
    claims = _claims(setting, keys)
    payers = {key for key, claim in claims.items() if claim.payers}
    return {key for key, claim in claims.items() if claim.moment is None} - payers, payers


def _claims(setting: Setting, keys: Sequence[Key]) -> dict[Key, _Claim]:
    if not keys:
        return {}
    found = {}
    for key, first in setting.ledger.firsts(setting.alias, keys).items():
        site, _, moment = first.partition(_AT)
        number = moment.strip(_AT)
        payers, borne = moment.startswith(_AT), bool(number) and moment.endswith(_AT)
        found[key] = _Claim(site, int(number) if number else None, payers=payers, borne=borne)
    return found


def _overwritten(claim: _Claim, now: Seen | None, was: Seen | None) -> bool:
    """Whether the live side's ``now`` is newer than what the claimed side has; where that has nothing, than the moment."""
    if claim.moment is None or now is None:
        return claim.borne
    since = claim.moment if was is None else was.updated
    return now.updated > (max(since, claim.moment) if claim.payers else since)


def _times(setting: Setting, sites: Iterable[str], keys: Sequence[Key]) -> Held:
    lens = setting.lens(vector=False, others=False, properties=False)
    return {site: setting.fetch(site, lens, keys) for site in sites} if keys else {}
