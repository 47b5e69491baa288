-- Views for people.

CREATE VIEW tribe_power_latest AS
SELECT n.node_name,
       m."timestamp",
       m.total_power_watts,
       m.cpu_power_watts,
       m.gpu_power_watts,
       m.dram_power_watts,
       m.platform_power_watts,
       m.cpu_temp_celsius,
       m.gpu_temp_celsius,
       m.cpu_utilization,
       m.gpu_utilization,
       m.memory_used_gb,
       m.memory_total_gb,
       m.problems,
       coalesce(s.last_outcome, 'never') AS last_outcome,
       s.last_error,
       coalesce(s.failures, 0) AS failures,
       s.last_attempt
FROM tribe_power_nodes n
LEFT JOIN tribe_power_node_status s ON s.node_name = n.node_name
LEFT JOIN LATERAL (
    SELECT r.*
    FROM tribe_power_metrics r
    WHERE r.node_name = n.node_name
    ORDER BY r."timestamp" DESC
    LIMIT 1) m ON true;

COMMENT ON VIEW tribe_power_latest IS
'Each registered node with its newest reading (NULL: none yet) and how its last poll went. Units as in tribe_power_metrics.';

