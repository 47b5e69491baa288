-- Money and carbon: what a kWh costs when, and what energy cost.
--
-- Energy is priced in pieces: an hour of tribe_power_hourly, cut where the price
-- or the intensity changes within it.  The pieces depend on nothing that is asked
-- for, so the sums of any steps agree to the last digit.

CREATE TABLE tribe_power_tariffs (
    tariff text NOT NULL DEFAULT 'default',
    valid_from date NOT NULL DEFAULT '2000-01-01',
    rate text NOT NULL DEFAULT 'standard',
    price_per_kwh numeric,
    currency text,
    months integer[],
    weekdays integer[],
    from_time time,
    to_time time,
    CONSTRAINT tribe_power_tariffs_pkey PRIMARY KEY (tariff, valid_from, rate),
    CONSTRAINT tribe_power_tariffs_name_check CHECK (tariff <> '' AND rate <> '' AND isfinite(valid_from)),
    CONSTRAINT tribe_power_tariffs_price_check
        CHECK (price_per_kwh > '-Infinity' AND price_per_kwh < 'Infinity'
               AND (price_per_kwh IS NULL) = (currency IS NULL)),
    CONSTRAINT tribe_power_tariffs_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT tribe_power_tariffs_months_check
        CHECK (months <@ '{1,2,3,4,5,6,7,8,9,10,11,12}' AND cardinality(months) > 0
               AND array_position(months, NULL) IS NULL),
    CONSTRAINT tribe_power_tariffs_weekdays_check
        CHECK (weekdays <@ '{1,2,3,4,5,6,7}' AND cardinality(weekdays) > 0
               AND array_position(weekdays, NULL) IS NULL),
    CONSTRAINT tribe_power_tariffs_time_check
        CHECK ((from_time IS NULL) = (to_time IS NULL) AND from_time <> to_time
               AND date_trunc('minute', from_time::interval) = from_time::interval
               AND date_trunc('minute', to_time::interval) = to_time::interval)
);
COMMENT ON TABLE tribe_power_tariffs IS
'What a kWh costs. The rates of a tariff with the newest valid_from that has come replace all its earlier ones; of those that fit, the one with the most conditions (months, weekdays, times) holds, and two with equally many must not meet. INSERT INTO tribe_power_tariffs (price_per_kwh, currency) VALUES (0.30, ''EUR'') is enough for one price. Clock and calendar are those of tribe_power_timezone().';
COMMENT ON COLUMN tribe_power_tariffs.tariff IS 'Name of the tariff; default is that of all nodes that name none in tribe_power_nodes.tariff, and of nodes that are no longer registered.';
COMMENT ON COLUMN tribe_power_tariffs.valid_from IS 'The first day on which these rates hold.';
COMMENT ON COLUMN tribe_power_tariffs.rate IS 'Name of the rate within its tariff, such as day or night.';
COMMENT ON COLUMN tribe_power_tariffs.price_per_kwh IS 'Price of a kWh, in currency; NULL: not known.';
COMMENT ON COLUMN tribe_power_tariffs.currency IS 'Its three letters (ISO 4217), such as EUR; NULL where the price is.';
COMMENT ON COLUMN tribe_power_tariffs.months IS 'In which months it holds, 1 to 12; NULL: in all.';
COMMENT ON COLUMN tribe_power_tariffs.weekdays IS 'On which days, 1 (Monday) to 7 (Sunday), each from midnight to midnight; NULL: on all.';
COMMENT ON COLUMN tribe_power_tariffs.from_time IS 'From when, by the clock, to the minute; NULL: all day.';
COMMENT ON COLUMN tribe_power_tariffs.to_time IS 'Until when, not included; before from_time: through midnight. 24:00 is the end of the day.';
SELECT pg_catalog.pg_extension_config_dump('tribe_power_tariffs', '');

