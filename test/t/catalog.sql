-- Everything that the catalog says about the extension, a line each: what must be
-- the same after ALTER EXTENSION UPDATE as after CREATE EXTENSION.
WITH member AS (
    SELECT d.classid, d.objid FROM pg_depend d
    JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
    WHERE e.extname = 'tribe_power' AND d.deptype = 'e'
), relation AS (
    SELECT c.* FROM pg_class c JOIN member m ON m.objid = c.oid AND m.classid = 'pg_class'::regclass
), named AS (
    SELECT m.*, i.type || ' ' || i.identity AS name FROM member m,
        LATERAL pg_identify_object(m.classid, m.objid, 0) i
), grants (name, acl, kind) AS (
    SELECT n.name, p.proacl, 'f'::"char" FROM named n JOIN pg_proc p ON p.oid = n.objid AND n.classid = 'pg_proc'::regclass
    UNION ALL
    SELECT n.name, r.relacl, 'r' FROM named n JOIN relation r ON r.oid = n.objid AND n.classid = 'pg_class'::regclass
    UNION ALL
    SELECT r.oid::regclass || '.' || a.attname, a.attacl, 'c' FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid
    UNION ALL
    SELECT 'initially ' || n.name || coalesce(a.attname, ''), i.initprivs, 'r' FROM named n
    JOIN pg_init_privs i ON i.objoid = n.objid AND i.classoid = n.classid
    LEFT JOIN pg_attribute a ON a.attrelid = i.objoid AND a.attnum = i.objsubid AND i.objsubid > 0
)
SELECT 'member', name, '' FROM named
UNION ALL
SELECT 'extension', e.extname, concat_ws(' ', e.extrelocatable, e.extnamespace::regnamespace, e.extowner::regrole)
FROM pg_extension e WHERE e.extname = 'tribe_power'
UNION ALL
SELECT 'dumped', t.oid::regclass::text, e.extcondition[t.i]
FROM pg_extension e, unnest(e.extconfig) WITH ORDINALITY t (oid, i) WHERE e.extname = 'tribe_power'
UNION ALL
SELECT 'function', n.name, concat_ws(' ', p.proowner::regrole, p.procost, p.prorows, CASE WHEN p.prokind = 'a' THEN p.proname ELSE pg_get_functiondef(p.oid) END)
FROM named n JOIN pg_proc p ON p.oid = n.objid AND n.classid = 'pg_proc'::regclass
UNION ALL
SELECT 'grant', g.name, concat_ws(' ', a.grantee::regrole, a.privilege_type, a.is_grantable, a.grantor::regrole)
FROM grants g, aclexplode(g.acl) a
UNION ALL
SELECT 'granted', g.name, 'by default' FROM grants g WHERE g.acl IS NULL AND g.kind <> 'c'
UNION ALL
SELECT 'relation', r.oid::regclass::text, concat_ws(' ', r.relkind, r.relpersistence, r.relowner::regrole, r.relreplident, r.relrowsecurity,
    r.relforcerowsecurity, (SELECT a.amname FROM pg_am a WHERE a.oid = r.relam), array_to_string(r.reloptions, ' '),
    pg_get_partkeydef(r.oid), pg_get_expr(r.relpartbound, r.oid))
FROM relation r
UNION ALL
SELECT 'column', r.oid::regclass::text || '.' || a.attname,
    concat_ws(' ', rank() OVER (PARTITION BY r.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, a.attcompression,
              a.attstattarget, a.attidentity, a.attgenerated, a.attcollation::regcollation,
              -- but for the stamp that some servers put there by themselves
              (SELECT string_agg(o, ' ') FROM unnest(a.attoptions) o WHERE o !~ '^pg_attver='),
              'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid))
FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT 'constraint', r.oid::regclass || '.' || c.conname, concat_ws(' ', pg_get_constraintdef(c.oid), c.convalidated, c.coninhcount)
FROM relation r JOIN pg_constraint c ON c.conrelid = r.oid
UNION ALL
SELECT 'index', r.oid::regclass::text, concat_ws(' ', pg_get_indexdef(i.indexrelid), i.indisvalid, i.indisclustered, i.indisreplident)
FROM relation r JOIN pg_index i ON i.indrelid = r.oid
UNION ALL
SELECT 'view', r.oid::regclass::text, pg_get_viewdef(r.oid) FROM relation r WHERE r.relkind IN ('v', 'm')
UNION ALL
SELECT 'trigger', r.oid::regclass::text, pg_get_triggerdef(t.oid) FROM relation r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
UNION ALL
SELECT 'policy', r.oid::regclass::text, concat_ws(' ', p.polname, p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM relation r JOIN pg_policy p ON p.polrelid = r.oid
UNION ALL
SELECT 'rule', r.oid::regclass::text, pg_get_ruledef(w.oid) FROM relation r JOIN pg_rewrite w ON w.ev_class = r.oid AND r.relkind NOT IN ('v', 'm')
UNION ALL
SELECT 'statistics', r.oid::regclass::text, pg_get_statisticsobjdef(s.oid) FROM relation r JOIN pg_statistic_ext s ON s.stxrelid = r.oid
UNION ALL
SELECT 'inherits', i.inhrelid::regclass::text, i.inhparent::regclass::text FROM relation r JOIN pg_inherits i ON i.inhrelid = r.oid
UNION ALL
SELECT 'comment', n.name || coalesce('.' || a.attname, ''), c.description
FROM named n JOIN pg_description c ON c.objoid = n.objid AND c.classoid = n.classid
LEFT JOIN pg_attribute a ON n.classid = 'pg_class'::regclass AND a.attrelid = n.objid AND a.attnum = c.objsubid AND c.objsubid > 0
UNION ALL
SELECT 'comment', r.oid::regclass || ' constraint ' || k.conname, c.description
FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid JOIN pg_description c ON c.objoid = k.oid AND c.classoid = 'pg_constraint'::regclass
ORDER BY 1, 2, 3;
