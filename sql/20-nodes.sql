-- The registry: one row a node.  All that can be wrong in it is refused with a
-- hint; NULL means the setting of the same name.

CREATE TABLE tribe_power_nodes (
    node_name text NOT NULL,
    address text NOT NULL,
    port integer NOT NULL DEFAULT 22,
    ssh_user text,
    node_type text NOT NULL DEFAULT 'auto',
    enabled boolean NOT NULL DEFAULT true,
    identity_file text,
    host_key text,
    poll_interval interval,
    budget_idle_watts double precision,
    budget_typical_watts double precision,
    budget_peak_watts double precision,
    max_watts double precision,
    max_temp_celsius double precision,
    budget_month_kwh double precision,
    tariff text,
    carbon_region text,
    tags text[] NOT NULL DEFAULT '{}',
    CONSTRAINT tribe_power_nodes_pkey PRIMARY KEY (node_name),
    CONSTRAINT tribe_power_nodes_node_name_check
        CHECK (tribe_power_check('node_name', node_name)),
    CONSTRAINT tribe_power_nodes_address_check
        CHECK (tribe_power_check('address', address)),
    CONSTRAINT tribe_power_nodes_port_check
        CHECK (tribe_power_check('port', port::text)),
    CONSTRAINT tribe_power_nodes_ssh_user_check
        CHECK (tribe_power_check('ssh_user', ssh_user)),
    CONSTRAINT tribe_power_nodes_node_type_check
        CHECK (tribe_power_check('node_type', node_type)),
    CONSTRAINT tribe_power_nodes_identity_file_check
        CHECK (tribe_power_check('identity_file', identity_file)),
    CONSTRAINT tribe_power_nodes_host_key_check
        CHECK (tribe_power_check('host_key', host_key)),
    CONSTRAINT tribe_power_nodes_poll_interval_check
        CHECK (tribe_power_check('poll_interval', trim_scale(extract(epoch FROM poll_interval))::text)),
    CONSTRAINT tribe_power_nodes_budget_check
        CHECK (budget_idle_watts >= 0
               AND budget_typical_watts >= coalesce(budget_idle_watts, 0)
               AND budget_peak_watts >= coalesce(budget_typical_watts, budget_idle_watts, 0)),
    CONSTRAINT tribe_power_nodes_max_watts_check
        CHECK (max_watts > 0 AND max_watts < 'Infinity'),
    CONSTRAINT tribe_power_nodes_limits_check
        CHECK (max_temp_celsius > 0 AND max_temp_celsius < 'Infinity'
               AND budget_month_kwh > 0 AND budget_month_kwh < 'Infinity')
);

COMMENT ON TABLE tribe_power_nodes IS
'The nodes that are polled. INSERT INTO tribe_power_nodes (node_name, address) is enough where the settings fit; the worker takes it up at its next slot.';
COMMENT ON COLUMN tribe_power_nodes.node_name IS 'Name under which readings are stored; 1 to 255 bytes.';
COMMENT ON COLUMN tribe_power_nodes.address IS 'Host name, IPv4 or IPv6 address to connect to.';
COMMENT ON COLUMN tribe_power_nodes.port IS 'Port of the node''s sshd.';
COMMENT ON COLUMN tribe_power_nodes.ssh_user IS 'Login name on the node; NULL: tribe_power.ssh_user.';
COMMENT ON COLUMN tribe_power_nodes.node_type IS
'What is expected there: linux_intel (RAPL), linux_nvidia (RAPL and NVIDIA GPU), linux_amd (RAPL and AMD GPU), macos (powermetrics); a missing part is then a problem and the total is NULL. auto: whatever is found.';
COMMENT ON COLUMN tribe_power_nodes.enabled IS 'Whether the worker polls it.';
COMMENT ON COLUMN tribe_power_nodes.identity_file IS 'Path of the private key on the database server; NULL: tribe_power.identity_file.';
COMMENT ON COLUMN tribe_power_nodes.host_key IS
'The node''s public host keys, one a line, as in ssh_host_ed25519_key.pub or known_hosts. Any other key is refused. NULL: tribe_power.known_hosts_file is asked.';
COMMENT ON COLUMN tribe_power_nodes.poll_interval IS 'Time between two readings, whole seconds; NULL: tribe_power.interval.';
COMMENT ON COLUMN tribe_power_nodes.budget_idle_watts IS 'Power that it should draw when idle, W.';
COMMENT ON COLUMN tribe_power_nodes.budget_typical_watts IS 'Power that it should draw at its usual work, W.';
COMMENT ON COLUMN tribe_power_nodes.budget_peak_watts IS 'Power that it should never exceed, W; more is an alert.';
COMMENT ON COLUMN tribe_power_nodes.max_watts IS 'Power that it cannot exceed, W: more is implausible and not stored. NULL: 2000 W a device.';
COMMENT ON COLUMN tribe_power_nodes.max_temp_celsius IS 'Temperature of CPU or GPU above which there is an alert, °C; NULL: none.';
COMMENT ON COLUMN tribe_power_nodes.budget_month_kwh IS 'Energy of a calendar month above which there is an alert, kWh; NULL: none.';
COMMENT ON COLUMN tribe_power_nodes.tariff IS 'What its energy costs: a tariff of tribe_power_tariffs; NULL: the one named default.';
COMMENT ON COLUMN tribe_power_nodes.carbon_region IS 'Where its electricity comes from: a region of tribe_power_carbon; NULL: the one named default.';
COMMENT ON COLUMN tribe_power_nodes.tags IS 'For your own grouping.';

SELECT pg_catalog.pg_extension_config_dump('tribe_power_nodes', '');