CREATE TABLE tribe_power_carbon (
    region text NOT NULL DEFAULT 'default',
    valid_from timestamptz NOT NULL DEFAULT '2000-01-01 00:00+00',
    gco2_per_kwh numeric,
    CONSTRAINT tribe_power_carbon_pkey PRIMARY KEY (region, valid_from),
    CONSTRAINT tribe_power_carbon_valid_from_check
        CHECK (isfinite(valid_from)
               AND extract(epoch FROM valid_from - '2000-01-01 00:00+00'::timestamptz)::bigint % 60 = 0),
    CONSTRAINT tribe_power_carbon_gco2_check CHECK (gco2_per_kwh >= 0 AND gco2_per_kwh < 'Infinity')
);
COMMENT ON TABLE tribe_power_carbon IS
'Carbon intensity of electricity: one row for a constant, or a time series; a row holds until the next of its region. INSERT INTO tribe_power_carbon (gco2_per_kwh) VALUES (380) is enough for a constant.';
COMMENT ON COLUMN tribe_power_carbon.region IS 'Name of the region; default is that of all nodes that name none in tribe_power_nodes.carbon_region.';
COMMENT ON COLUMN tribe_power_carbon.valid_from IS 'From when it holds, to the minute.';
COMMENT ON COLUMN tribe_power_carbon.gco2_per_kwh IS 'CO2 for each kWh, g; NULL: not known from then on, which ends a series.';
SELECT pg_catalog.pg_extension_config_dump('tribe_power_carbon', '');

CREATE FUNCTION tribe_power_price(
    tariff text DEFAULT 'default',
    "at" timestamptz DEFAULT pg_catalog.now(),
    OUT price_per_kwh numeric,
    OUT currency text,
    OUT rate text)
    LANGUAGE plpgsql STABLE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    local CONSTANT timestamp := at AT TIME ZONE @extschema@.tribe_power_timezone();
    day CONSTANT date := local::date;
    clock CONSTANT time := local::time;
    r record;
    best integer := -1;
BEGIN
    FOR r IN
        SELECT t.price_per_kwh, t.currency, t.rate,
               num_nonnulls(t.months, t.weekdays, t.from_time) AS conditions
        FROM @extschema@.tribe_power_tariffs t
        WHERE t.tariff = tribe_power_price.tariff
          AND t.valid_from = (SELECT max(v.valid_from) FROM @extschema@.tribe_power_tariffs v
                              WHERE v.tariff = tribe_power_price.tariff AND v.valid_from <= day)
          AND (t.months IS NULL OR extract(month FROM day)::integer = ANY (t.months))
          AND (t.weekdays IS NULL OR extract(isodow FROM day)::integer = ANY (t.weekdays))
          AND (t.from_time IS NULL
               OR CASE WHEN t.from_time < t.to_time THEN clock >= t.from_time AND clock < t.to_time
                       ELSE clock >= t.from_time OR clock < t.to_time END)
    LOOP
        IF r.conditions > best THEN
            best := r.conditions;
            price_per_kwh := r.price_per_kwh;
            currency := r.currency;
            rate := r.rate;
        ELSIF r.conditions = best THEN
            -- refused when it was written; no price rather than one of two
            price_per_kwh := NULL;
            currency := NULL;
            rate := NULL;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION tribe_power_price(text, timestamptz) IS
'What a kWh costs by that tariff at that time, now by default, and the name of the rate that holds; NULL where no rate does.';

