\set ECHO none
\getenv root PG_ABS_SRCDIR
\set helper :root '/pgtap.psql'
\i :helper

-- What energy costs: by time of day, weekday, season and date, over changes of the
-- clock, in two currencies, and where there is no price.  Days are counted in
-- Europe/Berlin.
SELECT no_plan();
SET TimeZone = 'Europe/Berlin';
LOAD 'tribe_power';
INSERT INTO tribe_power_nodes (node_name, address) VALUES ('a', 'a');

CREATE PROCEDURE tap.reading(node text, at timestamptz, seconds float8, watts float8)
    LANGUAGE sql AS $$
    INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
    VALUES (node, at, watts, seconds, watts * seconds, 'counter')
$$;
-- 1 kW from start to stop, in readings of that length; hourly and daily totals too.
CREATE PROCEDURE tap.kilowatt(node text, start timestamptz, stop timestamptz, seconds integer DEFAULT 300)
    LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
    SELECT node, t, 1000, seconds, 1000.0 * seconds, 'counter'
    FROM generate_series(start + seconds * interval '1 s', stop, seconds * interval '1 s') t;
    PERFORM tribe_power_aggregate_hours(start, stop);
    PERFORM tribe_power_aggregate(start::date, (stop - interval '1 s')::date);
END
$$;
-- The cost of a time, in one number; kWh where there is no price.
CREATE FUNCTION tap.bill(start timestamptz, stop timestamptz, node text DEFAULT 'a') RETURNS text LANGUAGE sql AS $$
SELECT string_agg(coalesce(round(c.cost, 6)::text || ' ' || c.currency, round(c.energy_kwh, 6) || ' kWh'), ', ' ORDER BY c.currency)
FROM tribe_power_cost(start, stop, 'year') c WHERE c.node_name = node
$$;

-- Prices of a time.
SELECT results_eq($$SELECT * FROM tribe_power_price()$$, $$VALUES (NULL::numeric, NULL::text, NULL::text)$$, 'no tariff, no price');
INSERT INTO tribe_power_tariffs (price_per_kwh, currency) VALUES (0.30, 'EUR');
SELECT results_eq($$SELECT * FROM tribe_power_price()$$, $$VALUES (0.30, 'EUR'::text, 'standard'::text)$$, 'one row is one price');
SELECT results_eq($$SELECT price_per_kwh FROM tribe_power_price('default', '1999-12-31 23:59')$$, $$VALUES (NULL::numeric)$$, 'not before it is valid');
SELECT results_eq($$SELECT price_per_kwh FROM tribe_power_price('other')$$, $$VALUES (NULL::numeric)$$, 'a tariff that is none has no price');
INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, from_time, to_time) VALUES ('night', 0.20, 'EUR', '22:00', '06:30');
SELECT results_eq(format('SELECT rate FROM tribe_power_price(''default'', %L)', t), format('VALUES (%L::text)', rate), t || ': ' || rate)
FROM (VALUES ('2025-06-10 21:59:59.999999', 'standard'), ('2025-06-10 22:00', 'night'), ('2025-06-11 00:00', 'night'),
             ('2025-06-11 06:29:59.999999', 'night'), ('2025-06-11 06:30', 'standard')) v (t, rate);
SELECT refused($$INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, weekdays) VALUES ('weekend', 0.25, 'EUR', '{6,7}')$$,
               '23P01', 'rates "night" and "weekend" of tariff "default" meet', '%same statement%', 'two rates that meet are refused');
SELECT lives_ok($$INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, weekdays, from_time, to_time)
                  VALUES ('weekend', 0.25, 'EUR', '{6,7}', NULL, NULL), ('weekend night', 0.10, 'EUR', '{6,7}', '22:00', '06:30')$$,
                'unless one says what holds where they do');
