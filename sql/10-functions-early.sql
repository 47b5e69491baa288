-- What the tables below need: their checks, the zone that days are counted in.

CREATE FUNCTION tribe_power_check(field text, value text) RETURNS boolean
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_check(text, text) IS
'Used by the CHECK constraints of tribe_power_nodes: true if value fits the named field; else raises check_violation with a hint that says what would. NULL gives NULL.';

CREATE FUNCTION tribe_power_timezone() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_timezone() IS
'The time zone whose midnights bound a day: tribe_power.timezone, or log_timezone where that is empty. Never NULL.';

CREATE FUNCTION tribe_power_version() RETURNS text
    LANGUAGE c STABLE PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_version() IS
'The release of the library that the server runs, such as 1.0.0. The version of the SQL objects is in pg_extension.';

-- src/extension.c compares this text with the schema that the extension is in
CREATE FUNCTION tribe_power_schema() RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS $schema$SELECT '@extschema@'::text$schema$;
COMMENT ON FUNCTION tribe_power_schema() IS
'The schema for which the SQL objects were made, quoted where SQL needs it. ALTER SCHEMA … RENAME would leave the functions pointing to the old name: while the two differ, nothing polls and nothing is stored, and an error says how to rename it back.';

CREATE FUNCTION tribe_power_remedy(section text, reason text) RETURNS text
    LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_remedy(text, text) IS
'What to do about a problem, by the names that stand in tribe_power_metrics.problems: tribe_power_remedy(''rapl'', ''denied''). NULL where nothing can be done or a name is unknown.';


CREATE FUNCTION tribe_power_keep_from(setting text) RETURNS timestamptz
    LANGUAGE c STABLE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_keep_from(text) IS
'Since when rows are kept, by the setting tribe_power.retention, raw_data_retention, hourly_retention, daily_retention or event_retention (named without the prefix): now less that; -infinity: for ever. Raises invalid_parameter_value for another name.';
