-- The control rows: which index an alias names, and what each index is.

-- name: names
SELECT name FROM transvase_control.alias ORDER BY name;

-- name: load
-- Everything that is known of one alias, and of its table as it is now.
SELECT a.name, a.number, n.nspname, c.relname, a.key_columns,
       ARRAY(SELECT t.typname::text FROM unnest(a.key_columns) WITH ORDINALITY k (name, ord)
             JOIN pg_attribute f ON f.attrelid = a.relation AND f.attname = k.name AND NOT f.attisdropped
             JOIN pg_type t ON t.oid = f.atttypid ORDER BY k.ord),
       a.text_expression, a.vector_column,
       ARRAY(SELECT f.attname::text FROM pg_attribute f
             WHERE f.attrelid = a.relation AND f.attnum > 0 AND NOT f.attisdropped AND f.attname <> a.vector_column
             ORDER BY f.attnum),
       a.live, a.shadow, a.generation,
       (SELECT number FROM transvase_control.edition),
       EXISTS (SELECT FROM pg_attribute f
               WHERE f.attrelid = a.relation AND f.attname = a.vector_column AND NOT f.attisdropped AND NOT f.attnotnull),
       to_regclass(format('transvase_control.outbox_%%s', a.number)) IS NOT NULL,
       (SELECT json_agg(json_build_array(i.name, i.space, i.encoder, i.text_expression, i.width, i.metric, i.form, i.adopted,
                                          i.shares))
        FROM transvase_control.index i WHERE i.alias = a.name)
FROM transvase_control.alias a
LEFT JOIN pg_class c ON c.oid = a.relation
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE a.name = %(alias)s;

-- name: adopt_alias
INSERT INTO transvase_control.alias (name, relation, key_columns, text_expression, vector_column, live)
VALUES (%(alias)s, %(relation)s::text::regclass, %(key)s, %(text)s, %(vector)s, %(live)s);

-- name: declare
INSERT INTO transvase_control.index (name, alias, space, encoder, text_expression, width, metric, form, adopted, shares)
VALUES (%(name)s, %(alias)s, %(space)s, %(encoder)s, %(text)s, %(width)s, %(metric)s, %(form)s, %(adopted)s, %(shares)s)
ON CONFLICT (name) DO NOTHING;

-- name: begin_place
INSERT INTO transvase_control.place (index) VALUES (%(name)s) ON CONFLICT DO NOTHING;

-- name: set_shadow
-- Says that a second index is kept beside the live one; readers learn of it by the generation.
UPDATE transvase_control.alias SET shadow = %(shadow)s, generation = generation + 1
WHERE name = %(alias)s AND shadow IS DISTINCT FROM %(shadow)s;

-- name: point
-- The cutover: one row, if nobody changed it since it was read.
UPDATE transvase_control.alias SET live = %(index)s, shadow = live, generation = generation + 1
WHERE name = %(alias)s AND generation = %(expect)s AND shadow = %(index)s;

-- name: generation
SELECT generation FROM transvase_control.alias WHERE name = %(alias)s;

-- name: undeclare
DELETE FROM transvase_control.index WHERE name = %(name)s;

-- name: occupant
-- Whose vectors lie at a site, under whatever name they are served.
SELECT a.name FROM transvase_control.alias a JOIN transvase_control.index i ON i.name IN (a.live, a.shadow)
WHERE %(site)s = CASE i.shares WHEN '' THEN i.name ELSE i.shares END LIMIT 1;

-- name: owner
SELECT name FROM transvase_control.alias WHERE live = %(index)s OR shadow = %(index)s;