SELECT refused($$DELETE FROM tribe_power_tariffs WHERE rate = 'weekend night'$$, '23P01', '%meet', '%', 'which cannot be taken away');
SELECT results_eq(format('SELECT rate FROM tribe_power_price(''default'', %L)', t), format('VALUES (%L::text)', rate), t || ': ' || rate)
FROM (VALUES ('2025-06-13 23:59', 'night'), ('2025-06-14 00:00', 'weekend night'), ('2025-06-14 12:00', 'weekend'), ('2025-06-16 00:00', 'night')) v (t, rate);

-- Two that meet all the same, as after a restore without triggers, have no price.
SAVEPOINT meeting;
ALTER TABLE tribe_power_tariffs DISABLE TRIGGER ALL;
DELETE FROM tribe_power_tariffs WHERE rate = 'weekend night';
SELECT results_eq($$SELECT * FROM tribe_power_price('default', '2025-06-14 00:00')$$, $$VALUES (NULL::numeric, NULL::text, NULL::text)$$, 'no price rather than one of two');
ROLLBACK TO meeting;

-- What is refused.
SELECT refused(format('INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, months, weekdays, from_time, to_time) VALUES (%s)', row),
               state, '%', '%', 'refused: ' || row)
FROM (VALUES ($$'x', 'NaN', 'EUR', NULL, NULL, NULL, NULL$$, '23514'), ($$'x', 'Infinity', 'EUR', NULL, NULL, NULL, NULL$$, '23514'),
             ($$'x', 0.1, 'euro', NULL, NULL, NULL, NULL$$, '23514'), ($$'x', 0.1, NULL, NULL, NULL, NULL, NULL$$, '23514'),
             ($$'x', 0.1, 'EUR', '{0}', NULL, NULL, NULL$$, '23514'), ($$'x', 0.1, 'EUR', NULL, '{8}', NULL, NULL$$, '23514'),
             ($$'x', 0.1, 'EUR', NULL, '{}', NULL, NULL$$, '23514'), ($$'x', 0.1, 'EUR', NULL, '{1,NULL}', NULL, NULL$$, '23514'),
             ($$'x', 0.1, 'EUR', NULL, NULL, '10:00', NULL$$, '23514'), ($$'x', 0.1, 'EUR', NULL, NULL, '10:00', '10:00'$$, '23514'),
             ($$'x', 0.1, 'EUR', NULL, NULL, '10:00:30', '11:00'$$, '23514'), ($$NULL, 0.1, 'EUR', NULL, NULL, NULL, NULL$$, '23502')) v (row, state);
SELECT refused(format('INSERT INTO tribe_power_carbon (valid_from, gco2_per_kwh) VALUES (%s)', row), '23514', '%', '%', 'refused: ' || row)
FROM (VALUES ($$'2025-01-01 00:00:30', 1$$), ($$'infinity', 1$$), ($$now(), 'NaN'$$), ($$'2025-01-01', -1$$)) v (row);
SELECT refused(format('SELECT * FROM tribe_power_cost(%s)', arguments), '22023', message, '%', 'refused: ' || arguments)
FROM (VALUES ($$'2025-01-01', '2025-02-01', 'fortnight'$$, 'invalid step%'), ($$'2025-01-01', '2025-02-01', NULL$$, 'invalid step%'),
             ($$'2025-01-01', NULL$$, '%finite%'), ($$'-infinity', now()$$, '%finite%')) v (arguments, message);

