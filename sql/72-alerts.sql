-- Alerts: what is wrong now, the events that it began and ended with, and the
-- times in which nobody wants to hear of it.
--
-- Alerts are found by looking at the status rows, not at the readings as they
-- pass: one that was missed, over a crash for instance, is found the next time.

CREATE TABLE tribe_power_maintenance (
    window_name text NOT NULL,
    node_name text,
    during tstzrange,
    weekdays integer[],
    from_time time,
    to_time time,
    skip_polls boolean NOT NULL DEFAULT false,
    reason text,
    CONSTRAINT tribe_power_maintenance_pkey PRIMARY KEY (window_name),
    CONSTRAINT tribe_power_maintenance_when_check
        CHECK ((during IS NOT NULL OR from_time IS NOT NULL) AND NOT isempty(during)),
    CONSTRAINT tribe_power_maintenance_time_check
        CHECK ((from_time IS NULL) = (to_time IS NULL) AND from_time <> to_time
               AND (weekdays IS NULL OR from_time IS NOT NULL)),
    CONSTRAINT tribe_power_maintenance_weekdays_check
        CHECK (weekdays <@ '{1,2,3,4,5,6,7}' AND cardinality(weekdays) > 0
               AND array_position(weekdays, NULL) IS NULL)
);
COMMENT ON TABLE tribe_power_maintenance IS
'Times in which no alert is raised: once (during), or again and again (from_time to to_time on weekdays; if during is given too, only within it). Nodes are polled all the same, unless skip_polls. enabled in tribe_power_nodes pauses one node for good, tribe_power.enabled all.';
COMMENT ON COLUMN tribe_power_maintenance.window_name IS 'A name for it.';
COMMENT ON COLUMN tribe_power_maintenance.node_name IS 'The node; NULL: all.';
COMMENT ON COLUMN tribe_power_maintenance.during IS 'From when to when; NULL: always.';
COMMENT ON COLUMN tribe_power_maintenance.weekdays IS 'On which days it begins, 1 (Monday) to 7 (Sunday); NULL: every day.';
COMMENT ON COLUMN tribe_power_maintenance.from_time IS 'When it begins, by the clock of tribe_power_timezone(); NULL: see during.';
COMMENT ON COLUMN tribe_power_maintenance.to_time IS 'When it ends, by the same clock; before from_time: on the next day.';
COMMENT ON COLUMN tribe_power_maintenance.skip_polls IS 'Whether the worker leaves the node alone meanwhile. tribe_power_collect() polls it all the same.';
COMMENT ON COLUMN tribe_power_maintenance.reason IS 'For people.';
SELECT pg_catalog.pg_extension_config_dump('tribe_power_maintenance', '');

CREATE FUNCTION tribe_power_maintenance_at(
    "at" timestamptz DEFAULT pg_catalog.now(),
    OUT window_name text,
    OUT node_name text,
    OUT skip_polls boolean,
    OUT reason text)
    RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER ROWS 3
    SET search_path = pg_catalog, pg_temp
    AS $$
    SELECT m.window_name, m.node_name, m.skip_polls, m.reason
    FROM @extschema@.tribe_power_maintenance m,
         (SELECT "at" AT TIME ZONE @extschema@.tribe_power_timezone()) l (local)
    WHERE (m.during IS NULL OR m.during @> "at")
      AND (m.from_time IS NULL
           OR CASE WHEN m.from_time < m.to_time
                   THEN l.local::time >= m.from_time AND l.local::time < m.to_time
                        AND (m.weekdays IS NULL OR extract(isodow FROM l.local)::integer = ANY (m.weekdays))
                   ELSE (l.local::time >= m.from_time
                         AND (m.weekdays IS NULL OR extract(isodow FROM l.local)::integer = ANY (m.weekdays)))
                        OR (l.local::time < m.to_time
                            AND (m.weekdays IS NULL
                                 OR extract(isodow FROM l.local - interval '1 day')::integer = ANY (m.weekdays)))
              END)
$$;
COMMENT ON FUNCTION tribe_power_maintenance_at(timestamptz) IS
'The maintenance windows that are open at that time, now by default; node_name NULL: of all nodes.';

