-- The memory of migrations, and the audit log.

-- name: load
SELECT attempt, version, phase, facts FROM transvase_control.migration WHERE alias = %(alias)s ORDER BY attempt DESC LIMIT 1;

-- name: begin
INSERT INTO transvase_control.migration (alias, attempt, version, phase, facts)
VALUES (%(alias)s, %(attempt)s, %(version)s, %(phase)s, %(facts)s) ON CONFLICT DO NOTHING;

-- name: save
UPDATE transvase_control.migration SET version = %(version)s, phase = %(phase)s, facts = %(facts)s
WHERE alias = %(alias)s AND attempt = %(attempt)s AND version = %(expect)s;

-- name: note
INSERT INTO transvase_control.event (alias, who, what, facts)
VALUES (%(alias)s, format('%%s@%%s', session_user, coalesce(host(inet_client_addr()), 'local')), %(what)s, %(facts)s);

-- name: history
SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), who, what, facts
FROM transvase_control.event WHERE alias = %(alias)s ORDER BY id;
