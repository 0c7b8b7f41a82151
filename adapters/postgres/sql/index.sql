-- Filling an index, building it, counting over it, searching it.

-- name: create_side
-- One narrow table for each target: filling it costs the live index nothing.
CREATE TABLE IF NOT EXISTS {side} (
    {definitions},
    embedding {form}({width}) NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY ({ks})
);

-- name: place
SELECT after, finished, done FROM transvase_control.place WHERE index = %(index)s;

-- name: keep_place
UPDATE transvase_control.place SET after = %(after)s, finished = %(finished)s, done = %(done)s WHERE index = %(index)s;

-- name: open_keys
-- Of a stretch of keys: those with a text and without a vector, and the digest of the text as it is now.
SELECT {digest}, {s_ks} FROM {rows} s LEFT JOIN (SELECT {ks} FROM {side} WHERE {side_range}) x ON {match}
WHERE s.body IS NOT NULL AND x.k1 IS NULL;

-- name: untouched
-- One digest over the tokens of a stretch of keys. Where it is that of what was read, and nothing of the stretch is held yet,
-- all of it is wanted. A token is a 64-bit hash of the text: SHA-256 of every text costs PostgreSQL as much as the COPY.
SELECT sha256(coalesce(string_agg(int8send(hashtextextended(s.body, 0)), ''::bytea ORDER BY {s_ks}), ''::bytea)),
       NOT EXISTS (SELECT 1 FROM {side} WHERE {side_range})
FROM {rows} s WHERE s.body IS NOT NULL;

-- name: stretch_column
-- A stretch of the user's own column with what is needed to see later whether a text is still the same. All columns have one
-- size: a vector that is owed, missing or of another width comes as zeros, and so does the digest of no text.
COPY (
    SELECT {s_ks}, CASE WHEN o.k1 IS NULL AND vector_dims(s.held) = {width} THEN s.held ELSE {zeros} END,
           coalesce(s.digest, {no_digest}), coalesce(s.token, 0)
    FROM (SELECT {t_ks}, t.held, {digest} AS digest, hashtextextended(t.body, 0) AS token
          FROM {rows} t ORDER BY {t_ks} LIMIT %(limit)s) s
    LEFT JOIN (SELECT DISTINCT {ks} FROM {outbox}) o ON {owed_match}
    ORDER BY {s_ks}
) TO STDOUT (FORMAT binary);

-- name: stretch_side
COPY (
    SELECT {s_ks}, CASE WHEN o.k1 IS NULL AND x.digest = s.digest THEN x.embedding ELSE {zeros} END,
           coalesce(s.digest, {no_digest}), coalesce(s.token, 0)
    FROM (SELECT {t_ks}, {digest} AS digest, hashtextextended(t.body, 0) AS token
          FROM {rows} t ORDER BY {t_ks} LIMIT %(limit)s) s
    LEFT JOIN {side} x ON {match}
    LEFT JOIN (SELECT DISTINCT {ks} FROM {outbox}) o ON {owed_match}
    ORDER BY {s_ks}
) TO STDOUT (FORMAT binary);

-- name: owe_keys
-- Keys that one site alone is owed.
INSERT INTO {outbox} ({ks}, only_index) SELECT {q_ks}, %(site)s::text FROM {unnested};

-- name: owe_column
-- Whatever the user's own column lacks; what it holds is believed, since it keeps no digests.
INSERT INTO {outbox} ({ks}, only_index) SELECT {s_ks}, %(site)s::text
FROM {rows} s WHERE s.body IS NOT NULL AND (s.held IS NULL OR {norm}(s.held) = 0)
AND NOT EXISTS (SELECT 1 FROM {outbox} o WHERE {owed_match});

-- name: owe_side
-- Whatever a side table lacks or has too much. A vector of length zero is what its text gave: paying would give it again.
INSERT INTO {outbox} ({ks}, only_index) SELECT {either}, %(site)s::text
FROM {rows} s FULL JOIN {side} x ON {match}
WHERE (s.body IS NULL) <> (x.k1 IS NULL) OR x.digest <> {digest}
EXCEPT SELECT {ks}, %(site)s::text FROM {outbox};

-- name: after
SELECT body, hashtextextended(body, 0), {ks} FROM {rows} s ORDER BY {ks} LIMIT %(limit)s;

-- name: repeated
SELECT hashtextextended(body, 0) FROM {rows} s WHERE body IS NOT NULL GROUP BY 1 HAVING count(*) > 1;

-- name: read
SELECT s.body, {s_ks} FROM {unnested} JOIN {rows} s ON {match};

-- name: count
SELECT count(*) FROM {source};

-- name: sample
-- At random, and the same for the same seed and rows: the order of a hash of key and seed.
SELECT body, {ks} FROM {rows} s WHERE body IS NOT NULL ORDER BY hashtextextended(concat_ws('/', {ks}), %(seed)s) LIMIT %(size)s;