CREATE FUNCTION tribe_power_check_tariffs() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    clash record;
BEGIN
    WITH fit AS (
        SELECT t.tariff, t.valid_from, t.rate, c.month, c.weekday, c.clock,
               num_nonnulls(t.months, t.weekdays, t.from_time) AS conditions
        FROM @extschema@.tribe_power_tariffs t
        JOIN (SELECT DISTINCT v.tariff, v.valid_from, m AS month, w AS weekday, b.clock
              FROM @extschema@.tribe_power_tariffs v
              CROSS JOIN LATERAL (VALUES (time '00:00'), (v.from_time), (v.to_time)) b (clock),
                   generate_series(1, 12) m, generate_series(1, 7) w
              WHERE b.clock IS NOT NULL AND b.clock < '24:00') c
          ON c.tariff = t.tariff AND c.valid_from = t.valid_from
        WHERE (t.months IS NULL OR c.month = ANY (t.months))
          AND (t.weekdays IS NULL OR c.weekday = ANY (t.weekdays))
          AND (t.from_time IS NULL
               OR CASE WHEN t.from_time < t.to_time THEN c.clock >= t.from_time AND c.clock < t.to_time
                       ELSE c.clock >= t.from_time OR c.clock < t.to_time END)
    )
    SELECT g.* INTO clash
    FROM (SELECT f.tariff, f.valid_from, f.month, f.weekday, f.clock, f.conditions,
                 array_agg(f.rate ORDER BY f.rate) AS rates,
                 max(f.conditions) OVER (PARTITION BY f.tariff, f.valid_from, f.month, f.weekday, f.clock) AS most
          FROM fit f
          GROUP BY f.tariff, f.valid_from, f.month, f.weekday, f.clock, f.conditions) g
    WHERE g.conditions = g.most AND cardinality(g.rates) > 1
    ORDER BY g.tariff, g.valid_from, g.month, g.weekday, g.clock
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'rates "%" and "%" of tariff "%" meet', clash.rates[1], clash.rates[2], clash.tariff
            USING ERRCODE = 'exclusion_violation',
                  DETAIL = format('Both fit in month %s on day %s of the week at %s, with equally many conditions.',
                                  clash.month, clash.weekday, to_char(clash.clock, 'HH24:MI')),
                  HINT = 'Give one of them more conditions (months, weekdays, times), or insert in the same statement a rate that says what holds there.';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION tribe_power_check_tariffs() IS
'The trigger of tribe_power_tariffs: raises exclusion_violation where two rates of a tariff fit at the same time with equally many conditions.';
CREATE TRIGGER tribe_power_tariffs_check
    AFTER INSERT OR UPDATE OR DELETE ON tribe_power_tariffs
    FOR EACH STATEMENT EXECUTE FUNCTION tribe_power_check_tariffs();

