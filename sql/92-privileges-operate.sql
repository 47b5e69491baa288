-- The same for alerts, cost and metrics.

REVOKE ALL ON FUNCTION tribe_power_maintenance_at(timestamptz), tribe_power_log(text, boolean),
    tribe_power_report_event(text, text, text, double precision, double precision, text),
    tribe_power_evaluate(text[]), tribe_power_evaluate_months(),
    tribe_power_price(text, timestamptz), tribe_power_check_tariffs(),
    tribe_power_price_pieces(timestamptz, timestamptz), tribe_power_price_of_day(text, text, date),
    tribe_power_cost(timestamptz, timestamptz, text, boolean), tribe_power_openmetrics(text) FROM PUBLIC;
GRANT SELECT ON tribe_power_fleet_total, tribe_power_maintenance, tribe_power_events, tribe_power_alerts,
    tribe_power_tariffs, tribe_power_carbon TO pg_monitor;
GRANT EXECUTE ON FUNCTION tribe_power_maintenance_at(timestamptz), tribe_power_price(text, timestamptz),
    tribe_power_cost(timestamptz, timestamptz, text, boolean), tribe_power_openmetrics(text) TO pg_monitor;
