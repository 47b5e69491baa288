/*
 * collect.h: what the SQL functions over a round share with nobody else.
 */
#ifndef TRIBE_POWER_COLLECT_H
#define TRIBE_POWER_COLLECT_H

#include "postgres.h"

#include "round.h"

/* What a person should do about this node's answer: the outcome's remedy, else
 * that of the reading's first problem, else NULL. */
extern const char *collect_remedy(const RoundNode *node);

#endif
