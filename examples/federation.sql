-- The federation: five nodes with their addresses, types and power budgets (W).
--
--   psql -d zammad_production -f examples/federation.sql
--
-- Run it as the extension's owner, after CREATE EXTENSION tribe_power.  Running
-- it again brings these nodes back to what is written here and leaves the
-- identity files, host keys and whatever else was set by hand alone.
--
-- A sixth node is one line more.  Host keys are looked up in
-- tribe_power.known_hosts_file unless host_key is set, for instance with the
-- output of
--   ssh-keyscan -t ed25519 192.168.132.223
-- once it has been compared with the key on the node itself.

INSERT INTO tribe_power_nodes
       (node_name, address, ssh_user, node_type,
        budget_idle_watts, budget_typical_watts, budget_peak_watts)
VALUES ('bluefin',  '192.168.132.222', 'dereadi', 'linux_intel',  30, 50, 150),
       ('redfin',   '192.168.132.223', 'dereadi', 'linux_nvidia', 40, 80, 350),
       ('greenfin', '192.168.132.224', 'dereadi', 'linux_amd',    20, 35, 100),
       ('sasass',   '192.168.132.241', 'dereadi', 'macos',        15, 30,  75),
       ('sasass2',  '192.168.132.242', 'dereadi', 'macos',        15, 30,  75)
ON CONFLICT (node_name) DO UPDATE
   SET address = excluded.address,
       ssh_user = excluded.ssh_user,
       node_type = excluded.node_type,
       budget_idle_watts = excluded.budget_idle_watts,
       budget_typical_watts = excluded.budget_typical_watts,
       budget_peak_watts = excluded.budget_peak_watts;
