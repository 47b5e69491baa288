-- Operating: the worker, schedules, and whether all is well.

CREATE FUNCTION tribe_power_start_worker() RETURNS integer
    LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_start_worker() IS
'Starts the background worker for this database now, where the library was not preloaded, and gives its process id. It runs until the server stops: with shared_preload_libraries = ''tribe_power'' it starts by itself. Raises object_in_use if a worker serves this database already.';

CREATE FUNCTION tribe_power_is_preloaded() RETURNS boolean
    LANGUAGE c STABLE PARALLEL UNSAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_is_preloaded() IS
'Whether the server started with the library preloaded, so that a worker starts by itself.';

-- By its lock, as src/transaction.c takes it: pg_stat_activity hides the worker from
-- most roles, also from an owner of the extension who is no superuser.
CREATE FUNCTION tribe_power_is_served() RETURNS boolean
    LANGUAGE sql VOLATILE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp
    RETURN EXISTS (
        SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = current_database() AND l.locktype = 'advisory' AND l.granted
          AND l.classid = 1953655138::oid AND l.objid = 1699772274::oid AND l.objsubid = 3);
COMMENT ON FUNCTION tribe_power_is_served() IS
'Whether a worker serves this database now. Needs no right to see other sessions in pg_stat_activity.';

CREATE FUNCTION tribe_power_key_file_state(path text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_key_file_state(text) IS
'What is wrong with a private key file of the server: missing, of another owner, readable by others; NULL: nothing. The file is not opened.';

CREATE FUNCTION tribe_power_examine(
    nodes text[] DEFAULT NULL,
    OUT node_name text,
    OUT section text,
    OUT reason text,
    OUT detail text,
    OUT remedy text)
    RETURNS SETOF record
    LANGUAGE c VOLATILE SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_examine(text[]) IS
'Polls the named nodes, or all enabled ones, and gives for each a row with section login (reason read, or why there is no report) and one for each problem of its report. Stores nothing; takes at most tribe_power.round_timeout.';
