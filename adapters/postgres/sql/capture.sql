-- Capture: every write to the table leaves its key in the outbox, in the writer's own transaction.

-- name: outbox
-- Keys only, append only: no write of the application ever waits for a worker. All key columns NULL: the table was truncated.
-- "only" names the one index that an entry is still owed to.
CREATE TABLE IF NOT EXISTS {outbox} (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    {definitions},
    only_index text
);

-- name: by_statement
-- One pass over the transition tables. Values are compared, not column lists: what a BEFORE trigger changed is seen too.
-- A changed vector counts as well where the table's own column is kept, so that a stranger's vector is put right. Only who
-- belongs to the owner can say that it is the worker paying.
BEGIN
    IF current_setting('transvase.paying', true) = 'on' AND pg_has_role(session_user, current_user, 'MEMBER') THEN
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO {outbox} ({ks}) SELECT {own} FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO {outbox} ({ks}) SELECT {own} FROM old_rows;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO {outbox} ({ks})
        SELECT {n_ks} FROM {new_rows} n WHERE NOT EXISTS (
            SELECT 1 FROM {old_rows} o WHERE {match}
            AND o.body IS NOT DISTINCT FROM n.body AND o.held IS NOT DISTINCT FROM n.held)
        UNION ALL
        SELECT {o_ks} FROM {old_rows} o WHERE NOT EXISTS (SELECT 1 FROM {new_rows} n WHERE {match});
    ELSE
        INSERT INTO {outbox} DEFAULT VALUES;
    END IF;
    RETURN NULL;
END

-- name: by_row
-- The same for tables in parts and for a subscriber, whose apply worker fires row triggers only.
BEGIN
    IF current_setting('transvase.paying', true) = 'on' AND pg_has_role(session_user, current_user, 'MEMBER') THEN
        RETURN NULL;
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO {outbox} ({ks}) SELECT {own} FROM (SELECT NEW.*) new_row;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO {outbox} ({ks}) SELECT {own} FROM (SELECT OLD.*) old_row;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO {outbox} ({ks})
        SELECT {n_ks} FROM {new_row} n, {old_row} o WHERE NOT ({match}
            AND o.body IS NOT DISTINCT FROM n.body AND o.held IS NOT DISTINCT FROM n.held)
        UNION
        SELECT {o_ks} FROM {new_row} n, {old_row} o WHERE NOT ({match});
    ELSE
        INSERT INTO {outbox} DEFAULT VALUES;
    END IF;
    RETURN NULL;
END

-- name: function
-- Owned by the operator, so that an application needs no right on our tables.
CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path TO {path} AS {body};

-- name: present
-- Our triggers on the table, and how many of them fire always.
SELECT count(*) FILTER (WHERE tgenabled = 'A'), count(*)
FROM pg_trigger WHERE tgrelid = %(table)s::text::regclass AND tgname = ANY (%(names)s);

-- name: parts
-- The partitions of a table, at all levels. A TRUNCATE of one by its own name fires no trigger of the parent's.
SELECT n.nspname, c.relname FROM pg_partition_tree(%(table)s::text::regclass) p
JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.level > 0;

-- name: users
-- Every trigger that calls the function, wherever it is: a partition may have been detached since. Cloned ones go with their parent.
SELECT n.nspname, c.relname, t.tgname FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE t.tgfoid = to_regproc(%(function)s) AND t.tgparentid = 0;

-- name: path
-- The schemas in which an unqualified name of the text expression is looked up, temporary ones last.
SELECT array_append(array_remove(current_schemas(false)::text[], 'pg_temp'), 'pg_temp');