-- Where price or intensity change: each hour that has totals, for each pair of
-- tariff and region, in pieces that begin at "starts".
CREATE FUNCTION tribe_power_price_pieces(
    "from" timestamptz,
    "to" timestamptz,
    OUT tariff text,
    OUT region text,
    OUT hour timestamptz,
    OUT starts timestamptz,
    OUT ends timestamptz,
    OUT pieces integer,
    OUT price_per_kwh numeric,
    OUT currency text,
    OUT gco2_per_kwh numeric)
    RETURNS SETOF record
    LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp
    SET jit = off           -- which takes longer than all the rest
    AS $$
    WITH hour AS (
        SELECT h.hour, e.ends, l.local,
               -- a clock that is changed within the hour leaves it without a price
               (e.ends - interval '1 microsecond') AT TIME ZONE z.zone - l.local
                   = e.ends - interval '1 microsecond' - h.hour AS steady
        FROM (SELECT DISTINCT t.hour FROM @extschema@.tribe_power_hourly t
              WHERE t.hour >= "from" AND t.hour < "to") h
        CROSS JOIN (SELECT @extschema@.tribe_power_timezone() AS zone) z
        CROSS JOIN LATERAL (SELECT h.hour AT TIME ZONE z.zone AS local) l
        -- the last hour of a day may be half a one
        CROSS JOIN LATERAL (SELECT CASE WHEN l.local::time > '23:00' THEN (@extschema@.tribe_power_step_bounds('hour', h.hour)).stop
                                        ELSE h.hour + interval '1 hour' END AS ends) e
    ), pair AS (
        SELECT 'default' AS tariff, 'default' AS region
        UNION
        SELECT coalesce(n.tariff, 'default'), coalesce(n.carbon_region, 'default')
        FROM @extschema@.tribe_power_nodes n
    ), clock AS (
        SELECT DISTINCT t.tariff, b.clock
        FROM @extschema@.tribe_power_tariffs t
        CROSS JOIN LATERAL (VALUES (time '00:00'), (t.from_time), (t.to_time)) b (clock)
        WHERE b.clock IS NOT NULL
    ), start AS (
        SELECT x.tariff, x.region, h.hour, h.ends, h.steady, h.hour AS starts FROM pair x, hour h
        UNION
        SELECT x.tariff, x.region, h.hour, h.ends, h.steady, h.hour + (d.day + c.clock - h.local)
        FROM hour h
        CROSS JOIN LATERAL (VALUES (h.local::date), (h.local::date + 1)) d (day)
        JOIN clock c ON d.day + c.clock > h.local AND d.day + c.clock < h.local + (h.ends - h.hour)
        JOIN pair x ON x.tariff = c.tariff
        UNION
        SELECT x.tariff, x.region, h.hour, h.ends, h.steady, c.valid_from
        FROM pair x, hour h
        CROSS JOIN LATERAL (
            SELECT g.valid_from FROM @extschema@.tribe_power_carbon g
            WHERE g.region = x.region AND g.valid_from > h.hour
              AND g.valid_from < h.ends) c
    ), valued AS (
        SELECT s.tariff, s.region, s.hour, s.ends, s.starts,
               CASE WHEN s.steady THEN p.price_per_kwh END AS price_per_kwh,
               CASE WHEN s.steady THEN p.currency END AS currency,
               (SELECT g.gco2_per_kwh FROM @extschema@.tribe_power_carbon g
                WHERE g.region = s.region AND g.valid_from <= s.starts
                ORDER BY g.valid_from DESC LIMIT 1) AS gco2_per_kwh
        FROM start s
        CROSS JOIN LATERAL @extschema@.tribe_power_price(s.tariff, s.starts) p
    ), changed AS (
        SELECT v.*,
               v.starts = v.hour
               OR (v.price_per_kwh, v.currency, v.gco2_per_kwh)
                  IS DISTINCT FROM (lag(v.price_per_kwh) OVER w, lag(v.currency) OVER w, lag(v.gco2_per_kwh) OVER w) AS changes
        FROM valued v
        WINDOW w AS (PARTITION BY v.tariff, v.region, v.hour ORDER BY v.starts)
    )
    SELECT c.tariff, c.region, c.hour, c.starts,
           coalesce(lead(c.starts) OVER (PARTITION BY c.tariff, c.region, c.hour ORDER BY c.starts),
                    c.ends),
           (count(*) OVER (PARTITION BY c.tariff, c.region, c.hour))::integer,
           c.price_per_kwh, c.currency, c.gco2_per_kwh
    FROM changed c
    WHERE c.changes
$$;
COMMENT ON FUNCTION tribe_power_price_pieces(timestamptz, timestamptz) IS
'Used by tribe_power_cost(): each hour in [from, to) that has totals, for each pair of tariff and region that nodes have, in the pieces in which price and intensity stay as they are.';

CREATE FUNCTION tribe_power_price_of_day(
    tariff text,
    region text,
    day date,
    OUT price_per_kwh numeric,
    OUT currency text,
    OUT gco2_per_kwh numeric)
    LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    day_start CONSTANT timestamptz := @extschema@.tribe_power_day_start(day);
    day_end CONSTANT timestamptz := @extschema@.tribe_power_day_start(day + 1);
    p record;
