\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- Host keys in the registry: the forms that people paste, and nothing else.
SELECT plan(9);
INSERT INTO tribe_power_nodes (node_name, address) VALUES ('n', '192.0.2.1');
\set blob 'AAAAC3NzaC1lZDI1NTE5AAAAIKqL1y+uZKfgd6tMZU8wHqOBrD8zDgNc9yHqSp1n4Xsr'

CREATE FUNCTION tap.key(prefix text, suffix text) RETURNS text LANGUAGE sql AS
$$SELECT prefix || 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKqL1y+uZKfgd6tMZU8wHqOBrD8zDgNc9yHqSp1n4Xsr' || suffix$$;

SELECT lives_ok(format('UPDATE tribe_power_nodes SET host_key = %L', key), what)
FROM (VALUES (tap.key('', ''), 'type and key'),
             (tap.key('', ' root@node'), 'as in ssh_host_ed25519_key.pub'),
             (tap.key('[192.0.2.1]:2222 ', ''), 'as ssh-keyscan prints it'),
             (tap.key('', E'\n') || tap.key('', E'\n'), 'several lines')) v (key, what);

SELECT refused(format('UPDATE tribe_power_nodes SET host_key = %L', key),
               '23514', 'invalid host_key: %', '%ssh\_host\_*\_key.pub%', what)
FROM (VALUES ('', 'empty text is no key'),
             ('ssh-ed25519', 'a type alone is no key'),
             ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5', 'a key cut short is no key'),
             (E'-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA', 'a private key is no host key')) v (key, what);

SELECT refused(format('UPDATE tribe_power_nodes SET host_key = %L', repeat(tap.key('', E'\n'), 300)),
               '23514', 'invalid host_key: %', '%16383 bytes%', 'nor is a whole known_hosts file');

SELECT * FROM finish();
ROLLBACK;
