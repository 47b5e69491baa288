/*
 * power.h: the arithmetic.  From what a node answered now and what is
 * remembered of its previous answer to watts, joules and reasons.
 *
 * Pure functions, no clock, no allocation, no PostgreSQL: the same input gives
 * the same output.  A wrong number is worse than none, so whatever is in doubt
 * becomes NAN (SQL: NULL) with a reason.
 */
#ifndef TRIBE_POWER_POWER_H
#define TRIBE_POWER_POWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reason.h"
#include "report.h"

/* What the registry says the node is: what is expected must be there. */
enum node_type
{
	NODE_AUTO = 0,
	NODE_LINUX_INTEL,
	NODE_LINUX_NVIDIA,
	NODE_LINUX_AMD,
	NODE_MACOS,
	NODE_TYPE_COUNT
};

/* Stable names ("auto", "linux_intel"); parse gives false for any other. */
const char *node_type_name(enum node_type type);
bool		node_type_parse(const char *name, enum node_type *type);

enum energy_quality
{
	ENERGY_UNKNOWN = 0,			/* energy_joules is NAN */
	ENERGY_COUNTER,				/* all of it from energy counters: exact */
	ENERGY_SAMPLED,				/* some of it integrated from power samples */
	ENERGY_WINDOW,				/* the short window's power stood in */
};

/* "counter", "sampled", "window"; NULL for ENERGY_UNKNOWN. */
const char *energy_quality_name(enum energy_quality quality);

/* What the hub knows about the node beside its reports. */
struct power_context
{
	enum node_type type;
	double		max_watts;		/* plausible ceiling of the whole node; NAN: the
								 * default of 2 kW a device */
	double		poll_interval;	/* nominal seconds between readings, > 0 */
};

/*
 * What the next delta needs of a reading: counters, clock, samples.  Stored
 * with the node's status as opaque bytes, so that nothing is lost when the
 * worker or the server restarts.
 */
struct power_state
{
	bool		known;			/* false: there was no reading before */
	char		boot_id[REPORT_MAX_NAME + 1];
	double		uptime;			/* at the end of the window */
	struct cpu_times cpu;
	uint16_t	zone_count;
	struct
	{
		char		path[REPORT_MAX_NAME + 1];
		char		name[REPORT_MAX_NAME + 1];
		uint64_t	energy_uj;
		uint64_t	range_uj;
		double		window_watts;	/* over its short window; NAN */
	}			zones[REPORT_MAX_ZONES];
	uint16_t	gpu_count;
	struct						/* discrete ones, also those lost since boot */
	{
		char		id[REPORT_MAX_NAME + 1];	/* PCI address where known */
		enum gpu_vendor vendor;
		double		power_watts;	/* NAN: not known */
		bool		has_energy;
		uint64_t	energy_uj;
	}			gpus[REPORT_MAX_GPUS];
	double		sampled_watts;	/* whole-node sampled power (macOS); NAN */
};

#define POWER_STATE_MAX_SIZE (20 * 1024)

/* For storing: encode gives the length, 0 if size is too small; decode gives
 * false (and an unknown state) for bytes of another version or garbage. */
size_t		power_state_encode(const struct power_state *state, void *buffer, size_t size);
bool		power_state_decode(const void *data, size_t length, struct power_state *state);

struct problem
{
	enum section section;
	enum problem_reason reason;
};

#define READING_MAX_PROBLEMS SECTION_COUNT

/* One row of tribe_power_metrics, but for names and times.  NAN is NULL. */
struct reading
{
	double		cpu_power_watts;	/* mean over interval_seconds */
	double		cpu_temp_celsius;
	double		cpu_utilization;	/* percent */
	double		gpu_power_watts;	/* sum over the GPUs, integrated ones too */
	double		gpu_temp_celsius;	/* the hottest */
	double		gpu_utilization;	/* percent, mean of those known */
	double		memory_used_gib;
	double		memory_total_gib;
	double		dram_power_watts;
	double		platform_power_watts;	/* of the whole machine; never added */
	double		total_power_watts;	/* NAN if an expected part is missing */
	double		interval_seconds;	/* what power and energy are over */
	double		energy_joules;
	enum energy_quality energy_quality;
	bool		rebooted;		/* since the remembered reading */
	int			problem_count;
	struct problem problems[READING_MAX_PROBLEMS];	/* one a section at most */
};

/*
 * Computes a reading from a report and the state before it (known = false at
 * the first), and the state to remember.  Next is only to be stored when the
 * report is newer: *newer is false for a report of the same boot with an
 * earlier uptime, whose reading then carries no energy.
 */
void		power_compute(const struct power_context *context,
						  const struct report *report,
						  const struct power_state *previous,
						  struct reading *reading,
						  struct power_state *next,
						  bool *newer);

/*
 * The short text for people: "45.2W", "65.8W (GPU: 10.8W)", or "N/A (…)" with
 * the first reason, "N/A (needs powermetrics setup)" for a Mac without helper.
 */
void		reading_summary(const struct reading *reading, enum node_type type,
							char *buffer, size_t size);

#endif
