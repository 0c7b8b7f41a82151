"""Every statement of the ledger, in the words that SQLite and Postgres share.

Values are ``:named``. What the two spell differently stands in braces and comes from a ``Dialect``: the clock, the highest
entry number, a growing number as primary key, and lists of numbers, words or keys handed over as one JSON text. There are no
NULLs: an empty text means "none" (a key without a tenant, an entry owed to all, no writer), ``settled`` = 0 "not yet".

``settled`` holds the highest entry number there was when the entry was settled, so it can be said without any clock whether
an entry was still open at the moment at which a number was given out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EDITION: Final = 3
"""Of the tables below. A ledger of another one is refused: no release has made one of an earlier."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the two databases spell differently."""

    serial: str
    latest: str
    ticket: str
    now: str
    joined: str
    numbers: str
    words: str
    keys: str
    times: str

    def spelt(self, statement: str) -> str:
        """``statement`` with everything in braces replaced."""
        return (
            statement.replace("{shut}", SHUT)
            .replace("{serial}", self.serial)
            .replace("{latest}", self.latest)
            .replace("{ticket}", self.ticket)
            .replace("{now}", self.now)
            .replace("{joined}", self.joined)
            .replace("{entries}", self.numbers)
            .replace("{writers}", self.words)
            .replace("{keys}", self.keys)
            .replace("{times}", self.times)
        )


TABLES: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    (
        "CREATE TABLE migrations (alias TEXT NOT NULL, attempt INTEGER NOT NULL, version INTEGER NOT NULL, phase TEXT NOT NULL,"
        " body TEXT NOT NULL, PRIMARY KEY (alias, attempt))"
    ),
    # At most one migration of an alias is under way.
    "CREATE UNIQUE INDEX migrations_one_open ON migrations (alias) WHERE phase NOT IN ('retired', 'aborted')",
    (
        "CREATE TABLE events (id {serial}, alias TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, who TEXT NOT NULL,"
        " what TEXT NOT NULL, facts TEXT NOT NULL)"
    ),
    "CREATE INDEX events_by_alias ON events (alias, id)",
    "CREATE TABLE places (site TEXT PRIMARY KEY, after TEXT NOT NULL, finished INTEGER NOT NULL, done BIGINT NOT NULL)",
    (
        "CREATE TABLE owed (entry {serial}, alias TEXT NOT NULL, tenant TEXT NOT NULL, uuid TEXT NOT NULL,"
        " only_site TEXT NOT NULL, first_site TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, writer TEXT NOT NULL,"
        " named TEXT NOT NULL, settled BIGINT NOT NULL DEFAULT 0)"
    ),
    "CREATE INDEX owed_by_key ON owed (alias, tenant, uuid)",
    "CREATE INDEX owed_by_settled ON owed (alias, settled, entry)",
    "CREATE TABLE watches (watched BIGINT PRIMARY KEY, alias TEXT NOT NULL, writer TEXT NOT NULL)",
    (
        "CREATE TABLE captures (alias TEXT PRIMARY KEY, epoch INTEGER NOT NULL, live TEXT NOT NULL, shadow TEXT NOT NULL,"
        " active INTEGER NOT NULL, begun BIGINT NOT NULL)"
    ),
    (
        "CREATE TABLE doubts (id {serial}, alias TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, why TEXT NOT NULL,"
        " facts TEXT NOT NULL)"
    ),
    "CREATE TABLE marks (alias TEXT NOT NULL, site TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (alias, site))",
    (
        "CREATE TABLE paid (alias TEXT NOT NULL, site TEXT NOT NULL, tenant TEXT NOT NULL, uuid TEXT NOT NULL,"
        " written BIGINT NOT NULL, PRIMARY KEY (alias, site, tenant, uuid))"
    ),
    "CREATE TABLE beats (alias TEXT NOT NULL, who TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, PRIMARY KEY (alias, who))",
)

META: Final = "SELECT value FROM meta WHERE name = :name"
SET_META: Final = "INSERT INTO meta (name, value) VALUES (:name, :value)"

