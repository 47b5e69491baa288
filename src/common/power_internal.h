/*
 * power_internal.h: what the files of the arithmetic share.  For power*.c only.
 */
#ifndef TRIBE_POWER_POWER_INTERNAL_H
#define TRIBE_POWER_POWER_INTERNAL_H

#include "power.h"

/* What a device is believed to draw at most, where the registry is silent. */
#define DEVICE_MAX_WATTS 2000.0

/* Samples carry over a gap of at most this many intervals. */
#define GAP_INTERVALS 2.5

/* Where a reading lies in time, by the node's own clock. */
struct span
{
	bool		clock;			/* both marks are known and in order */
	double		now;			/* uptime at the end of the window */
	double		window;			/* the window's length; NAN: too uncertain */
	bool		follows;		/* same boot as the previous reading, and later */
	double		since;			/* seconds since then; NAN unless follows */
	bool		gap;			/* too long ago for samples to carry over */
	bool		brief;			/* so short ago that only the window gives watts */
	bool		slept;			/* the machine was suspended meanwhile */
};

/* A contribution to the node: watts to show, joules over the interval. */
struct part
{
	double		watts;
	double		joules;
	bool		by_window;		/* the short window's power stood in */
	bool		sampled;		/* joules are integrated from samples */
};

struct rapl_reading
{
	struct part cpu;			/* packages; joules include dram */
	double		dram_watts;		/* NAN: there is none, or it is not known */
	double		psys_watts;
	int			packages;
	bool		missing;		/* a part of the sum is there but unknown */
	enum problem_reason reason;
	enum problem_reason psys_reason;
};

struct gpu_reading
{
	double		watts;			/* all of them, to show */
	struct part discrete;		/* those that add to the total */
	bool		missing;		/* a discrete one is there but unknown */
	double		temperature;
	double		utilization;
	enum problem_reason nvidia, amd, intel;
};

/* The ceiling of one device. */
double		power_device_ceiling(const struct power_context *context);

/* Each also notes in next what the next delta needs. */
void		power_rapl(const struct power_context *context, const struct report *report,
					   const struct power_state *previous, const struct span *span,
					   struct rapl_reading *rapl, struct power_state *next);
void		power_gpus(const struct power_context *context, const struct report *report,
					   const struct power_state *previous, const struct span *span,
					   struct gpu_reading *gpus, struct power_state *next);
void		power_powermetrics(const struct power_context *context, const struct report *report,
							   const struct power_state *previous, const struct span *span,
							   struct reading *reading, struct part *part,
							   enum problem_reason *reason, struct power_state *next);

/* Samples at both ends of the interval, as energy over it; NAN over a gap. */
double		power_trapezoid(const struct span *span, bool known_before, double before, double now);

/* The CPU's temperature by the right sensor; NAN with a reason. */
double		power_cpu_temperature(const struct report *report, enum problem_reason *reason);

/* Busy percent between two readings of /proc/stat; NAN where not known. */
double		power_cpu_utilization(const struct cpu_times *from, const struct cpu_times *to);

/* The whole machine's power, by the best source; psys_watts is one of them. */
double		power_platform(const struct power_context *context, const struct report *report,
						   const struct rapl_reading *rapl, enum problem_reason *reason);

#endif
