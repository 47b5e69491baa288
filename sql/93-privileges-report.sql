-- The page and its data are results; what they are made of is the owner's.

REVOKE ALL ON FUNCTION tribe_power_report_range(timestamptz, timestamptz),
    tribe_power_report_plan(timestamptz, timestamptz),
    tribe_power_report_cells(timestamptz, timestamptz, text, integer, integer),
    tribe_power_report_now(), tribe_power_report_offsets(timestamptz, timestamptz),
    tribe_power_report_days(timestamptz, timestamptz), tribe_power_report_week(timestamptz, timestamptz),
    tribe_power_report_cost(timestamptz, timestamptz), tribe_power_report_events(timestamptz, timestamptz),
    tribe_power_report_problems(), tribe_power_report_series(timestamptz, timestamptz, text, integer, integer),
    tribe_power_report_data(timestamptz, timestamptz), tribe_power_report_escape(text),
    tribe_power_report_file(text), tribe_power_report(timestamptz, timestamptz),
    tribe_power_spark(text, interval, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tribe_power_report_data(timestamptz, timestamptz),
    tribe_power_report(timestamptz, timestamptz), tribe_power_spark(text, interval, integer) TO pg_monitor;
