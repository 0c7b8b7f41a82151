-- A search by vector and by words in one statement, and with that in one snapshot.

-- name: indexes
-- GIN indexes over a tsvector of the table: what they hold, as SQL; whether it is a column; what generates that; and where
-- the planner's statistics of it are.
SELECT pg_get_indexdef(i.indexrelid, p.n, true), f.attname IS NOT NULL, coalesce(pg_get_expr(d.adbin, d.adrelid), ''),
       coalesce(f.attrelid, i.indexrelid)::regclass::oid, coalesce(f.attname, a.attname)::text
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am m ON m.oid = c.relam AND m.amname = 'gin'
CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) p (n)
JOIN pg_opclass o ON o.oid = i.indclass[p.n - 1] AND o.opcname = 'tsvector_ops'
JOIN pg_attribute a ON a.attrelid = i.indexrelid AND a.attnum = p.n
LEFT JOIN pg_attribute f ON f.attrelid = i.indrelid AND f.attnum = i.indkey[p.n - 1] AND f.attnum > 0
LEFT JOIN pg_attrdef d ON d.adrelid = f.attrelid AND d.adnum = f.attnum
WHERE i.indrelid = %(table)s AND i.indisvalid AND i.indpred IS NULL
ORDER BY c.relname, p.n;

-- name: frequent
-- How large a share of the records has each of the commonest words, as the last ANALYZE found.
SELECT u.word, u.share::float8 AS share
FROM pg_stats t
JOIN pg_class c ON c.oid = {owner} AND c.relname = t.tablename AND c.relnamespace = to_regnamespace(quote_ident(t.schemaname))
CROSS JOIN LATERAL unnest(t.most_common_elems::text::text[], t.most_common_elem_freqs) u (word, share)
WHERE t.attname = {column} AND t.inherited = (c.relkind = 'p') AND u.word IS NOT NULL

-- name: none_frequent
SELECT NULL::text AS word, NULL::float8 AS share WHERE false

-- name: by_index
-- One look into the index for each word.
SELECT w.place, {s_ks} FROM wanted w JOIN {rows} ON s.words @@ w.query{filter}

-- name: by_scan
-- Every text is taken apart, once.
SELECT p.place, {s_ks}
FROM {rows}
CROSS JOIN LATERAL (SELECT to_tsvector({config}, s.body) AS words OFFSET 0) v
CROSS JOIN LATERAL (SELECT w.place FROM wanted w WHERE v.words @@ w.query OFFSET 0) p
WHERE true{filter}

-- name: by_rarity
SELECT * FROM likely ORDER BY score DESC, {ks} LIMIT {depth}

-- name: by_rank
-- How often a word occurs counts where the words need not be taken from the text anew.
SELECT {s_ks}, (SELECT sum(r.weight * ts_rank(s.words, r.query)) FROM rarity r) AS score
FROM likely l JOIN {rows} ON {l_match} ORDER BY score DESC, {s_ks} LIMIT {depth}

-- name: hybrid
-- A word counts by how rare it is (the weight is that of BM25). The commonest are not asked for while there are others.
WITH frequent AS MATERIALIZED ({frequent}),
size AS MATERIALIZED (SELECT greatest(reltuples, 1)::float8 AS records FROM pg_class WHERE oid = {table}),
asked AS (
    SELECT ('''' || replace(replace(l.lexeme, chr(92), repeat(chr(92), 2)), '''', '''''') || '''')::tsquery AS query, l.lexeme,
           coalesce(f.share, (SELECT min(share) FROM frequent), 0) AS share
    FROM unnest(to_tsvector({config}, %(text)s)) l LEFT JOIN frequent f ON f.word = l.lexeme),
placed AS (
    SELECT query, share, sum(share) OVER up AS upto, row_number() OVER up AS place
    FROM asked WINDOW up AS (ORDER BY share, lexeme)),
wanted AS MATERIALIZED (
    SELECT query, place FROM placed, size
    WHERE place = 1 OR (share <= {often} AND (upto - share) * records <= {most})),
pairs AS MATERIALIZED ({pairs}),
rarity AS MATERIALIZED (
    SELECT w.place, w.query, ln(1 + (greatest(records, n) - n + 0.5) / (n + 0.5)) AS weight
    FROM (SELECT place, count(*) AS n FROM pairs GROUP BY place) c JOIN wanted w USING (place) CROSS JOIN size),
likely AS MATERIALIZED (
    SELECT {p_ks}, sum(r.weight) AS score FROM pairs p JOIN rarity r USING (place)
    GROUP BY {p_ks} ORDER BY score DESC, {p_ks} LIMIT {likely}),
worded AS MATERIALIZED ({worded}),
near AS MATERIALIZED (
    SELECT {s_ks}, {vector} {operator} {query} AS distance
    FROM {relation}
    WHERE {vector} IS NOT NULL{filter}
    ORDER BY {vector} {operator} {query}
    LIMIT {depth}),
given AS (
    SELECT {ks}, %(lexical)s::float8 * greatest({least}, coalesce(
        (score - min(score) OVER ()) / nullif(max(score) OVER () - min(score) OVER (), 0), 1)) AS share
    FROM worded
    UNION ALL
    SELECT {ks}, (1 - %(lexical)s::float8) * greatest({least}, coalesce(
        (max(distance) OVER () - distance) / nullif(max(distance) OVER () - min(distance) OVER (), 0), 1))
    FROM near WHERE distance < 'Infinity'),
best AS MATERIALIZED (
    SELECT {ks}, sum(share) AS together FROM given GROUP BY {ks} HAVING sum(share) > 0 ORDER BY together DESC, {ks} LIMIT {k})
SELECT a.generation, h.*
FROM transvase_control.alias a LEFT JOIN LATERAL (
    SELECT b.together, s.body, {columns}
    FROM best b JOIN {rows} ON {b_match}
    ORDER BY b.together DESC, {b_ks}
) h ON true
WHERE a.name = {alias};
