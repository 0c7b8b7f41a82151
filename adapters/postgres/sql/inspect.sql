-- Looks at what is to be adopted. Nothing here writes.

-- name: extension
SELECT extversion FROM pg_extension WHERE extname = 'vector';

-- name: server
SELECT current_setting('server_version_num')::integer, current_setting('server_version');

-- name: table
-- The table by the name the operator gave, through the search path where it has no schema.
SELECT c.oid::bigint, n.nspname, c.relname, c.relkind, pg_has_role(c.relowner, 'USAGE'), row_security_active(c.oid),
       has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'UPDATE'),
       has_database_privilege(current_database(), 'CREATE'), pg_get_userbyid(c.relowner), current_user
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%(table)s);

-- name: restricted
-- Whether row-level security hides rows of a table from the role that asks.
SELECT row_security_active(%(table)s::text::regclass), current_user;

-- name: similar_tables
SELECT format('%%s.%%s', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'transvase_control')
ORDER BY lower(c.relname) = lower(%(name)s) DESC, 1 LIMIT 5;

-- name: columns
SELECT f.attname, t.typname, f.atttypmod, f.attnotnull
FROM pg_attribute f JOIN pg_type t ON t.oid = f.atttypid
WHERE f.attrelid = %(oid)s AND f.attnum > 0 AND NOT f.attisdropped ORDER BY f.attnum;

-- name: unique_keys
-- The column sets over which a valid, complete unique index stands.
SELECT ARRAY(SELECT f.attname::text FROM unnest(i.indkey::smallint[]) k JOIN pg_attribute f
             ON f.attrelid = i.indrelid AND f.attnum = k ORDER BY 1)
FROM pg_index i
WHERE i.indrelid = %(oid)s AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
  AND i.indnkeyatts = i.indnatts;

-- name: ann_index
-- Valid approximate indexes over one column: method, operator class, options.
SELECT c.oid::bigint, c.relname, m.amname, o.opcname, coalesce(c.reloptions, '{}')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
JOIN pg_opclass o ON o.oid = i.indclass[0]
JOIN pg_attribute f ON f.attrelid = i.indrelid AND f.attnum = i.indkey[0]
WHERE i.indrelid = %(oid)s AND f.attname = %(column)s AND i.indisvalid AND i.indisready
  AND m.amname IN ('hnsw', 'ivfflat') AND i.indpred IS NULL
ORDER BY m.amname, c.relname;

-- name: inherited
-- Whether other tables inherit from this one (partitions apart): no trigger of its own fires for their rows.
SELECT EXISTS (SELECT FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhparent WHERE h.inhparent = %(oid)s AND c.relkind = 'r');

-- name: subscribed
-- Whether logical replication applies changes to this table, or it is stored in parts: then capture goes row by row.
SELECT EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = %(oid)s)
    OR (SELECT relkind = 'p' OR relhassubclass FROM pg_class WHERE oid = %(oid)s);