CREATE TABLE tribe_power_events (
    node_name text NOT NULL,
    "timestamp" timestamptz NOT NULL,
    kind text NOT NULL,
    phase text NOT NULL,
    value double precision,
    limit_value double precision,
    message text NOT NULL,
    CONSTRAINT tribe_power_events_pkey PRIMARY KEY (node_name, "timestamp", kind, phase),
    CONSTRAINT tribe_power_events_phase_check CHECK (phase IN ('raised', 'cleared'))
);
COMMENT ON TABLE tribe_power_events IS
'Alerts as they began and ended; kept for tribe_power.event_retention.';
COMMENT ON COLUMN tribe_power_events.node_name IS 'The node, as registered; empty: the fleet.';
COMMENT ON COLUMN tribe_power_events."timestamp" IS 'When it was found, by the hub''s clock.';
COMMENT ON COLUMN tribe_power_events.kind IS
'node_lost: three polls failed in a row; over_peak: total power above budget_peak_watts; over_temperature: CPU or GPU above max_temp_celsius; over_month: energy of the calendar month above budget_month_kwh (of the fleet: tribe_power.budget_month_kwh).';
COMMENT ON COLUMN tribe_power_events.phase IS 'raised: it began; cleared: it ended.';
COMMENT ON COLUMN tribe_power_events.value IS 'What was seen, in failures, W, °C or kWh as the kind says; NULL: nothing was.';
COMMENT ON COLUMN tribe_power_events.limit_value IS 'What it was compared with, in the same unit; NULL: there is no limit any more.';
COMMENT ON COLUMN tribe_power_events.message IS 'The same for people, as it stands in the server''s log.';
SELECT pg_catalog.pg_extension_config_dump('tribe_power_events', '');

CREATE TABLE tribe_power_alerts (
    node_name text NOT NULL,
    kind text NOT NULL,
    since timestamptz NOT NULL,
    value double precision,
    limit_value double precision,
    message text NOT NULL,
    calm smallint NOT NULL DEFAULT 0,
    calm_reading timestamptz,
    CONSTRAINT tribe_power_alerts_pkey PRIMARY KEY (node_name, kind)
);
COMMENT ON TABLE tribe_power_alerts IS
'What is wrong now: a row for each alert that was raised and is not cleared yet. Of power and temperature one ends with the second reading in a row at or below 95 % of the limit.';
COMMENT ON COLUMN tribe_power_alerts.node_name IS 'The node, as registered; empty: the fleet.';
COMMENT ON COLUMN tribe_power_alerts.kind IS 'As in tribe_power_events.';
COMMENT ON COLUMN tribe_power_alerts.since IS 'When it was raised.';
COMMENT ON COLUMN tribe_power_alerts.value IS 'What was seen then, in failures, W, °C or kWh.';
COMMENT ON COLUMN tribe_power_alerts.limit_value IS 'What it was compared with.';
COMMENT ON COLUMN tribe_power_alerts.message IS 'The same for people.';
COMMENT ON COLUMN tribe_power_alerts.calm IS 'Readings in a row that were low enough to end it.';
COMMENT ON COLUMN tribe_power_alerts.calm_reading IS 'timestamp of the last of those; NULL: none.';
SELECT pg_catalog.pg_extension_config_dump('tribe_power_alerts', '');

CREATE FUNCTION tribe_power_log(message text, trouble boolean DEFAULT false) RETURNS void
    LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_log(text, boolean) IS
'Used for alerts: writes a line into the server''s log, without statement or context. With trouble, the same line is written once an hour at most in each session.';

-- The one way by which anybody hears of an alert.
CREATE FUNCTION tribe_power_report_event(
    node text, kind text, phase text, value double precision, limit_value double precision, message text)
    RETURNS void
    LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    at CONSTANT timestamptz := clock_timestamp();
    said CONSTANT text := left(message, 500);
BEGIN
    INSERT INTO @extschema@.tribe_power_events (node_name, "timestamp", kind, phase, value, limit_value, message)
    VALUES (node, at, kind, phase, value, limit_value, said)
    ON CONFLICT DO NOTHING;
    PERFORM @extschema@.tribe_power_log(said);
    IF coalesce(current_setting('tribe_power.notify', true)::boolean, true) THEN
        -- a full queue would fail the transaction at its end
        IF pg_notification_queue_usage() < 0.5 THEN
            -- at most 255 bytes of name and 500 characters of message: below the limit of 8000
            PERFORM pg_notify('tribe_power', json_build_object(
                'node_name', node, 'timestamp', at, 'kind', kind, 'phase', phase,
                'value', value, 'limit', limit_value, 'message', said)::text);
        ELSE
            PERFORM @extschema@.tribe_power_log('alerts are not sent by NOTIFY: its queue is half full, some session that listens does not take them', true);
        END IF;
    END IF;
END
$$;
COMMENT ON FUNCTION tribe_power_report_event(text, text, text, double precision, double precision, text) IS
'Used by tribe_power_evaluate(): writes an event into tribe_power_events and the server''s log, and sends it as JSON by NOTIFY tribe_power.';

-- Its plan is kept: that of a quiet day, with no alerts, must not scan them all when
-- half of the fleet is lost.
CREATE FUNCTION tribe_power_evaluate(nodes text[]) RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    SET enable_seqscan = off
    SET jit = off
    AS $$
DECLARE
    c record;
    said text;
    events integer := 0;
    level CONSTANT double precision := 0.95;
    lost_after CONSTANT integer := 3;
    calm_after CONSTANT integer := 2;
