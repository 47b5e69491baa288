/*
 * node_log.h: the server log's lines about single nodes.
 */
#ifndef TRIBE_POWER_NODE_LOG_H
#define TRIBE_POWER_NODE_LOG_H

#include "postgres.h"

#include "round.h"

/*
 * One line when a node's state changes; none while it stays as it is.  A node
 * that changes all the time gets NODE_LOG_BURST lines, then one per
 * NODE_LOG_MINUTES, which says how many were left out.
 */
extern void node_log_change(const RoundNode *node);

#define NODE_LOG_BURST 6
#define NODE_LOG_MINUTES 10

/* Says that the node is set aside, until when and what to do; at most one line a
 * node and hour, so without a budget. */
extern void node_log_set_aside(const RoundNode *node, TimestampTz until);

#endif