BEGIN
    SELECT q.price_per_kwh, q.currency INTO price_per_kwh, currency
    FROM @extschema@.tribe_power_price(tariff, day_start) q;
    FOR p IN
        SELECT q.*
        FROM @extschema@.tribe_power_tariffs t
        CROSS JOIN LATERAL (VALUES (t.from_time), (t.to_time)) b (clock)
        CROSS JOIN LATERAL @extschema@.tribe_power_price(t.tariff, (day + b.clock) AT TIME ZONE zone) q
        WHERE t.tariff = tribe_power_price_of_day.tariff AND b.clock < '24:00'
    LOOP
        IF (p.price_per_kwh, p.currency) IS DISTINCT FROM (price_per_kwh, currency) THEN
            price_per_kwh := NULL;
            currency := NULL;
            EXIT;
        END IF;
    END LOOP;
    SELECT CASE WHEN count(*) = count(c.gco2_per_kwh) AND min(c.gco2_per_kwh) = max(c.gco2_per_kwh)
                THEN min(c.gco2_per_kwh) END
    INTO gco2_per_kwh
    FROM @extschema@.tribe_power_carbon c
    WHERE c.region = tribe_power_price_of_day.region AND c.valid_from < day_end
      AND c.valid_from >= (SELECT max(b.valid_from) FROM @extschema@.tribe_power_carbon b
                           WHERE b.region = tribe_power_price_of_day.region AND b.valid_from <= day_start);
END
$$;
COMMENT ON FUNCTION tribe_power_price_of_day(text, text, date) IS
'Used by tribe_power_cost() where only the total of a day is left: price and intensity, where they stay as they are all day; else NULL.';

CREATE FUNCTION tribe_power_cost(
    "from" timestamptz,
    "to" timestamptz,
    step text DEFAULT 'day',
    by_node boolean DEFAULT true)
    RETURNS TABLE (
        period timestamptz,
        node_name text,
        energy_kwh numeric,
        coverage double precision,
        cost numeric,
        currency text,
        priced_kwh numeric,
        carbon_kg numeric,
        carbon_kwh numeric)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET jit = off           -- which takes longer than all the rest
    AS $$
#variable_conflict use_column
DECLARE
    zone CONSTANT text := @extschema@.tribe_power_timezone();
    until CONSTANT timestamptz := least("to", now());
    first_day date;
    end_day date;