-- name: vectors
SELECT t.{column}::text, {t_ks} FROM {relation} t JOIN {unnested} ON {match} WHERE t.{column} IS NOT NULL;

-- name: census_side
-- One snapshot over all rows. A key that is owed is not lost.
WITH owed AS (SELECT DISTINCT {ks} FROM {outbox}),
both_sides AS (
    SELECT {either}, s.k1 IS NOT NULL AND s.body IS NOT NULL AS wanted, x.k1 IS NOT NULL AS held,
           s.k1 IS NOT NULL AND s.body IS NOT NULL AND x.k1 IS NOT NULL AND {digest} <> x.digest AS stale,
           x.embedding
    FROM {rows} s FULL JOIN {side} x ON {match}),
judged AS (
    SELECT b.*, EXISTS (SELECT 1 FROM owed o WHERE {owed_match}) AS excused,
           %(deep)s AND held AND {norm}(b.embedding) = 0 AS zero,
           %(deep)s AND held AND vector_dims(b.embedding) <> %(width)s AS broken
    FROM both_sides b)
SELECT count(*) FILTER (WHERE wanted), count(*) FILTER (WHERE held),
       count(*) FILTER (WHERE wanted AND NOT held AND NOT excused),
       count(*) FILTER (WHERE held AND NOT wanted AND NOT excused),
       count(*) FILTER (WHERE stale AND NOT excused), (SELECT count(*) FROM owed),
       count(*) FILTER (WHERE zero), count(*) FILTER (WHERE broken),
       (array_agg(to_json(ARRAY[{as_text}])) FILTER (
           WHERE zero OR broken OR (NOT excused AND (stale OR wanted <> held))))[1:5]
FROM judged;

-- name: census_column
WITH owed AS (SELECT DISTINCT {ks} FROM {outbox}),
judged AS (
    SELECT {s_ks}, t.{column} AS embedding, s.body IS NOT NULL AS wanted, t.{column} IS NOT NULL AS held,
           EXISTS (SELECT 1 FROM owed o WHERE {owed_match}) AS excused,
           %(deep)s AND coalesce({norm}(t.{column}) = 0, false) AS zero,
           %(deep)s AND coalesce(vector_dims(t.{column}) <> %(width)s, false) AS broken
    FROM {rows} s JOIN {source} t ON {match})
SELECT count(*) FILTER (WHERE wanted), count(*) FILTER (WHERE held),
       count(*) FILTER (WHERE wanted AND NOT held AND NOT excused),
       count(*) FILTER (WHERE held AND NOT wanted AND NOT excused),
       0, (SELECT count(*) FROM owed),
       count(*) FILTER (WHERE zero), count(*) FILTER (WHERE broken),
       (array_agg(to_json(ARRAY[{as_text}])) FILTER (
           WHERE zero OR broken OR (NOT excused AND wanted <> held)))[1:5]
FROM judged;

-- name: nothing_owed
-- Stands in for the outbox before anything is captured.
(SELECT {nulls} WHERE false)

-- name: search
-- The pointer's generation rides along with the hits: the reader learns of a cutover without asking. One row comes back
-- even where there is no hit.
SELECT a.generation, h.*
FROM transvase_control.alias a LEFT JOIN LATERAL (
    SELECT {vector} {operator} {query} AS distance, s.body, {columns}
    FROM {relation}
    WHERE {vector} IS NOT NULL{filter}
    ORDER BY ({vector} {operator} {query}){exact}
    LIMIT {k}
) h ON true
WHERE a.name = {alias};

-- name: reads
-- Scans of an approximate index (of a partitioned one: of its parts), and when the last one was. That a server before 16 does
-- not keep, so the column is asked for by name. Where there was none, silence means something only since the statistics were
-- last thrown away: by hand, or by a crash, which shows in the archiver's alone.
SELECT coalesce(sum(s.idx_scan), 0)::bigint,
       extract(epoch FROM clock_timestamp() - max((to_jsonb(s) ->> 'last_idx_scan')::timestamptz))::float8,
       extract(epoch FROM clock_timestamp() - greatest(
           (SELECT d.stats_reset FROM pg_stat_database d WHERE d.datname = current_database()),
           (SELECT a.stats_reset FROM pg_stat_archiver a)))::float8,
       coalesce(bool_and(to_jsonb(s) ? 'last_idx_scan'), false)
FROM pg_stat_user_indexes s
WHERE s.indexrelid IN (SELECT unnest(%(oids)s::oid[])
                       UNION SELECT t.relid FROM unnest(%(oids)s::oid[]) o, pg_partition_tree(o::regclass) t);

-- name: building
-- What a build of an index on this table is doing now.
SELECT phase, CASE WHEN tuples_total > 0 THEN tuples_done ELSE blocks_done END,
       CASE WHEN tuples_total > 0 THEN tuples_total ELSE blocks_total END
FROM pg_stat_progress_create_index WHERE relid = %(table)s::text::regclass;
