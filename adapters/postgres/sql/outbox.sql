-- The outbox: reading what is owed, and paying it.

-- name: owed
SELECT count(*) FROM (SELECT DISTINCT {ks} FROM {outbox}) AS keys;

-- name: read
-- The oldest entries, put together by key, and how many were looked at. Entries that name different single indexes count as
-- owed to all.
SELECT sum(count(*)) OVER ()::bigint, array_agg(e.seq),
       CASE WHEN bool_or(e.only_index IS NULL) OR count(DISTINCT e.only_index) > 1 THEN NULL ELSE min(e.only_index) END, {ks}
FROM (SELECT * FROM {outbox} ORDER BY seq LIMIT %(entries)s) e
GROUP BY {ks} ORDER BY min(e.seq) LIMIT %(keys)s;

-- name: truncated
-- Entries without a key say that the table was emptied.
SELECT array_agg(seq) FROM {outbox} WHERE k1 IS NULL;

-- name: owe_orphans
-- After a TRUNCATE each key that a side table still holds, and the table does not, is owed its removal.
INSERT INTO {outbox} ({ks}) SELECT {x_ks} FROM {side} x WHERE NOT EXISTS (SELECT 1 FROM {source} s WHERE {match});

-- name: pay_side
-- A vector lands only where the text is still the one it was made from.
INSERT INTO {side} AS x ({ks}, embedding, digest)
SELECT {p_ks}, p.embedding, p.digest FROM {paid} JOIN {rows} s ON {match} AND {digest} = p.digest
ON CONFLICT ({ks}) DO UPDATE SET embedding = EXCLUDED.embedding, digest = EXCLUDED.digest
WHERE x.digest <> EXCLUDED.digest;

-- name: clear_side
-- Rows that are gone, or have no text any more, lose their vector.
DELETE FROM {side} x USING {unnested}
WHERE {match} AND NOT EXISTS (SELECT 1 FROM {rows} s WHERE {s_match} AND s.body IS NOT NULL);

-- name: unpaid_side
-- What a debt is settled by is seen, not assumed: keys whose vector is still not that of their text.
SELECT {q_ks} FROM {unnested} JOIN {rows} s ON {s_match} LEFT JOIN {side} x ON {x_match}
WHERE s.body IS NOT NULL AND x.digest IS DISTINCT FROM {digest};

-- name: unpaid_column
SELECT {q_ks} FROM {unnested} JOIN {rows} s ON {s_match} JOIN {source} t ON {t_match}
WHERE s.body IS NOT NULL AND t.{column} IS NULL;

-- name: lock_rows
-- The rows of the user's table that nobody else has locked: waiting for one could close a circle with its writer.
SELECT {own} FROM {source} s JOIN {unnested} ON {match} FOR NO KEY UPDATE OF s SKIP LOCKED;

-- name: present
SELECT {own} FROM {source} s JOIN {unnested} ON {match};

-- name: pay_column
-- Writes the user's own column, and leaves a vector alone that the application has already made right: each UPDATE of a
-- row enters every vector index of the table again.
UPDATE {source} t SET {column} = p.embedding
FROM {paid} JOIN {rows} s ON {match} AND {digest} = p.digest
WHERE {t_match} AND (t.{column} IS NULL OR NOT {agrees});

-- name: agrees_cosine
(t.{column} <=> p.embedding) <= 0.001

-- name: agrees_length
-- The same bound on vectors whose length counts: for unit vectors a distance of 0.0447 is a cosine of 0.999.
(t.{column} <-> p.embedding) <= 0.0447 * {norm}(p.embedding)

-- name: clear_column
UPDATE {source} t SET {column} = NULL FROM {rows} s, {unnested}
WHERE {t_match} AND {match} AND s.body IS NULL AND t.{column} IS NOT NULL;

-- name: settle
DELETE FROM {outbox} WHERE seq = ANY (%(entries)s);

-- name: leave_to
UPDATE {outbox} SET only_index = %(index)s WHERE seq = ANY (%(entries)s);

-- name: beat
INSERT INTO transvase_control.worker (alias, seen_at) VALUES (%(alias)s, clock_timestamp())
ON CONFLICT (alias) DO UPDATE SET seen_at = EXCLUDED.seen_at;

-- name: quiet
SELECT extract(epoch FROM clock_timestamp() - seen_at)::float8 FROM transvase_control.worker WHERE alias = %(alias)s;
