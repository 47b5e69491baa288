-- The role that Grafana reads with: results and nothing else, in read-only
-- transactions that end by themselves.  Run it as the extension's owner or a
-- superuser, in the extension's database; then: \password grafana_power

CREATE ROLE grafana_power LOGIN CONNECTION LIMIT 10;
ALTER ROLE grafana_power SET default_transaction_read_only = on;
ALTER ROLE grafana_power SET statement_timeout = '30s';
ALTER ROLE grafana_power SET idle_in_transaction_session_timeout = '60s';

GRANT SELECT ON tribe_power_metrics, tribe_power_hourly, tribe_power_daily, tribe_power_node_status,
    tribe_power_latest, tribe_power_fleet, tribe_power_fleet_total, tribe_power_gpus, tribe_power_monthly,
    tribe_power_events, tribe_power_alerts TO grafana_power;
GRANT EXECUTE ON FUNCTION tribe_power_energy(timestamptz, timestamptz, text, boolean),
    tribe_power_cost(timestamptz, timestamptz, text, boolean) TO grafana_power;
