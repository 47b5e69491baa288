/*
 * limits.h: what the poller denies itself before it talks to strangers.
 */
#ifndef TRIBE_POWER_LIMITS_H
#define TRIBE_POWER_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* First thing in main: no core file, no debugger, no new privileges, an empty
 * environment, files that nobody else can read. */
void		limits_at_start(void);

/* As a child of a database process: ends with it, and holds no descriptor but
 * the pipe and the log. */
void		limits_of_child(void);

/* Memory (bytes, 0: none), nice, as many descriptors as allowed, and no new
 * programs from here on. */
void		limits_from_settings(uint64_t memory, int nice_value);

#endif