BEGIN
    IF step IS NULL OR step NOT IN ('hour', 'day', 'week', 'month', 'quarter', 'year') THEN
        RAISE EXCEPTION 'invalid step: %', quote_nullable(step)
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Use hour, day, week, month, quarter or year.';
    END IF;
    IF "from" IS NULL OR "to" IS NULL OR NOT isfinite("from") OR NOT isfinite("to") THEN
        RAISE EXCEPTION 'from and to must be finite times'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    -- the days that lie in [from, to) as a whole
    first_day := ("from" AT TIME ZONE zone)::date;
    first_day := first_day + (@extschema@.tribe_power_day_start(first_day) < "from")::integer;
    end_day := ("to" AT TIME ZONE zone)::date;
    RETURN QUERY
    WITH hourly AS MATERIALIZED (
        SELECT h.node_name, h.hour, round(h.energy_kwh::numeric, 9) AS kwh, h.covered_seconds AS covered
        FROM @extschema@.tribe_power_hourly h
        WHERE h.hour >= "from" AND h.hour < "to"
    ), by_day AS (
        SELECT h.node_name, (h.hour AT TIME ZONE zone)::date AS date, sum(h.kwh) AS kwh
        FROM hourly h
        WHERE step <> 'hour'
        GROUP BY 1, 2
    ), whole_day AS (
        -- of which hours are gone, or never were: only the day's total is left
        SELECT d.node_name, d.date, round(d.energy_kwh::numeric, 9) AS kwh, d.covered_seconds AS covered
        FROM @extschema@.tribe_power_daily d
        LEFT JOIN by_day b ON b.node_name = d.node_name AND b.date = d.date
        WHERE step <> 'hour'
          AND d.date >= first_day AND d.date < end_day
          -- by energy: readings that overlap a little cover less by the hour than by the day
          AND (b.date IS NULL OR coalesce(b.kwh, 0) < d.energy_kwh::numeric - 1e-6)
    ), node AS MATERIALIZED (
        SELECT u.node_name, coalesce(n.tariff, 'default') AS tariff, coalesce(n.carbon_region, 'default') AS region
        FROM (SELECT h.node_name FROM hourly h UNION SELECT d.node_name FROM whole_day d) u
        LEFT JOIN @extschema@.tribe_power_nodes n ON n.node_name = u.node_name
    ), piece AS MATERIALIZED (
        SELECT * FROM @extschema@.tribe_power_price_pieces("from", "to")
    ), cut AS (
        SELECT p.hour, (extract(epoch FROM p.starts - p.hour) / 60)::integer AS minute, max(p.ends) AS ends
        FROM piece p
        WHERE p.pieces > 1
        GROUP BY 1, 2
    ), run AS (
        -- hours in pieces that follow each other, of a day at most
        SELECT min(c.hour) AS starts, max(c.ends) AS ends, array_agg(c.minute) AS minutes
        FROM (SELECT cut.*, cut.hour - dense_rank() OVER (ORDER BY cut.hour) * interval '1 hour' AS island
              FROM cut) c
        GROUP BY c.island, (extract(epoch FROM c.hour) / 86400)::bigint
    ), fine AS MATERIALIZED (
        -- their readings, added up by the widest step that meets every cut
        SELECT t.node_name, t.step_start,
               r.starts + floor(extract(epoch FROM t.step_start - r.starts) / 3600) * interval '1 hour' AS hour,
               round((t.joules / 3.6e6)::numeric, 9) AS kwh, t.covered_seconds AS covered
        FROM (SELECT run.starts, run.ends,
                     (SELECT max(w) FROM unnest(ARRAY[1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30]) w
                      WHERE NOT EXISTS (SELECT FROM unnest(run.minutes) m WHERE m % w <> 0)) AS step
              FROM run) r
        CROSS JOIN LATERAL @extschema@.tribe_power_totals(r.starts, r.ends, r.step * 60) t
    ), fine_hour AS MATERIALIZED (
        SELECT f.node_name, f.hour, sum(f.kwh) AS kwh
        FROM fine f
        GROUP BY 1, 2
    ), part AS (
        SELECT h.node_name, h.hour AS starts, h.kwh, h.covered, p.price_per_kwh, p.currency, p.gco2_per_kwh
        FROM hourly h
        JOIN node n ON n.node_name = h.node_name
        JOIN piece p ON p.tariff = n.tariff AND p.region = n.region AND p.hour = h.hour AND p.pieces = 1
        UNION ALL
        SELECT h.node_name, h.hour, f.kwh, f.covered, p.price_per_kwh, p.currency, p.gco2_per_kwh
        FROM hourly h
        JOIN node n ON n.node_name = h.node_name
        JOIN fine_hour k ON k.node_name = h.node_name AND k.hour = h.hour AND k.kwh >= h.kwh - 1e-6
        JOIN fine f ON f.node_name = h.node_name AND f.hour = h.hour
        JOIN piece p ON p.tariff = n.tariff AND p.region = n.region AND p.hour = h.hour AND p.pieces > 1
            AND f.step_start >= p.starts AND f.step_start < p.ends
        UNION ALL
        -- whose readings are gone: priced only by what holds all the hour
        SELECT h.node_name, h.hour, h.kwh, h.covered, p.price_per_kwh, p.currency, p.gco2_per_kwh
        FROM hourly h
        JOIN node n ON n.node_name = h.node_name
        JOIN (SELECT q.tariff, q.region, q.hour,
                     CASE WHEN count(q.price_per_kwh) = count(*) AND min(q.currency) = max(q.currency)
                          AND min(q.price_per_kwh) = max(q.price_per_kwh) THEN min(q.price_per_kwh) END AS price_per_kwh,
                     CASE WHEN count(q.price_per_kwh) = count(*) AND min(q.currency) = max(q.currency)
                          AND min(q.price_per_kwh) = max(q.price_per_kwh) THEN min(q.currency) END AS currency,
                     CASE WHEN count(q.gco2_per_kwh) = count(*)
                          AND min(q.gco2_per_kwh) = max(q.gco2_per_kwh) THEN min(q.gco2_per_kwh) END AS gco2_per_kwh
              FROM piece q
              WHERE q.pieces > 1
              GROUP BY 1, 2, 3) p ON p.tariff = n.tariff AND p.region = n.region AND p.hour = h.hour
        LEFT JOIN fine_hour k ON k.node_name = h.node_name AND k.hour = h.hour
        WHERE k.kwh IS NULL OR h.kwh IS NULL OR k.kwh < h.kwh - 1e-6
    ), all_part AS (
        SELECT * FROM part p
        WHERE NOT EXISTS (SELECT FROM whole_day d
                          WHERE d.node_name = p.node_name AND d.date = (p.starts AT TIME ZONE zone)::date)
        UNION ALL
        SELECT d.node_name, @extschema@.tribe_power_day_start(d.date), d.kwh, d.covered,
               v.price_per_kwh, v.currency, v.gco2_per_kwh
        FROM whole_day d
        JOIN node n ON n.node_name = d.node_name
        CROSS JOIN LATERAL @extschema@.tribe_power_price_of_day(n.tariff, n.region, d.date) v
    ), placed AS (
        SELECT p.node_name, p.starts, p.kwh, p.covered, p.price_per_kwh, p.gco2_per_kwh,
               CASE WHEN p.kwh IS NOT NULL THEN p.currency END AS currency,
               CASE WHEN step = 'hour' THEN p.starts
                    ELSE date_trunc(step, p.starts AT TIME ZONE zone) AT TIME ZONE 'UTC' END AS key
        FROM all_part p
    ), timed AS (
        SELECT b.start, b.stop, CASE WHEN by_node THEN p.node_name END AS name, p.*
        FROM placed p
        JOIN (SELECT k.key, s.* FROM (SELECT DISTINCT q.key FROM placed q) k
              CROSS JOIN LATERAL @extschema@.tribe_power_step_bounds(step, k.key) s) b ON b.key = p.key
    ), total AS (
        SELECT t.start, t.name, sum(t.covered) AS covered,
               -- of a step that is cut by from, to or now, the part that can be known
               extract(epoch FROM greatest(least(t.stop, until) - greatest(t.start, "from"), interval '0'))
                   ::double precision * count(DISTINCT t.node_name) AS seconds
        FROM timed t
        GROUP BY t.start, t.stop, t.name
    ), money AS (
        SELECT t.start, t.name, t.currency, sum(t.kwh) AS kwh,
               sum(t.kwh * t.price_per_kwh) AS cost,
               sum(t.kwh) FILTER (WHERE t.price_per_kwh IS NOT NULL) AS priced,
               sum(t.kwh * t.gco2_per_kwh) * 0.001 AS carbon,
               sum(t.kwh) FILTER (WHERE t.gco2_per_kwh IS NOT NULL) AS carbon_kwh
        FROM timed t
        GROUP BY 1, 2, 3
    )
    SELECT t.start, t.name, m.kwh, least(t.covered / nullif(t.seconds, 0), 1), m.cost, m.currency,
           coalesce(m.priced, 0), m.carbon, coalesce(m.carbon_kwh, 0)
    FROM total t
    JOIN (SELECT money.*, count(kwh) OVER (PARTITION BY money.start, money.name) AS others FROM money) m
      ON m.start = t.start AND m.name IS NOT DISTINCT FROM t.name
    WHERE m.kwh IS NOT NULL OR m.others = 0
    ORDER BY 1, 2, m.currency;
END
$$;
COMMENT ON FUNCTION tribe_power_cost(timestamptz, timestamptz, text, boolean) IS
'What energy cost, by step (hour, day, week, month, quarter, year of tribe_power_timezone()), node (or with by_node false the fleet, node_name NULL) and currency: energy_kwh is the measured energy of the row, cost that energy by the tariff of its time, in currency. Energy that has no price makes a row of its own, with cost and currency NULL; priced_kwh is what cost is for. coverage is that of the whole step, as in tribe_power_energy(). carbon_kg: CO2 of carbon_kwh, the part of the row''s energy whose intensity is known. The hours that begin in [from, to) count, as tribe_power_hourly has them; one in which a price changes is split by its readings. Nothing is rounded but energy, to 1e-9 kWh. Raises invalid_parameter_value.';
