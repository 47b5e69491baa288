/*
 * confine.h: what the poller denies itself before it talks to strangers.
 */
#ifndef TRIBE_POWER_CONFINE_H
#define TRIBE_POWER_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

/* First thing in main: no core file, no debugger, no new privileges, an empty
 * environment, files that nobody else can read. */
void		confine_at_start(void);

/* As a child of a database process: ends with it, and holds no descriptor but
 * the pipe and the log. */
void		confine_child(void);

/* Memory (bytes, 0: none), nice, as many descriptors as allowed, and no new
 * programs from here on. */
void		confine_by_settings(uint64_t memory, int nice_value);

#endif
