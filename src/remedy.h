/*
 * remedy.h: remedies with the node's own names in them.
 */
#ifndef TRIBE_POWER_REMEDY_H
#define TRIBE_POWER_REMEDY_H

#include "postgres.h"

#include "round.h"

/*
 * What a person should do about this node's answer: the outcome's remedy, else
 * that of the reading's first problem; NULL where all is well or nothing can be
 * done.  NODE, ADDRESS, PORT, USER and FILE in it are filled in.  palloc'd.
 */
extern char *remedy_of_node(const RoundNode *node);

/* The same for one remedy text. */
extern char *remedy_fill_in(const char *remedy, const RoundNode *node);

#endif