BEGIN
    -- of the few that are above a limit or were
    FOR c IN
        SELECT n.node_name, k.kind, k.value, k.limit_value, k.over, k.calm, s.last_reading,
               coalesce(s.last_error, s.last_outcome) AS outcome,
               a.kind IS NOT NULL AS raised, a.calm AS calm_before, a.calm_reading
        FROM @extschema@.tribe_power_nodes n
        JOIN @extschema@.tribe_power_node_status s ON s.node_name = n.node_name
        CROSS JOIN LATERAL (VALUES
            ('node_lost', s.failures::double precision, lost_after::double precision,
             s.failures >= lost_after, s.failures = 0),
            ('over_peak', s.total_power_watts, n.budget_peak_watts,
             s.failures = 0 AND s.total_power_watts > n.budget_peak_watts,
             n.budget_peak_watts IS NULL OR s.total_power_watts <= level * n.budget_peak_watts),
            ('over_temperature', greatest(s.cpu_temp_celsius, s.gpu_temp_celsius), n.max_temp_celsius,
             s.failures = 0 AND greatest(s.cpu_temp_celsius, s.gpu_temp_celsius) > n.max_temp_celsius,
             n.max_temp_celsius IS NULL
                 OR greatest(s.cpu_temp_celsius, s.gpu_temp_celsius) <= level * n.max_temp_celsius))
            AS k (kind, value, limit_value, over, calm)
        LEFT JOIN @extschema@.tribe_power_alerts a ON a.node_name = n.node_name AND a.kind = k.kind
        WHERE n.node_name = ANY (nodes) AND n.enabled
          AND (CASE WHEN a.kind IS NULL THEN k.over ELSE k.calm OR a.calm > 0 END)
        ORDER BY n.node_name, k.kind
    LOOP
        IF NOT c.raised THEN
            CONTINUE WHEN EXISTS (
                SELECT FROM @extschema@.tribe_power_maintenance_at() m
                WHERE m.node_name IS NULL OR m.node_name = c.node_name);
            said := format(CASE c.kind
                WHEN 'node_lost' THEN 'node "%1$s" is lost: %2$s polls failed in a row (%4$s)'
                WHEN 'over_peak' THEN 'node "%1$s" is over its peak budget: %2$s W, the limit is %3$s W'
                ELSE 'node "%1$s" is too hot: %2$s °C, the limit is %3$s °C' END,
                c.node_name, trim_scale(round(c.value::numeric, 1)), c.limit_value, c.outcome);
            INSERT INTO @extschema@.tribe_power_alerts (node_name, kind, since, value, limit_value, message)
            VALUES (c.node_name, c.kind, clock_timestamp(), c.value, c.limit_value, left(said, 500))
            ON CONFLICT DO NOTHING;
            CONTINUE WHEN NOT FOUND;
            PERFORM @extschema@.tribe_power_report_event(c.node_name, c.kind, 'raised', c.value, c.limit_value, said);
            events := events + 1;
        ELSIF NOT coalesce(c.calm, false) THEN
            UPDATE @extschema@.tribe_power_alerts a SET calm = 0, calm_reading = NULL
            WHERE a.node_name = c.node_name AND a.kind = c.kind AND c.value IS NOT NULL;
        ELSIF c.kind = 'node_lost' OR c.limit_value IS NULL
            OR (c.calm_before >= calm_after - 1 AND c.last_reading > c.calm_reading) THEN
            DELETE FROM @extschema@.tribe_power_alerts a WHERE a.node_name = c.node_name AND a.kind = c.kind;
            CONTINUE WHEN NOT FOUND;
            said := format(CASE
                WHEN c.kind = 'node_lost' THEN 'node "%1$s" is back'
                WHEN c.limit_value IS NULL THEN 'node "%1$s" has no such limit any more'
                WHEN c.kind = 'over_peak' THEN 'node "%1$s" is below its peak budget again: %2$s W, the limit is %3$s W'
                ELSE 'node "%1$s" has cooled down: %2$s °C, the limit is %3$s °C' END,
                c.node_name, trim_scale(round(c.value::numeric, 1)), c.limit_value);
            PERFORM @extschema@.tribe_power_report_event(c.node_name, c.kind, 'cleared', c.value, c.limit_value, said);
            events := events + 1;
        ELSE
            UPDATE @extschema@.tribe_power_alerts a SET calm = a.calm + 1, calm_reading = c.last_reading
            WHERE a.node_name = c.node_name AND a.kind = c.kind
              AND (a.calm_reading IS NULL OR a.calm_reading < c.last_reading);
        END IF;
    END LOOP;
    RETURN events;