-- A tariff changes within an hour, at 06:30, and power changes with it; one
-- reading lies across.
TRUNCATE tribe_power_tariffs;
INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, from_time, to_time)
VALUES ('day', 0.3, 'EUR', '06:30', '22:00'), ('night', 0.1, 'EUR', '22:00', '06:30');
CALL tap.reading('a', '2025-06-10 06:20', 1200, 3000);      -- 1 kWh until 06:20
CALL tap.reading('a', '2025-06-10 06:40', 1200, 600);       -- 0.2 kWh, half of it before 06:30
CALL tap.reading('a', '2025-06-10 07:00', 1200, 1500);      -- 0.5 kWh
SELECT tribe_power_aggregate_hours('2025-06-10 06:00', '2025-06-10 07:00') \g /dev/null
SELECT results_eq($$SELECT period, energy_kwh::float8, coverage, trim_scale(cost), currency, priced_kwh::float8, carbon_kg, carbon_kwh FROM tribe_power_cost('2025-06-10 06:00', '2025-06-10 07:00', 'hour')$$,
                  $$VALUES ('2025-06-10 06:00'::timestamptz, 1.7::float8, 1::float8, 1.1 * 0.1 + 0.6 * 0.3, 'EUR'::text, 1.7::float8, NULL::numeric, 0::numeric)$$,
                  'an hour in two prices is split by its readings');
SELECT is(tap.bill('2025-06-10 00:00', '2025-06-11 00:00'), '0.290000 EUR', 'by day the same');
-- readings that retention has dropped
SAVEPOINT readings;
DELETE FROM tribe_power_metrics WHERE "timestamp" = '2025-06-10 06:40';
SELECT is(tap.bill('2025-06-10 00:00', '2025-06-11 00:00'), '1.700000 kWh', 'an hour whose readings are gone has no price, but its energy');
UPDATE tribe_power_tariffs SET price_per_kwh = 0.2;
SELECT is(tap.bill('2025-06-10 00:00', '2025-06-11 00:00'), '0.340000 EUR', 'unless it is the same price all hour');
ROLLBACK TO readings;
-- an hour that has nothing within it is priced as a whole, also without readings
TRUNCATE tribe_power_metrics, tribe_power_hourly, tribe_power_daily;
CALL tap.kilowatt('a', '2025-06-10 00:00', '2025-06-11 00:00');
SELECT is(tap.bill('2025-06-10 00:00', '2025-06-11 00:00'), (15.5 * 0.3 + 8.5 * 0.1)::numeric(9,6) || ' EUR', 'a whole day');
DELETE FROM tribe_power_metrics;
SELECT is(tap.bill('2025-06-10 00:00', '2025-06-11 00:00'), (15.5 * 0.3 - 0.5 * 0.3 + 8 * 0.1)::numeric(9,6) || ' EUR, 1.000000 kWh', 'without its readings all but the hour of 06:30');
-- only the daily total is left: no price, for it changes within the day
DELETE FROM tribe_power_hourly;
SELECT is(tap.bill('2025-06-10 00:00', '2025-06-11 00:00'), '24.000000 kWh', 'a daily total has no price where that changes within the day');
SELECT is_empty($$SELECT * FROM tribe_power_cost('2025-06-10 00:00', '2025-06-11 00:00', 'hour')$$, 'and no hours');
SELECT is(tap.bill('2025-06-10 00:00', '2025-06-10 23:00'), NULL, 'nor is it cut');
UPDATE tribe_power_tariffs SET price_per_kwh = 0.2;
SELECT is(tap.bill('2025-06-10 00:00', '2025-06-11 00:00'), '4.800000 EUR', 'with one price all day it has one');
INSERT INTO tribe_power_carbon (gco2_per_kwh) VALUES (400);
SELECT results_eq($$SELECT carbon_kg::float8, carbon_kwh::float8 FROM tribe_power_cost('2025-06-10 00:00', '2025-06-11 00:00')$$, $$VALUES (9.6::float8, 24::float8)$$, 'and its carbon');
INSERT INTO tribe_power_carbon (valid_from, gco2_per_kwh) VALUES ('2025-06-10 12:00', 300);
SELECT results_eq($$SELECT carbon_kg::float8, carbon_kwh::float8, cost::float8 FROM tribe_power_cost('2025-06-10 00:00', '2025-06-11 00:00')$$, $$VALUES (NULL::float8, 0::float8, 4.8::float8)$$, 'which it has not if that changes');

