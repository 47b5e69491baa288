\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- The registry: what fits is taken, what a person mistyped is refused with a hint.
SELECT plan(48);

INSERT INTO tribe_power_nodes (node_name, address) VALUES ('plain', '192.0.2.1');
SELECT results_eq(
    $$SELECT port, ssh_user, node_type, enabled, identity_file, host_key, poll_interval, tags
      FROM tribe_power_nodes WHERE node_name = 'plain'$$,
    $$VALUES (22, NULL::text, 'auto'::text, true, NULL::text, NULL::text, NULL::interval, '{}'::text[])$$,
    'a name and an address are enough');

SELECT lives_ok(format('INSERT INTO tribe_power_nodes (node_name, address) VALUES (%L, %L)', 'addr ' || a, a),
                'address ' || a)
FROM unnest(ARRAY['bluefin', 'node-1.rack_2.example.org', '127.0.0.1', '::1', 'fe80::1%eth0']) a;

SELECT refused(format('INSERT INTO tribe_power_nodes (node_name, address) VALUES (''n'', %L)', a),
               '23514', 'invalid address: %', '%IPv6 address%', 'no address: ' || quote_literal(a))
FROM unnest(ARRAY['', 'user@host', '[::1]', 'host:22 ', '-oProxyCommand=x', 'a;b', E'a\tb', repeat('a', 256)]) a;

SELECT refused(format('INSERT INTO tribe_power_nodes (node_name, address) VALUES (%L, ''h'')', n),
               '23514', 'invalid node_name: %', '%1 to 255 bytes%', 'no name: ' || quote_literal(left(n, 8)))
FROM unnest(ARRAY['', E'a\tb', E'a\u009bb', repeat('n', 256), repeat('ä', 128)]) n;
SELECT lives_ok($$INSERT INTO tribe_power_nodes (node_name, address) VALUES ('Werkbank Süd "1"', 'h')$$,
                'any printable name');
SELECT refused($$INSERT INTO tribe_power_nodes (node_name, address) VALUES ('plain', 'h')$$,
               '23505', '%tribe_power_nodes_pkey%', '%', 'one row a name');
SELECT refused($$INSERT INTO tribe_power_nodes (node_name) VALUES ('n')$$,
               '23502', '%address%', '%', 'an address is needed');

SELECT lives_ok(format('UPDATE tribe_power_nodes SET port = %s', p), 'port ' || p)
FROM unnest(ARRAY[1, 65535]) p;
SELECT refused(format('UPDATE tribe_power_nodes SET port = %s', p),
               '23514', 'invalid port: %', '%1 to 65535%', 'no port: ' || p)
FROM unnest(ARRAY[0, -22, 65536]) p;

SELECT refused(format('UPDATE tribe_power_nodes SET ssh_user = %L', u),
               '23514', 'invalid ssh_user: %', '%login name%', 'no login: ' || quote_literal(left(u, 8)))
FROM unnest(ARRAY['', 'a b', '-l', E'a\u0001', repeat('u', 65)]) u;

SELECT lives_ok(format('UPDATE tribe_power_nodes SET node_type = %L', t), 'type ' || t)
FROM unnest(ARRAY['auto', 'linux_intel', 'linux_nvidia', 'linux_amd', 'macos']) t;
SELECT refused(format('UPDATE tribe_power_nodes SET node_type = %L', t),
               '23514', 'invalid node_type: %', '%linux_amd or macos%', 'no type: ' || quote_literal(t))
FROM unnest(ARRAY['', 'linux', 'MACOS']) t;

SELECT refused($$UPDATE tribe_power_nodes SET identity_file = 'id_ed25519'$$,
               '23514', 'invalid identity_file: %', '%absolute path%', 'a relative path is no key file');

SELECT lives_ok(format('UPDATE tribe_power_nodes SET poll_interval = %L', i), 'interval ' || i)
FROM unnest(ARRAY['1 second', '1 day']) i;
SELECT refused(format('UPDATE tribe_power_nodes SET poll_interval = %L', i),
               '23514', 'invalid poll_interval: %', '%whole seconds%', 'no interval: ' || i)
FROM unnest(ARRAY['0', '-5 min', '1.5 s', '1 month', '1 day 1 s']) i;

SELECT * FROM finish();
ROLLBACK;