# -- migrations and the audit log
LOAD: Final = "SELECT attempt, version, phase, body FROM migrations WHERE alias = :alias ORDER BY attempt DESC LIMIT 1"
BEGIN: Final = (
    "INSERT INTO migrations (alias, attempt, version, phase, body) VALUES (:alias, :attempt, :version, :phase, :body)"
    " ON CONFLICT DO NOTHING RETURNING 1"
)
SAVE: Final = (
    "UPDATE migrations SET version = :version, phase = :phase, body = :body"
    " WHERE alias = :alias AND attempt = :attempt AND version = :expect RETURNING 1"
)
NOTE: Final = "INSERT INTO events (alias, at, who, what, facts) VALUES (:alias, {now}, :who, :what, :facts)"
HISTORY: Final = "SELECT at, who, what, facts FROM events WHERE alias = :alias ORDER BY id"

# -- entries
# The door stands among the beats: ``at`` is the moment until which it is shut to who writes.
# What ``{shut}`` stands for.
SHUT: Final = "SELECT 1 FROM beats WHERE alias = :alias AND who = 'the door' AND at > {now} AND at <= {now} + :longest"
SHUT_FOR: Final = (
    "INSERT INTO beats (alias, who, at) VALUES (:alias, 'the door', {now} + :seconds)"
    " ON CONFLICT (alias, who) DO UPDATE SET at = excluded.at"
)
# Nothing is noted while the door is shut, unless by somebody who need not heed it (``longest`` is 0 then).
INTEND: Final = (
    "INSERT INTO owed (alias, tenant, uuid, only_site, first_site, at, writer, named)"
    " SELECT :alias, k.tenant, k.uuid, '', :first, {now}, :writer, :named FROM {keys} k"
    " WHERE NOT EXISTS ({shut}) RETURNING entry, tenant, uuid"
)
# Another entry of the key that is open or in flight, or came later: settled or not, it was made while mine was in flight.
OVERLAPPED: Final = (
    "SELECT DISTINCT m.tenant, m.uuid FROM owed m JOIN owed o ON o.alias = m.alias AND o.tenant = m.tenant AND o.uuid = m.uuid"
    " WHERE m.alias = :alias AND m.entry IN {entries} AND o.entry <> m.entry AND (o.settled = 0 OR o.entry > m.entry)"
)
SETTLE: Final = "UPDATE owed SET settled = {latest} WHERE alias = :alias AND settled = 0 AND entry IN {entries} RETURNING entry"
LEAVE: Final = (
    "UPDATE owed SET writer = '', only_site = CASE WHEN :only = '' THEN only_site ELSE :only END"
    " WHERE alias = :alias AND settled = 0 AND entry IN {entries} RETURNING entry"
)
# Keys that an open entry owes to this site already.
COVERED: Final = (
    "SELECT COUNT(*) FROM {keys} k WHERE EXISTS (SELECT 1 FROM owed o WHERE o.alias = :alias AND o.tenant = k.tenant"
    " AND o.uuid = k.uuid AND o.settled = 0 AND o.writer = '' AND (o.only_site = '' OR o.only_site = :only))"
)
# The same note once more replaces the old one under a new number: who is just paying the old one settles nothing by it.
REPLACED: Final = (
    "DELETE FROM owed WHERE entry IN (SELECT o.entry FROM owed o JOIN {keys} k ON o.tenant = k.tenant AND o.uuid = k.uuid"
    " WHERE o.alias = :alias AND o.settled = 0 AND o.writer = '' AND o.only_site = :only AND o.first_site = :first)"
)
OWE: Final = (
    "INSERT INTO owed (alias, tenant, uuid, only_site, first_site, at, writer, named)"
    " SELECT :alias, k.tenant, k.uuid, :only, :first, {now}, '', '' FROM {keys} k"
)
OWED: Final = "SELECT COUNT(*) FROM (SELECT DISTINCT tenant, uuid FROM owed WHERE alias = :alias AND settled = 0) AS k"
# An entry that names no first site is a payment's: it may yet write what it read before, and nobody passes it by. One that
# has been in flight for so long that no request of its writer's can be under way any more is passed by neither.
OWED_FOR_GOOD: Final = (
    "SELECT COUNT(*) FROM (SELECT DISTINCT tenant, uuid FROM owed WHERE alias = :alias AND settled = 0"
    " AND NOT (writer <> '' AND first_site <> '' AND writer IN {writers} AND at > {now} - :underway)) AS k"
)
WRITERS: Final = "SELECT DISTINCT writer FROM owed WHERE alias = :alias AND settled = 0 AND writer <> ''"
FLYING: Final = (
    "SELECT COUNT(*) FROM (SELECT DISTINCT tenant, uuid FROM owed WHERE alias = :alias AND settled = 0 AND writer <> ''"
    " AND (writer IN {writers} OR at > {now} - :grace)) AS k"
)
# Keys whose newest state lies at the site as far as anybody has said; what stands after an @ is a moment.
LYING: Final = (
    "SELECT COUNT(*) FROM (SELECT DISTINCT o.tenant, o.uuid FROM owed o WHERE o.alias = :alias AND o.settled = 0"
    " AND SUBSTR(o.first_site || '@', 1, LENGTH(:site) + 1) = :site || '@'"
    " AND NOT EXISTS (SELECT 1 FROM owed n WHERE n.alias = o.alias AND n.tenant = o.tenant AND n.uuid = o.uuid AND n.settled = 0"
    " AND n.first_site <> '' AND SUBSTR(n.first_site || '@', 1, LENGTH(:site) + 1) <> :site || '@' AND n.entry > o.entry)) AS k"
)
DEBTS: Final = (
    "SELECT {joined}, CASE WHEN MIN(only_site) = MAX(only_site) THEN MIN(only_site) ELSE '' END, tenant, uuid"
    " FROM (SELECT o.entry, o.only_site, o.tenant, o.uuid FROM owed o WHERE o.alias = :alias AND o.settled = 0 AND NOT EXISTS"
    " (SELECT 1 FROM owed f WHERE f.alias = o.alias AND f.tenant = o.tenant AND f.uuid = o.uuid AND f.settled = 0"
    " AND f.writer <> '' AND (f.writer IN {writers} OR f.at > {now} - :grace)) ORDER BY o.entry LIMIT :entries_read) AS e"
    " GROUP BY tenant, uuid ORDER BY MIN(entry) LIMIT :limit"
)
FIRSTS: Final = (
    "SELECT o.tenant, o.uuid, o.first_site FROM owed o JOIN {keys} k ON o.tenant = k.tenant AND o.uuid = k.uuid"
    " WHERE o.alias = :alias AND o.settled = 0 AND o.first_site <> '' ORDER BY o.entry"
)
TICKET: Final = "{ticket}"
WATCH: Final = "INSERT INTO watches (watched, alias, writer) VALUES (:watched, :alias, :writer)"
UNWATCH: Final = "DELETE FROM watches WHERE alias = :alias AND watched = :watched"
ANY: Final = "*"
"""In the place of a site: no site has this name."""
SINCE: Final = (
    "SELECT DISTINCT tenant, uuid FROM owed WHERE alias = :alias AND (settled = 0 OR settled >= :watched)"
    " AND (:site = '*' OR only_site IN ('', :site))"
)
SINCE_AMONG: Final = (
    "SELECT DISTINCT o.tenant, o.uuid FROM owed o JOIN {keys} k ON o.tenant = k.tenant AND o.uuid = k.uuid"
    " WHERE o.alias = :alias AND (o.settled = 0 OR o.settled >= :watched) AND (:site = '*' OR o.only_site IN ('', :site))"
)
WATCHERS: Final = "SELECT DISTINCT writer FROM watches WHERE alias = :alias"
UNWATCHED: Final = "DELETE FROM watches WHERE alias = :alias AND writer IN {writers}"
# A settled entry is of use to a watch that began before it was settled, and to an intent in flight that is older.
PRUNE: Final = (
    "DELETE FROM owed WHERE alias = :alias AND settled > 0"
    " AND settled < COALESCE((SELECT MIN(watched) FROM watches WHERE alias = :alias), {latest} + 1)"
    " AND entry < COALESCE((SELECT MIN(f.entry) FROM owed f WHERE f.alias = :alias AND f.settled = 0 AND f.writer <> ''),"
    " {latest} + 1)"
)

