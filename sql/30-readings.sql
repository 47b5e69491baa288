-- Readings, and the status of each node with the counters that the next
-- reading is reckoned from.
--
-- The table of readings has no key of its own: each partition has one, and is
-- no member of the extension.  So pg_dump carries partitions with their keys and
-- rows, and CREATE EXTENSION in the new place stands in the way of none.  Hence
-- this script makes no partition but the default; sql/45-storage.sql does.

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
    problems jsonb
) PARTITION BY RANGE ("timestamp");

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

-- Rows whose partition is not there yet; upkeep moves them to one.
CREATE TABLE tribe_power_metrics_default (LIKE tribe_power_metrics INCLUDING ALL);
ALTER TABLE tribe_power_metrics_default
    ADD CONSTRAINT tribe_power_metrics_default_pkey PRIMARY KEY ("timestamp", node_name);
CREATE INDEX tribe_power_metrics_default_long_idx ON tribe_power_metrics_default ("timestamp")
    WHERE interval_seconds > 900;
ALTER TABLE tribe_power_metrics ATTACH PARTITION tribe_power_metrics_default DEFAULT;
COMMENT ON TABLE tribe_power_metrics_default IS
'Readings whose partition of tribe_power_metrics is not there yet. Upkeep moves them; one that lies in the future stays.';
SELECT pg_catalog.pg_extension_config_dump('tribe_power_metrics_default', '');

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
    energy_joules double precision NOT NULL DEFAULT 0,
    energy_seconds double precision NOT NULL DEFAULT 0,
    total_power_watts real,
    cpu_power_watts real,
    gpu_power_watts real,
    dram_power_watts real,
    platform_power_watts real,
    cpu_temp_celsius real,
    gpu_temp_celsius real,
    cpu_utilization real,
    gpu_utilization real,
    memory_used_gb real,
    memory_total_gb real,
    problems jsonb,
    CONSTRAINT tribe_power_node_status_pkey PRIMARY KEY (node_name)
) WITH (fillfactor = 45);

COMMENT ON TABLE tribe_power_node_status IS
'How each node''s polls go, and its newest reading. Written by the worker and tribe_power_collect(); its row lock keeps two of them from counting the same energy.';
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
COMMENT ON COLUMN tribe_power_node_status.energy_joules IS 'All energy that its readings carried since this row was made, J: only grows, whatever retention deletes.';
COMMENT ON COLUMN tribe_power_node_status.energy_seconds IS 'The time that this energy was used in, s.';
COMMENT ON COLUMN tribe_power_node_status.total_power_watts IS 'Of the newest reading, as the columns below; see tribe_power_metrics. W.';
COMMENT ON COLUMN tribe_power_node_status.cpu_power_watts IS 'W, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.gpu_power_watts IS 'W, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.dram_power_watts IS 'W, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.platform_power_watts IS 'W, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.cpu_temp_celsius IS '°C, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.gpu_temp_celsius IS '°C, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.cpu_utilization IS '%, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.gpu_utilization IS '%, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.memory_used_gb IS 'GiB, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.memory_total_gb IS 'GiB, of the newest reading.';
COMMENT ON COLUMN tribe_power_node_status.problems IS 'Of the newest reading; NULL: all was well.';

SELECT pg_catalog.pg_extension_config_dump('tribe_power_node_status', '');