-- The clock is set forward: 30 March 2025 has no hour from 02:00 to 03:00.
TRUNCATE tribe_power_tariffs, tribe_power_carbon, tribe_power_metrics, tribe_power_hourly, tribe_power_daily;
INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, from_time, to_time)
VALUES ('early', 1, 'EUR', '00:00', '02:30'), ('late', 0, 'EUR', '02:30', '24:00');
CALL tap.kilowatt('a', '2025-03-30 00:00', '2025-03-31 00:00');
SELECT results_eq($$SELECT energy_kwh::float8, coverage, cost::float8 FROM tribe_power_cost('2025-03-30 00:00', '2025-03-31 00:00')$$,
                  $$VALUES (23::float8, 1::float8, 2::float8)$$, 'forward: 23 hours, 2 of them before 02:30');
-- and back: 26 October has two of them, and the clock shows 02:30 twice
CALL tap.kilowatt('a', '2025-10-26 00:00', '2025-10-27 00:00');
SELECT results_eq($$SELECT energy_kwh::float8, coverage, cost::float8 FROM tribe_power_cost('2025-10-26 00:00', '2025-10-27 00:00')$$,
                  $$VALUES (25::float8, 1::float8, 3::float8)$$, 'back: 25 hours, 3 of them before 02:30 on the clock');
SELECT results_eq($$SELECT (period AT TIME ZONE 'UTC')::time, cost::float8 FROM tribe_power_cost('2025-10-26 00:00', '2025-10-26 05:00', 'hour')$$,
                  $$VALUES ('22:00'::time, 1::float8), ('23:00', 1), ('00:00', 0.5), ('01:00', 0.5), ('02:00', 0), ('03:00', 0)$$, 'half an hour in each of the two');

-- Seasons, weekdays, and new prices from a day on.
TRUNCATE tribe_power_tariffs, tribe_power_metrics, tribe_power_hourly, tribe_power_daily;
INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, months, weekdays) VALUES
    ('all', 0.1, 'EUR', NULL, NULL), ('winter', 0.4, 'EUR', '{1,2,3,10,11,12}', NULL), ('sunday', 0.05, 'EUR', NULL, '{7}'),
    ('winter sunday', 0.2, 'EUR', '{1,2,3,10,11,12}', '{7}');
CALL tap.kilowatt('a', '2025-09-27 00:00', '2025-10-06 00:00');      -- a Saturday to a Sunday
SELECT is(tap.bill('2025-09-27 00:00', '2025-09-28 00:00'), '2.400000 EUR', 'summer');
SELECT is(tap.bill('2025-09-28 00:00', '2025-09-29 00:00'), '1.200000 EUR', 'a Sunday in summer');
SELECT is(tap.bill('2025-09-30 00:00', '2025-10-02 00:00'), '12.000000 EUR', 'the season changes at midnight');
SELECT is(tap.bill('2025-09-30 23:00', '2025-10-01 01:00'), '0.500000 EUR', 'exactly');
SELECT is(tap.bill('2025-10-05 00:00', '2025-10-06 00:00'), '4.800000 EUR', 'a Sunday in winter');
INSERT INTO tribe_power_tariffs (valid_from, price_per_kwh, currency) VALUES ('2025-10-04', 0.5, 'EUR');
SELECT is(tap.bill('2025-10-03 00:00', '2025-10-06 00:00'), '33.600000 EUR', 'new prices replace all the old ones, from their day on');
INSERT INTO tribe_power_tariffs (valid_from, price_per_kwh, currency) VALUES ('2025-10-05', 1, 'CHF');
SELECT results_eq($$SELECT energy_kwh::float8, cost::float8, currency, priced_kwh::float8, coverage FROM tribe_power_cost('2025-10-01 00:00', '2025-10-06 00:00', 'year')$$,
                  $$VALUES (24::float8, 24::float8, 'CHF'::text, 24::float8, 1::float8), (96, 40.8, 'EUR', 96, 1)$$, 'two currencies are two rows');