# -- what payments left
PAID: Final = (
    "INSERT INTO paid (alias, site, tenant, uuid, written) SELECT :alias, :site, k.tenant, k.uuid, k.written FROM {times} k"
    " WHERE TRUE ON CONFLICT (alias, site, tenant, uuid) DO UPDATE SET written = excluded.written"
)
AS_PAID: Final = (
    "SELECT p.tenant, p.uuid FROM paid p JOIN {times} k ON p.tenant = k.tenant AND p.uuid = k.uuid AND p.written = k.written"
    " WHERE p.alias = :alias AND p.site = :site"
)
PAID_LONG_AGO: Final = "DELETE FROM paid WHERE alias = :alias AND written < :before"

# -- captures
CAPTURE: Final = "SELECT epoch, live, shadow, active FROM captures WHERE alias = :alias"
BEGUN: Final = "SELECT begun FROM captures WHERE alias = :alias"
BEGIN_CAPTURE: Final = (
    "INSERT INTO captures (alias, epoch, live, shadow, active, begun) VALUES (:alias, 1, :live, :shadow, 1, :begun)"
    " ON CONFLICT (alias) DO UPDATE SET epoch = captures.epoch + 1, live = excluded.live, shadow = excluded.shadow, active = 1,"
    " begun = excluded.begun"
)
END_CAPTURE: Final = "UPDATE captures SET active = 0, epoch = epoch + 1 WHERE alias = :alias AND active = 1"
EARLIER: Final = (
    "SELECT DISTINCT writer, named, CASE WHEN at > {now} - :grace THEN 1 ELSE 0 END FROM owed"
    " WHERE alias = :alias AND settled = 0 AND writer <> '' AND entry <= :begun"
)

