/*
 * probe_script.h: the text of probe.sh, embedded at build (embed.sh).
 */
#ifndef TRIBE_POWER_PROBE_SCRIPT_H
#define TRIBE_POWER_PROBE_SCRIPT_H

extern const char probe_script[];
extern const unsigned long probe_script_length;

#endif
