-- reference.sql: prints doc/reference.md from the catalog of a database that has the
-- extension and nothing else: each object with its COMMENT.  Run by psql -XAtq.
SET search_path = public, pg_catalog;

CREATE TEMP VIEW member AS
SELECT d.classid, d.objid
FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'tribe_power';

-- text for Markdown, in lines of its own
CREATE FUNCTION pg_temp.prose(t text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT replace(replace(replace(t, '\', '\\'), '<', '&lt;'), '*', '\*') $$;
CREATE FUNCTION pg_temp.cell(t text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT replace(replace(pg_temp.prose(coalesce(t, '')), '|', '\|'), E'\n', ' ') $$;

-- who but the owner may, in words
CREATE FUNCTION pg_temp.may(acl aclitem[], fallback aclitem[], privilege text) RETURNS text LANGUAGE sql STABLE AS
$$ SELECT coalesce(string_agg(CASE grantee WHEN 0 THEN 'everybody' ELSE grantee::regrole::text END, ', ' ORDER BY grantee <> 0, grantee::regrole::text), 'the owner')
   FROM aclexplode(coalesce(acl, fallback)) a
   WHERE a.privilege_type = privilege AND a.grantee::regrole::text <> 'postgres' AND a.grantee <> a.grantor $$;

SELECT E'# Reference\n\nMade from the comments in the database by `make reference`; do not edit. In psql the\nsame is shown by `\\d+`, `\\df+` and `\\dconfig+ tribe_power.*`.\n\n'
    || E'[Functions](#functions) · [Tables](#tables) · [Views](#views) · [Settings](#settings)\n';

SELECT E'## Functions\n';
-- those that people call; helpers are below
SELECT string_agg(format(E'### %s\n\n```text\n%s(%s)\n    → %s\n```\n\n%s\n\nMay be called by: %s.\n',
           p.proname, p.proname, pg_get_function_arguments(p.oid), result, pg_temp.prose(obj_description(p.oid, 'pg_proc')),
           pg_temp.may(p.proacl, acldefault('f', p.proowner), 'EXECUTE')), E'\n' ORDER BY p.proname, p.pronargs)
FROM member m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid,
LATERAL (SELECT CASE WHEN p.proretset OR 'o' = ANY (p.proargmodes) OR 't' = ANY (p.proargmodes)
                     THEN (SELECT CASE WHEN p.proretset THEN 'rows of ' ELSE '' END || coalesce('(' || string_agg(a.name || ' ' || format_type(a.type, NULL), ', ' ORDER BY a.n) || ')', pg_get_function_result(p.oid))
                           FROM unnest(p.proargnames, p.proallargtypes, p.proargmodes) WITH ORDINALITY a (name, type, mode, n)
                           WHERE a.mode IN ('o', 't'))
                     ELSE pg_get_function_result(p.oid) END AS result) r;

SELECT E'\n## Tables\n';
SELECT string_agg(format(E'### %s\n\n%s\n\nMay be read by: %s.\n\n| column | type | |\n|---|---|---|\n%s\n',
           c.relname, pg_temp.prose(obj_description(c.oid, 'pg_class')), pg_temp.may(c.relacl, acldefault('r', c.relowner), 'SELECT'), columns), E'\n' ORDER BY c.relname)
FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind IN ('r', 'p') AND NOT c.relispartition,
LATERAL (SELECT string_agg(format('| `%s` | %s%s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                    CASE WHEN a.attnotnull THEN ', not null' ELSE '' END, pg_temp.cell(col_description(c.oid, a.attnum))), E'\n' ORDER BY a.attnum) AS columns
         FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) l;

SELECT E'\n## Views\n';
SELECT string_agg(format(E'### %s\n\n%s\n\nMay be read by: %s.\n\n| column | type | |\n|---|---|---|\n%s\n',
           c.relname, pg_temp.prose(obj_description(c.oid, 'pg_class')), pg_temp.may(c.relacl, acldefault('r', c.relowner), 'SELECT'), columns), E'\n' ORDER BY c.relname)
FROM member m JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind IN ('v', 'm'),
LATERAL (SELECT string_agg(format('| `%s` | %s | %s |', a.attname, format_type(a.atttypid, a.atttypmod),
                    pg_temp.cell(col_description(c.oid, a.attnum))), E'\n' ORDER BY a.attnum) AS columns
         FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) l;

SELECT E'\n## Settings\n\n[Settings](settings.md) explains them.\n';
LOAD 'tribe_power';
SELECT string_agg(format(E'### %s\n\n```text\n%s, default %s%s%s\n```\n\n%s\n', name, vartype,
           CASE WHEN boot_val = '' THEN 'empty' ELSE boot_val END, coalesce(' ' || unit, ''),
           CASE WHEN enumvals IS NOT NULL THEN ' (' || array_to_string(enumvals, ', ') || ')'
                WHEN vartype IN ('integer', 'real') THEN format(' (%s to %s)', min_val, max_val) ELSE '' END
           || CASE context WHEN 'superuser' THEN '; also by SET, for superusers' WHEN 'sighup' THEN '; configuration file' ELSE '; ' || context END,
           pg_temp.prose(concat_ws(' ', short_desc, extra_desc))), E'\n' ORDER BY name)
FROM pg_settings WHERE name LIKE 'tribe\_power.%';