# -- places, doubts, marks, beats
PLACE: Final = "SELECT after, finished, done FROM places WHERE site = :site"
ADVANCE: Final = (
    "INSERT INTO places (site, after, finished, done) VALUES (:site, :after, :finished, :done)"
    " ON CONFLICT (site) DO UPDATE SET after = excluded.after, finished = excluded.finished, done = excluded.done"
)
FORGET: Final = (
    "DELETE FROM places WHERE site = :site",
    "DELETE FROM marks WHERE alias = :alias AND site = :site",
    "DELETE FROM owed WHERE alias = :alias AND settled = 0 AND writer = '' AND only_site = :site",
    "DELETE FROM paid WHERE alias = :alias AND site = :site",
)
DOUBT: Final = "INSERT INTO doubts (alias, at, why, facts) VALUES (:alias, {now}, :why, :facts) RETURNING id"
DOUBTS: Final = "SELECT id, at, why, facts FROM doubts WHERE alias = :alias ORDER BY id"
CLEAR: Final = "DELETE FROM doubts WHERE alias = :alias AND id = :id RETURNING id"
MARK: Final = (
    "INSERT INTO marks (alias, site, body) VALUES (:alias, :site, :body)"
    " ON CONFLICT (alias, site) DO UPDATE SET body = excluded.body"
)
MARKED: Final = "SELECT body FROM marks WHERE alias = :alias AND site = :site"
BEAT: Final = (
    "INSERT INTO beats (alias, who, at) VALUES (:alias, :who, {now}) ON CONFLICT (alias, who) DO UPDATE SET at = excluded.at"
)
QUIET: Final = "SELECT {now} - at FROM beats WHERE alias = :alias AND who = :who"
