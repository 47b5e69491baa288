-- The script that prepares a node.

CREATE FUNCTION tribe_power_public_key(identity_file text) RETURNS text
    LANGUAGE c VOLATILE STRICT PARALLEL SAFE
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_public_key(text) IS
'The public half of the hub''s key, type and base64, from the file of that name with .pub on the server. Raises undefined_file if there is none, data_exception if it holds no public key.';

CREATE FUNCTION tribe_power_node_setup(node text, undo boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    library CONSTANT text := @extschema@.tribe_power_version();  -- loads the settings
    n @extschema@.tribe_power_nodes;
    script text := @extschema@.tribe_power_node_file('node_setup.sh');
    file text;
    value text[];
BEGIN
    SELECT * INTO n FROM @extschema@.tribe_power_nodes r WHERE r.node_name = node;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'node "%" is not registered', node
            USING ERRCODE = 'undefined_object',
                  HINT = 'Register it with INSERT INTO tribe_power_nodes (node_name, address) VALUES (…).';
    END IF;
    FOREACH value SLICE 1 IN ARRAY ARRAY[
        ['@NODE@', n.node_name],
        ['@LOGIN@', coalesce(n.ssh_user, current_setting('tribe_power.ssh_user'))],
        ['@PUBLIC_KEY@', @extschema@.tribe_power_public_key(
            coalesce(n.identity_file, current_setting('tribe_power.identity_file')))],
        ['@UNDO@', CASE WHEN undo THEN 'yes' ELSE 'no' END]]
    LOOP
        -- one word for the shell, whatever is in it
        script := replace(script, value[1],
                          '''' || replace(value[2], '''', '''\''''') || '''');
    END LOOP;
    FOREACH file IN ARRAY ARRAY['probe.sh', 'install.sh', 'powermetrics_cache.sh',
                                'org.tribe-power.powermetrics.plist']
    LOOP
        script := replace(script, '@FILE ' || file || '@',
                          rtrim(@extschema@.tribe_power_node_file(file), E'\n'));
    END LOOP;
    RETURN script;
END
$$;
COMMENT ON FUNCTION tribe_power_node_setup(text, boolean) IS
'A shell script for the node''s root that prepares it to be polled: login account, the hub''s key with restrict and the probe as forced command, RAPL readable to a group (survives a reboot), NVIDIA persistence, on a Mac the powermetrics helper; with undo, one that takes all of that back, and the account if it was made so. It ends by printing the statement that pins the node''s host key. Use: psql -XAtc "SELECT tribe_power_node_setup(''redfin'')" | ssh root@redfin sh. Raises undefined_object for a name that is not registered; else as tribe_power_public_key().';

