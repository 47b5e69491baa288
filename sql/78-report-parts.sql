-- The parts of the report that tell of money and alerts.

CREATE FUNCTION tribe_power_report_cost("from" timestamptz, "to" timestamptz) RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    most_rows CONSTANT double precision := 300000;
    month CONSTANT timestamptz := date_trunc('month', now(), @extschema@.tribe_power_timezone());
    nodes double precision;
    this_month json;
    of_range json;
    of_nodes json;
BEGIN
    IF NOT EXISTS (SELECT FROM @extschema@.tribe_power_tariffs WHERE price_per_kwh IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    SELECT count(*) INTO nodes FROM @extschema@.tribe_power_nodes;
    -- each hour is priced: too many are left out rather than waited for
    IF nodes * extract(epoch FROM now() - month) / 3600 <= most_rows THEN
        SELECT json_agg(json_build_object('kwh', c.energy_kwh, 'cost', c.cost, 'currency', c.currency, 'priced', c.priced_kwh))
        INTO this_month
        FROM @extschema@.tribe_power_cost(month, now(), 'month', false) c WHERE c.energy_kwh IS NOT NULL;
    END IF;
    IF nodes * extract(epoch FROM "to" - "from") / 3600 <= most_rows THEN
        WITH cost AS MATERIALIZED (
            SELECT c.node_name, c.currency, sum(c.energy_kwh) AS kwh, sum(c.cost) AS cost, sum(c.priced_kwh) AS priced,
                   sum(c.carbon_kg) AS carbon, sum(c.carbon_kwh) AS carbon_kwh
            FROM @extschema@.tribe_power_cost("from", "to", 'year', true) c
            WHERE c.energy_kwh IS NOT NULL GROUP BY 1, 2
        )
        SELECT (SELECT json_agg(json_build_object('kwh', t.kwh, 'cost', t.cost, 'currency', t.currency, 'priced', t.priced,
                                                  'carbon', t.carbon, 'carbonKwh', t.carbon_kwh))
                FROM (SELECT currency, sum(kwh) AS kwh, sum(cost) AS cost, sum(priced) AS priced,
                             sum(carbon) AS carbon, sum(carbon_kwh) AS carbon_kwh FROM cost GROUP BY currency) t),
               (SELECT json_agg(json_build_array(node_name, round(cost, 4), currency, round(kwh - priced, 6)) ORDER BY node_name, currency)
                FROM (SELECT * FROM cost ORDER BY kwh DESC, node_name LIMIT 2000) n)
        INTO of_range, of_nodes;
    END IF;
    RETURN json_build_object('month', this_month, 'range', of_range, 'nodes', of_nodes,
        'limit', CASE WHEN nodes * extract(epoch FROM "to" - "from") / 3600 > most_rows THEN most_rows END);
END
$$;
COMMENT ON FUNCTION tribe_power_report_cost(timestamptz, timestamptz) IS
'Used by tribe_power_report(): cost of this month and of that time, by currency and by node, from tribe_power_cost(); NULL without tariffs, and each part NULL where too many hours would have to be priced; limit then says how many hours of nodes are, if that is so of the time asked for.';

CREATE FUNCTION tribe_power_report_events("from" timestamptz, "to" timestamptz) RETURNS json
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
BEGIN
    RETURN json_build_object(
        'count', (SELECT count(*) FROM @extschema@.tribe_power_events e WHERE e."timestamp" >= "from" AND e."timestamp" <= "to"),
        'rows', (SELECT json_agg(json_build_array(extract(epoch FROM e."timestamp")::bigint, e.node_name, e.kind, e.phase, left(e.message, 300))
                                 ORDER BY e."timestamp" DESC, e.node_name)
                 FROM (SELECT * FROM @extschema@.tribe_power_events e
                       WHERE e."timestamp" >= "from" AND e."timestamp" <= "to"
                       ORDER BY e."timestamp" DESC, e.node_name LIMIT 100) e));
END
$$;
COMMENT ON FUNCTION tribe_power_report_events(timestamptz, timestamptz) IS
'Used by tribe_power_report(): the 100 newest alerts that began or ended in that time, and how many did.';