INSERT INTO tribe_power_tariffs (valid_from, price_per_kwh, currency) VALUES ('2025-10-02', NULL, NULL);
SELECT results_eq($$SELECT energy_kwh::float8, cost::float8, currency, priced_kwh::float8 FROM tribe_power_cost('2025-10-01 00:00', '2025-10-06 00:00', 'year')$$,
                  $$VALUES (24::float8, 24::float8, 'CHF'::text, 24::float8), (48, 21.6, 'EUR', 48), (48, NULL, NULL, 0)$$, 'what has no price is one of its own');

-- Steps add up, to the last digit, with power that is no round number and carbon
-- that changes every quarter of an hour.
TRUNCATE tribe_power_tariffs, tribe_power_metrics, tribe_power_hourly, tribe_power_daily;
INSERT INTO tribe_power_tariffs (rate, price_per_kwh, currency, from_time, to_time) VALUES ('day', 0.31234, 'EUR', '06:30', '21:45'), ('night', 0.2789, 'EUR', '21:45', '06:30');
INSERT INTO tribe_power_tariffs (tariff, price_per_kwh, currency) VALUES ('abroad', 0.19, 'CHF');
INSERT INTO tribe_power_carbon (valid_from, gco2_per_kwh)
SELECT t, 300 + extract(epoch FROM t)::bigint / 900 % 97 FROM generate_series('2025-06-01 00:00'::timestamptz, '2025-07-02 00:00', '15 min') t;
INSERT INTO tribe_power_nodes (node_name, address, tariff) VALUES ('b', 'b', 'abroad');
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT n, '2025-06-01'::timestamptz + g * interval '307 s', 50, 307, 307 * (50 + g % 31 / 7.0), 'counter'
FROM unnest('{a,b,gone}'::text[]) n, generate_series(1, 7 * 281) g;
SELECT tribe_power_aggregate_hours('2025-06-01', '2025-06-09') \g /dev/null
SELECT tribe_power_aggregate('2025-06-01', '2025-06-08') \g /dev/null
CREATE TEMP TABLE step AS
SELECT s.step, by_node, c.* FROM unnest('{hour,day,week,month,quarter,year}'::text[]) s (step), unnest('{t,f}'::boolean[]) by_node,
     LATERAL tribe_power_cost('2025-06-01', '2025-07-01', s.step, by_node) c;
SELECT is(count(DISTINCT (cost, energy_kwh, carbon_kg, priced_kwh, carbon_kwh)), 1::bigint, 'all steps add up to the same in ' || currency)
FROM (SELECT step, by_node, currency, sum(cost) AS cost, sum(energy_kwh) AS energy_kwh, sum(carbon_kg) AS carbon_kg,
             sum(priced_kwh) AS priced_kwh, sum(carbon_kwh) AS carbon_kwh FROM step GROUP BY 1, 2, 3) s GROUP BY currency ORDER BY currency;
SELECT is(sum(cost), (SELECT sum(cost) FROM step WHERE step = 'year' AND by_node), 'and so do the parts of a time')
FROM generate_series(0, 29) d, LATERAL tribe_power_cost('2025-06-01'::timestamptz + d * interval '1 day', '2025-06-02'::timestamptz + d * interval '1 day', 'month') c;
-- by hand, from the readings
SELECT is(abs(sum(cost) - (SELECT sum(energy_joules / 3.6e6 * 0.19) FROM tribe_power_metrics WHERE node_name = 'b')) < 1e-6, true, 'a tariff of its own')
FROM step WHERE step = 'year' AND by_node AND node_name = 'b';
SELECT is(abs(sum(cost) - (SELECT sum(energy_joules / 3.6e6 / 307 * (SELECT sum(CASE WHEN (second AT TIME ZONE 'Europe/Berlin')::time >= '06:30' AND (second AT TIME ZONE 'Europe/Berlin')::time < '21:45' THEN 0.31234 ELSE 0.2789 END)
    FROM generate_series("timestamp" - interval '307 s', "timestamp" - interval '1 s', '1 s') second)) FROM tribe_power_metrics WHERE node_name = 'a')) < 1e-6, true, 'second by second')
