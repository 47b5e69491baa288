-- Reading results takes pg_monitor; the registry and polling are the owner's,
-- and whom the owner grants them.

REVOKE ALL ON FUNCTION tribe_power_aggregate(date), tribe_power_aggregate(date, date),
    tribe_power_collect(text[]), tribe_power_probe(text), tribe_power_scan(text),
    tribe_power_scan_host_key(text), tribe_power_trust_host_key(text, text),
    tribe_power_start_worker(), tribe_power_is_preloaded(), tribe_power_is_served(),
    tribe_power_key_file_state(text), tribe_power_examine(text[]),
    tribe_power_schedule(boolean), tribe_power_jobs(boolean), tribe_power_cron_schedule(interval), tribe_power_unschedule(), tribe_power_doctor(text),
    tribe_power_doctor_hub(), tribe_power_doctor_nodes(text), tribe_power_doctor_history(),
    tribe_power_key_file_remedy(text), tribe_power_rests(text, timestamptz),
    tribe_power_public_key(text), tribe_power_node_file(text), tribe_power_node_setup(text, boolean) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION tribe_power_is_preloaded(), tribe_power_is_served() TO pg_monitor;
GRANT SELECT ON tribe_power_metrics, tribe_power_daily, tribe_power_node_status,
    tribe_power_latest, tribe_power_gpus TO pg_monitor;

-- partitions are the owner's
REVOKE ALL ON FUNCTION tribe_power_partitions(), tribe_power_partition_width(),
    tribe_power_partition_range(timestamptz), tribe_power_make_partition(timestamptz),
    tribe_power_make_partitions() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tribe_power_partitions() TO pg_monitor;
REVOKE ALL ON FUNCTION tribe_power_keep_from(text), tribe_power_is_whole(timestamptz, timestamptz),
    tribe_power_totals(timestamptz, timestamptz, double precision) FROM PUBLIC;
