-- Host keys: which one a node shows, and pinning it.

CREATE FUNCTION tribe_power_scan(node text) RETURNS text
    LANGUAGE c VOLATILE STRICT SECURITY DEFINER PARALLEL UNSAFE
    SET search_path = pg_catalog, pg_temp
    AS 'MODULE_PATHNAME';
COMMENT ON FUNCTION tribe_power_scan(text) IS
'The public host key that the node shows now, as type and base64. tribe_power_scan_host_key(node) says more. Raises undefined_object for a name that is not registered, connection_failure where the node shows none.';

CREATE FUNCTION tribe_power_fingerprint(host_key text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT 'SHA256:' || rtrim(translate(encode(sha256(decode(split_part($1, ' ', 2), 'base64')), 'base64'), E'\n', ''), '=') $$;
COMMENT ON FUNCTION tribe_power_fingerprint(text) IS
'The SHA256 fingerprint of a public key (type and base64), as ssh-keygen -l prints it.';

CREATE FUNCTION tribe_power_scan_host_key(
    node text,
    OUT key_type text,
    OUT fingerprint text,
    OUT state text,
    OUT host_key text)
    LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    pins text;
BEGIN
    host_key := @extschema@.tribe_power_scan(node);
    key_type := split_part(host_key, ' ', 1);
    fingerprint := @extschema@.tribe_power_fingerprint(host_key);
    SELECT n.host_key INTO pins FROM @extschema@.tribe_power_nodes n WHERE n.node_name = node;
    state := CASE WHEN pins IS NULL THEN 'not pinned'
                  WHEN strpos(pins, split_part(host_key, ' ', 2)) > 0 THEN 'pinned'
                  WHEN strpos(pins, key_type) > 0 THEN 'changed'
                  ELSE 'not pinned' END;
END
$$;
COMMENT ON FUNCTION tribe_power_scan_host_key(text) IS
'Connects to the node and shows its host key: type, SHA256 fingerprint as ssh-keygen -l prints it, state (pinned, not pinned, changed: another of its type is pinned), and the key itself. Nothing that identifies us is sent, nothing is stored. Compare the fingerprint with what ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub says on the node, then tribe_power_trust_host_key(node, fingerprint). Errors as tribe_power_scan().';

CREATE FUNCTION tribe_power_trust_host_key(node text, fingerprint text) RETURNS text
    LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    AS $$
DECLARE
    shown CONSTANT text := @extschema@.tribe_power_scan(node);
    found CONSTANT text := @extschema@.tribe_power_fingerprint(shown);
BEGIN
    IF rtrim(fingerprint, '=') <> found THEN
        RAISE EXCEPTION 'node "%" shows another host key', node
            USING ERRCODE = 'invalid_parameter_value',
                  DETAIL = format('Expected %s, got %s (%s).', fingerprint, found, split_part(shown, ' ', 1)),
                  HINT = 'Find out why before you trust it: somebody may be in between.';
    END IF;
    UPDATE @extschema@.tribe_power_nodes n SET host_key = shown WHERE n.node_name = node;
    RETURN shown;
END
$$;
COMMENT ON FUNCTION tribe_power_trust_host_key(text, text) IS
'Pins the host key that the node shows now in the registry, if its fingerprint (SHA256:…) is the one given; it replaces earlier pins. Gives the key back. Raises invalid_parameter_value if it is another; else errors as tribe_power_scan().';