FROM step WHERE step = 'year' AND by_node AND node_name = 'a';
SELECT is(abs(sum(carbon_kg) - (SELECT sum(energy_joules / 3.6e6 / 307 * (SELECT sum(300 + extract(epoch FROM second)::bigint / 900 % 97)
    FROM generate_series("timestamp" - interval '307 s', "timestamp" - interval '1 s', '1 s') second)) / 1000 FROM tribe_power_metrics WHERE node_name = 'a')) < 1e-6, true, 'carbon second by second')
FROM step WHERE step = 'year' AND by_node AND node_name = 'a';
SELECT is(sum(cost), (SELECT sum(cost) FROM step WHERE step = 'year' AND node_name = 'a'), 'a node that is gone has the default tariff')
FROM step WHERE step = 'year' AND node_name = 'gone';
SELECT is(round(sum(c.energy_kwh), 6), (SELECT round(sum(e.energy_kwh)::numeric, 6) FROM tribe_power_energy('2025-06-01', '2025-07-01') e), 'energy is that of tribe_power_energy()')
FROM tribe_power_cost('2025-06-01', '2025-07-01') c;
SELECT results_eq($$SELECT period, node_name, round(coverage::numeric, 9) FROM tribe_power_cost('2025-06-01', '2025-07-01') ORDER BY 1, 2$$,
                  $$SELECT period, node_name, round(coverage::numeric, 9) FROM tribe_power_energy('2025-06-01', '2025-07-01') ORDER BY 1, 2$$, 'and so is coverage');
-- a series that ends
INSERT INTO tribe_power_carbon (valid_from) VALUES ('2025-06-03 12:10') ON CONFLICT DO NOTHING;
DELETE FROM tribe_power_carbon WHERE valid_from > '2025-06-03 12:10';
SELECT is(round(sum(carbon_kwh) / sum(energy_kwh), 2), 0.36, 'of a series that ends, the part before') FROM tribe_power_cost('2025-06-01', '2025-06-08', 'month');

-- The node's clock and the hub's are two: readings that overlap by a little cover
-- less by the hour than by the day, but all their energy is there, and is priced.
INSERT INTO tribe_power_tariffs (tariff, rate, price_per_kwh, currency, from_time, to_time)
VALUES ('two', 'day', 0.40, 'EUR', '06:30', '22:00'), ('two', 'night', 0.20, 'EUR', '22:00', '06:30');
INSERT INTO tribe_power_nodes (node_name, address, tariff) VALUES ('o', 'o', 'two');
INSERT INTO tribe_power_metrics (node_name, "timestamp", total_power_watts, interval_seconds, energy_joules, energy_quality)
SELECT 'o', t + (extract(epoch FROM t)::bigint / 300 % 5) * interval '1 s', 1000, 300, 300000, 'counter'
FROM generate_series('2025-08-05 00:05'::timestamptz, '2025-08-06 00:00', '5 minutes') t;
SELECT tribe_power_aggregate_hours('2025-08-05', '2025-08-06 01:00'), tribe_power_aggregate('2025-08-05', '2025-08-06') \g /dev/null
SELECT is(d.covered_seconds - (SELECT sum(h.covered_seconds) FROM tribe_power_hourly h WHERE h.node_name = 'o' AND h.hour < '2025-08-06') > 2, true, 'less by the hour')
FROM tribe_power_daily d WHERE d.node_name = 'o' AND d.date = '2025-08-05';
SELECT results_eq($$SELECT round(c.energy_kwh, 2), c.priced_kwh = c.energy_kwh, round(c.cost, 2) FROM tribe_power_cost('2025-08-05', '2025-08-06') c WHERE c.node_name = 'o'$$,
                  $$VALUES (24.00, true, 7.90)$$, 'but priced');

SELECT * FROM finish();
ROLLBACK;
