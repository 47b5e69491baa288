-- The same for history: results are for pg_monitor to read, all else the owner's.

REVOKE ALL ON FUNCTION tribe_power_aggregate_hours(timestamptz, timestamptz), tribe_power_refresh(date),
    tribe_power_days_due(), tribe_power_has_partition(timestamptz), tribe_power_drop_partition(), tribe_power_drop_raw_data(),
    tribe_power_trim_totals(), tribe_power_upkeep(),
    tribe_power_energy(timestamptz, timestamptz, text, boolean) FROM PUBLIC;
GRANT SELECT ON tribe_power_hourly, tribe_power_fleet, tribe_power_monthly TO pg_monitor;
GRANT EXECUTE ON FUNCTION tribe_power_energy(timestamptz, timestamptz, text, boolean),
    tribe_power_timezone(), tribe_power_keep_from(text) TO pg_monitor;
REVOKE ALL ON FUNCTION tribe_power_import(regclass, regclass), tribe_power_import_number(text),
    tribe_power_import_json(text), tribe_power_import_epoch(double precision), tribe_power_import_time(text), tribe_power_import_column(regclass, text, text),
    tribe_power_import_check(regclass, text[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION tribe_power_add_up_late() FROM PUBLIC;
-- tribe_power_energy() is run with the rights of who calls it, and reckons with these
GRANT EXECUTE ON FUNCTION tribe_power_day_start(date), tribe_power_step_bounds(text, timestamptz) TO PUBLIC;
