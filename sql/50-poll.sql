-- Polling by hand.

CREATE FUNCTION tribe_power_collect(
    nodes text[] DEFAULT NULL,
    OUT node_name text,
    OUT status text,
    OUT total_power_watts double precision,
    OUT summary text,
    OUT error text,
    OUT remedy text,
    OUT elapsed_ms integer)
    RETURNS SETOF record
    LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_collect(text[]) IS
'Polls the named nodes, or all enabled ones, now and in parallel, stores what they answered, and gives a row a node. status: ok, partial (see problems of the reading), or why there is no reading; total_power_watts in W, NULL if not known; summary for people; error and remedy NULL if all is well; elapsed_ms. Takes at most tribe_power.round_timeout; a node''s trouble is a row, never an error. Raises undefined_object for a name that is not registered.';

CREATE FUNCTION tribe_power_probe(
    node text,
    OUT section text,
    OUT item text,
    OUT value text,
    OUT unit text,
    OUT problem text)
    RETURNS SETOF record
    LANGUAGE c VOLATILE STRICT SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_probe(text) IS
'Polls one node now and shows what it answered, item by item, with units and problems; stores nothing. Power is over the short window only. Raises undefined_object for a name that is not registered.';