EXCEPTION WHEN OTHERS THEN
    -- a reading is worth more
    PERFORM @extschema@.tribe_power_log('alerts could not be looked for: ' || SQLERRM, true);
    RETURN 0;
END
$$;
COMMENT ON FUNCTION tribe_power_evaluate(text[]) IS
'Raises and clears the alerts of these nodes by their status rows as they are, and gives the number of events. Worker and tribe_power_collect() call it when they have stored readings. An error is logged and costs the events of this call; the next one finds them.';

CREATE FUNCTION tribe_power_evaluate_months() RETURNS integer
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET lock_timeout = '2s'
    AS $$
DECLARE
    c record;
    said text;
    events integer := 0;
    month CONSTANT date := date_trunc('month', now() AT TIME ZONE @extschema@.tribe_power_timezone());
BEGIN
    DELETE FROM @extschema@.tribe_power_events e
    WHERE e."timestamp" < @extschema@.tribe_power_keep_from('event_retention');

    -- nobody looks at these any more
    FOR c IN
        DELETE FROM @extschema@.tribe_power_alerts a
        WHERE a.node_name <> ''
          AND NOT EXISTS (SELECT FROM @extschema@.tribe_power_nodes n
                          WHERE n.node_name = a.node_name AND n.enabled)
        RETURNING a.*
    LOOP
        PERFORM @extschema@.tribe_power_report_event(c.node_name, c.kind, 'cleared', NULL, c.limit_value,
            format('node "%s" is no longer watched', c.node_name));
        events := events + 1;
    END LOOP;

    FOR c IN
        SELECT l.node_name, l.limit_value, u.energy_kwh, a.kind IS NOT NULL AS raised
        FROM (SELECT n.node_name, n.budget_month_kwh FROM @extschema@.tribe_power_nodes n WHERE n.enabled
              UNION ALL
              SELECT '', nullif(current_setting('tribe_power.budget_month_kwh', true)::double precision, 0))
             AS l (node_name, limit_value)
        LEFT JOIN @extschema@.tribe_power_alerts a ON a.node_name = l.node_name AND a.kind = 'over_month'
        CROSS JOIN LATERAL (
            SELECT sum(d.energy_kwh) AS energy_kwh FROM @extschema@.tribe_power_daily d
            WHERE (l.node_name = '' OR d.node_name = l.node_name)
              AND d.date >= month AND d.date < month + interval '1 month') u
        WHERE l.limit_value IS NOT NULL OR a.kind IS NOT NULL
        ORDER BY l.node_name
    LOOP
        IF NOT c.raised AND c.energy_kwh > c.limit_value THEN
            CONTINUE WHEN EXISTS (
                SELECT FROM @extschema@.tribe_power_maintenance_at() m
                WHERE m.node_name IS NULL OR m.node_name = c.node_name);
            said := format('%s used %s kWh since %s, the limit of a month is %s kWh',
                CASE WHEN c.node_name = '' THEN 'the fleet' ELSE format('node "%s"', c.node_name) END,
                trim_scale(round(c.energy_kwh::numeric, 1)), month, c.limit_value);
            INSERT INTO @extschema@.tribe_power_alerts (node_name, kind, since, value, limit_value, message)
            VALUES (c.node_name, 'over_month', clock_timestamp(), c.energy_kwh, c.limit_value, said)
            ON CONFLICT DO NOTHING;
            CONTINUE WHEN NOT FOUND;
            PERFORM @extschema@.tribe_power_report_event(c.node_name, 'over_month', 'raised', c.energy_kwh, c.limit_value, said);
            events := events + 1;
        ELSIF c.raised AND NOT coalesce(c.energy_kwh > c.limit_value, false) THEN
            DELETE FROM @extschema@.tribe_power_alerts a WHERE a.node_name = c.node_name AND a.kind = 'over_month';
            CONTINUE WHEN NOT FOUND;
            said := format('%s used %s kWh since %s, the limit of a month is %s kWh',
                CASE WHEN c.node_name = '' THEN 'the fleet' ELSE format('node "%s"', c.node_name) END,
                trim_scale(round(coalesce(c.energy_kwh, 0)::numeric, 1)), month, coalesce(c.limit_value::text, 'no'));
            PERFORM @extschema@.tribe_power_report_event(c.node_name, 'over_month', 'cleared', c.energy_kwh, c.limit_value, said);
            events := events + 1;
        END IF;
    END LOOP;
    RETURN events;
EXCEPTION WHEN OTHERS THEN
    PERFORM @extschema@.tribe_power_log('alerts could not be looked for: ' || SQLERRM, true);
    RETURN 0;
END
$$;
COMMENT ON FUNCTION tribe_power_evaluate_months() IS
'Raises and clears the alerts of kind over_month by the daily totals of the month, clears those of nodes that are disabled or gone, deletes events older than tribe_power.event_retention, and gives the number of events. A part of upkeep.';
