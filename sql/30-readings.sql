-- Readings, and the status of each node with the counters that the next
-- reading is reckoned from.

CREATE TABLE tribe_power_metrics (
    node_name text NOT NULL,
    node_ip text,
    "timestamp" timestamptz NOT NULL,
    cpu_power_watts real,
    cpu_temp_celsius real,
    cpu_utilization real,
    gpu_power_watts real,
    gpu_temp_celsius real,
    gpu_utilization real,
    memory_used_gb real,
    memory_total_gb real,
    total_power_watts real,
    raw_data jsonb,
    dram_power_watts real,
    platform_power_watts real,
    interval_seconds double precision,
    energy_joules double precision,
    energy_quality text,
    rebooted boolean NOT NULL DEFAULT false,
    problems jsonb,
    CONSTRAINT tribe_power_metrics_pkey PRIMARY KEY (node_name, "timestamp")
);
CREATE INDEX tribe_power_metrics_timestamp_idx ON tribe_power_metrics ("timestamp");

COMMENT ON TABLE tribe_power_metrics IS
'One row a reading. A number that is not known is NULL, never 0; problems says why.';
COMMENT ON COLUMN tribe_power_metrics.node_name IS 'The node, as registered.';
COMMENT ON COLUMN tribe_power_metrics.node_ip IS 'The numeric address that was connected to.';
COMMENT ON COLUMN tribe_power_metrics."timestamp" IS 'When the reading reached the hub, by the hub''s clock: the end of the interval that it covers.';
COMMENT ON COLUMN tribe_power_metrics.cpu_power_watts IS 'CPU packages together, W, mean over interval_seconds.';
COMMENT ON COLUMN tribe_power_metrics.cpu_temp_celsius IS 'The hottest CPU package, °C.';
COMMENT ON COLUMN tribe_power_metrics.cpu_utilization IS 'CPU time not idle, %, over the time since the node''s reading before.';
COMMENT ON COLUMN tribe_power_metrics.gpu_power_watts IS 'GPUs together, W.';
COMMENT ON COLUMN tribe_power_metrics.gpu_temp_celsius IS 'The hottest GPU, °C.';
COMMENT ON COLUMN tribe_power_metrics.gpu_utilization IS 'Mean over the GPUs, %.';
COMMENT ON COLUMN tribe_power_metrics.memory_used_gb IS 'Memory in use (total less available), GiB.';
COMMENT ON COLUMN tribe_power_metrics.memory_total_gb IS 'Memory, GiB.';
COMMENT ON COLUMN tribe_power_metrics.total_power_watts IS
'CPU packages, DRAM and discrete GPUs, W (macOS: the combined figure). NULL if a part that is expected is missing.';
COMMENT ON COLUMN tribe_power_metrics.raw_data IS 'What the node answered: raw counters at both ends of the short window, its own clock, every sensor.';
COMMENT ON COLUMN tribe_power_metrics.dram_power_watts IS 'Memory, W, mean over interval_seconds.';
COMMENT ON COLUMN tribe_power_metrics.platform_power_watts IS 'The whole machine, W, where something measures it; contains the others and is never added to them.';
COMMENT ON COLUMN tribe_power_metrics.interval_seconds IS 'The time that power is a mean over and energy is for, s, by the node''s clock; it ends at timestamp.';
COMMENT ON COLUMN tribe_power_metrics.energy_joules IS 'Energy used in that interval, J; NULL where it is not known.';
COMMENT ON COLUMN tribe_power_metrics.energy_quality IS
'counter: all from energy counters, exact; sampled: some of it integrated from power samples; window: the mean of a short window stood in. NULL where energy is.';
COMMENT ON COLUMN tribe_power_metrics.rebooted IS 'The node was restarted since its reading before.';
COMMENT ON COLUMN tribe_power_metrics.problems IS
'Section to reason (absent, denied, asleep, stale, timeout, error, implausible, ambiguous_wrap, incomplete); NULL when all is well. tribe_power_remedy(section, reason) says what to do.';

SELECT pg_catalog.pg_extension_config_dump('tribe_power_metrics', '');

-- Updated at every poll: room in each page keeps the updates off the index.
CREATE TABLE tribe_power_node_status (
    node_name text NOT NULL,
    last_attempt timestamptz,
    last_success timestamptz,
    last_outcome text NOT NULL DEFAULT 'never',
    last_error text,
    failures integer NOT NULL DEFAULT 0,
    next_attempt timestamptz,
    elapsed_ms integer,
    last_reading timestamptz,
    counters bytea,
    CONSTRAINT tribe_power_node_status_pkey PRIMARY KEY (node_name)
) WITH (fillfactor = 45);

COMMENT ON TABLE tribe_power_node_status IS
'How each node''s polls go. Written by the worker and tribe_power_collect(); its row lock keeps two of them from counting the same energy.';
COMMENT ON COLUMN tribe_power_node_status.node_name IS 'The node, as registered.';
COMMENT ON COLUMN tribe_power_node_status.last_attempt IS 'When the last poll ended; NULL: never polled.';
COMMENT ON COLUMN tribe_power_node_status.last_success IS 'When the last good poll ended; NULL: never.';
COMMENT ON COLUMN tribe_power_node_status.last_outcome IS 'read, or why the last poll gave no report.';
COMMENT ON COLUMN tribe_power_node_status.last_error IS 'The last poll''s error in words; NULL if it went well.';
COMMENT ON COLUMN tribe_power_node_status.failures IS 'Failed polls in a row.';
COMMENT ON COLUMN tribe_power_node_status.next_attempt IS 'The worker''s next poll is at the first slot from here on; NULL: the next slot.';
COMMENT ON COLUMN tribe_power_node_status.elapsed_ms IS 'How long the last poll took, ms.';
COMMENT ON COLUMN tribe_power_node_status.last_reading IS 'timestamp of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.counters IS 'The counters of the newest reading, in a form of the library''s own; NULL makes the next reading a first one.';

SELECT pg_catalog.pg_extension_config_dump('tribe_power_node_status', '');

