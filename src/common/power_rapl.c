/*
 * power_rapl.c: RAPL energy counters to watts and joules.
 *
 * A counter wraps at its zone's own range, R.  With d the difference modulo R,
 * the energy of an interval is d + k·R, and only the power in the meantime can
 * tell k.  The short windows at both ends give an estimate P of that power:
 * k = round((P·Δt − d) / R).  This holds where neighbouring candidates, R/Δt
 * watts apart, lie far apart against what the zone can draw; otherwise the
 * count is ambiguous, the interval has no counter energy, and the window's
 * power stands in.
 */
#include "power_internal.h"

#include <math.h>
#include <string.h>

/* Counter and clock are not read at the same instant: seconds between them. */
#define CLOCK_SLACK 0.05

/* Joules; of a zone that hides its range: it may have wrapped unseen. */
#define SMALLEST_RANGE 65532.0

enum domain
{
	DOMAIN_OTHER = 0,			/* core, uncore: inside the package */
	DOMAIN_PACKAGE,
	DOMAIN_DRAM,
	DOMAIN_PSYS,
};

/*
 * What a zone can draw, for telling wraps apart; not a plausibility limit.  No
 * CPU package goes beyond 600 W, no socket's memory beyond 250 W.
 */
static const double domain_watts[] = {
	[DOMAIN_PACKAGE] = 600,
	[DOMAIN_DRAM] = 250,
	[DOMAIN_PSYS] = 1500,
};

static enum domain
domain_of(const char *name)
{
	if (strncmp(name, "package-", 8) == 0)
		return DOMAIN_PACKAGE;
	if (strcmp(name, "dram") == 0)
		return DOMAIN_DRAM;
	if (strcmp(name, "psys") == 0)
		return DOMAIN_PSYS;
	return DOMAIN_OTHER;
}

/* The name of the package that a zone belongs to, or its path if unknown. */
static const char *
package_of(const struct report *report, const struct rapl_zone *zone)
{
	const char *colon = strrchr(zone->path, ':');
	size_t		length = colon ? (size_t) (colon - zone->path) : 0;

	for (int i = 0; i < report->zone_count; i++)
	{
		const char *path = report->zones[i].path;

		if (strlen(path) == length && strncmp(path, zone->path, length) == 0)
			return report->zones[i].name;
	}
	return zone->path;
}

static bool
is_mmio(const struct rapl_zone *zone)
{
	return strncmp(zone->path, "intel-rapl-mmio:", 16) == 0;
}

/*
 * The same counter can show twice: intel-rapl-mmio repeats the package.  Two
 * zones are one if they are the same domain of the same package, not if they
 * merely share a name: four sockets have four zones called dram.
 */
static bool
is_duplicate(const struct report *report, int index)
{
	const struct rapl_zone *zone = &report->zones[index];
	enum domain domain = domain_of(zone->name);

	for (int i = 0; i < report->zone_count; i++)
	{
		const struct rapl_zone *other = &report->zones[i];

		if (i == index || strcmp(other->name, zone->name) != 0)
			continue;
		if (domain == DOMAIN_DRAM &&
			strcmp(package_of(report, zone), package_of(report, other)) != 0)
			continue;
		if (is_mmio(zone) == is_mmio(other) ? i < index : is_mmio(zone))
			return true;
	}
	return false;
}

/* The advance from one value to the next if it wrapped at most once; NAN if
 * it decreased and the range does not explain it. */
static double
advance(uint64_t from, uint64_t to, uint64_t range)
{
	if (to >= from)
		return (double) (to - from);
	if (range > 0 && from <= range)
		return (double) (range - from) + (double) to;
	return NAN;
}

static double
window_watts(const struct rapl_zone *zone, const struct span *span)
{
	if (!zone->known[0] || !zone->known[1] || !(span->window > 0))
		return NAN;
	return advance(zone->energy_uj[0], zone->energy_uj[1], zone->range_uj) / 1e6 / span->window;
}

/*
 * The joules between two values of a counter, seconds apart.  Expected is the
 * power by the short windows, or NAN; limit is what the zone can draw.  NAN: the
 * count of wraps cannot be told.
 */
static double
counter_joules(uint64_t from, uint64_t to, uint64_t range, double seconds,
			   double expected, double limit, double ceiling, bool slept)
{
	bool		decreased = to < from;
	double		d = advance(from, to, range) / 1e6;
	double		apart;			/* between candidates, in watts */
	double		k;

	if (isnan(d))
		return NAN;
	if (range == 0)
		return expected * seconds - d > SMALLEST_RANGE / 2 ? NAN : d;

	apart = range / 1e6 / seconds;
	if (apart < limit / 2 || (apart < limit && isnan(expected)))
		return NAN;
	k = isnan(expected) ? 0 : round((expected * seconds - d) / (range / 1e6));
	if (k > 0)
		d += k * (range / 1e6);

	/* Candidates close together: do not choose near the middle of two. */
	if (apart < limit && fabs(d / seconds - expected) > 0.4 * apart)
		return NAN;

	/*
	 * A counter that went back may have been reset instead, by a suspend or a
	 * firmware: a wrap is only believed if the power that follows from it is
	 * near what the windows saw.
	 */
	if (decreased && slept)
		return NAN;
	if (decreased && d / seconds > (isnan(expected) ? ceiling : fmin(ceiling, 4 * expected + 20)))
		return NAN;
	return d;
}

/* One zone: false, with a reason, where it gives no watts. */
static bool
read_zone(const struct rapl_zone *zone, const struct power_state *previous,
		  const struct span *span, double ceiling, struct part *part,
		  enum problem_reason *reason)
{
	double		window = window_watts(zone, span);
	double		limit = fmin(domain_watts[domain_of(zone->name)], ceiling);
	int			before = -1;
	double		joules = NAN;

	*reason = REASON_NONE;
	part->watts = NAN;
	part->joules = NAN;
	part->by_window = false;
	part->sampled = false;

	if (!zone->known[1])
	{
		*reason = REASON_ERROR;
		return false;
	}
	if (window > ceiling)
		window = NAN;

	for (int i = 0; span->follows && i < previous->zone_count; i++)
		if (strcmp(previous->zones[i].path, zone->path) == 0 &&
			strcmp(previous->zones[i].name, zone->name) == 0)
			before = i;

	if (before >= 0)
	{
		double		expected = previous->zones[before].window_watts;

		if (isnan(expected))
			expected = window;
		else if (!isnan(window))
			expected = (expected + window) / 2;

		joules = counter_joules(previous->zones[before].energy_uj, zone->energy_uj[1],
								zone->range_uj, span->since, expected, limit, ceiling,
								span->slept);
		if (isnan(joules))
			*reason = REASON_AMBIGUOUS_WRAP;
		else if (joules > ceiling * (span->since + CLOCK_SLACK) || (joules == 0 && !span->brief))
		{
			/* too fast, or standing still */
			*reason = REASON_IMPLAUSIBLE;
			return false;
		}
	}

	if (!isnan(joules))
	{
		part->joules = joules;
		part->watts = span->brief ? window : joules / span->since;
		if (isnan(part->watts))
			part->watts = joules / span->since;
		return true;
	}

	/* No delta since the previous reading: the window's power stands in. */
	if (isnan(window) || window == 0)
	{
		if (!zone->known[0])
			*reason = REASON_ERROR;
		else if (isnan(span->window))
			*reason = REASON_NONE;	/* the clock's fault, and said there */
		else if (*reason == REASON_NONE)
			*reason = REASON_IMPLAUSIBLE;
		return false;
	}
	part->watts = window;
	part->by_window = true;
	if (!span->follows)
		part->joules = window * span->window;
	else if (!span->gap)
		part->joules = window * span->since;
	return true;
}

static void
remember_zone(const struct rapl_zone *zone, const struct span *span, struct power_state *next)
{
	if (!zone->known[1] || next->zone_count >= REPORT_MAX_ZONES)
		return;
	strcpy(next->zones[next->zone_count].path, zone->path);
	strcpy(next->zones[next->zone_count].name, zone->name);
	next->zones[next->zone_count].energy_uj = zone->energy_uj[1];
	next->zones[next->zone_count].range_uj = zone->range_uj;
	next->zones[next->zone_count].window_watts = window_watts(zone, span);
	next->zone_count++;
}

/* Whether a package or dram that was read before has gone in the same boot. */
static bool
lost_zone(const struct report *report, const struct power_state *previous)
{
	for (int i = 0; i < previous->zone_count; i++)
	{
		enum domain domain = domain_of(previous->zones[i].name);
		bool		found = domain != DOMAIN_PACKAGE && domain != DOMAIN_DRAM;

		for (int j = 0; j < report->zone_count; j++)
			if (strcmp(report->zones[j].name, previous->zones[i].name) == 0 &&
				strcmp(report->zones[j].path, previous->zones[i].path) == 0)
				found = true;
		if (!found)
			return true;
	}
	return false;
}

void
power_rapl(const struct power_context *context, const struct report *report,
		   const struct power_state *previous, const struct span *span,
		   struct rapl_reading *rapl, struct power_state *next)
{
	double		ceiling = power_device_ceiling(context);
	int			failed = 0;
	int			failed_packages = 0;
	int			drams = 0;
	double		dram_watts = 0;

	memset(rapl, 0, sizeof(*rapl));
	rapl->dram_watts = NAN;
	rapl->psys_watts = NAN;

	for (int i = 0; i < report->zone_count; i++)
	{
		const struct rapl_zone *zone = &report->zones[i];
		enum domain domain = domain_of(zone->name);
		struct part part;
		enum problem_reason reason;
		bool		good;

		if (domain == DOMAIN_OTHER || is_duplicate(report, i))
			continue;
		good = read_zone(zone, previous, span, ceiling, &part, &reason);
		remember_zone(zone, span, next);

		/* A reading that failed for want of rights says so in its section. */
		if (reason == REASON_ERROR && report->sections[SECTION_RAPL].reason != REASON_NONE)
			reason = report->sections[SECTION_RAPL].reason;

		switch (domain)
		{
			case DOMAIN_PSYS:
				rapl->psys_watts = part.watts;
				rapl->psys_reason = reason;
				continue;
			case DOMAIN_DRAM:
				/* client machines show a dram zone that never counts */
				if (reason == REASON_IMPLAUSIBLE && zone->known[0] &&
					zone->energy_uj[0] == zone->energy_uj[1])
					continue;
				dram_watts += part.watts;
				drams++;
				break;
			default:
				rapl->packages++;
				rapl->cpu.watts += part.watts;
				failed_packages += !good;
				break;
		}
		rapl->cpu.joules += part.joules;
		rapl->cpu.by_window |= part.by_window;
		failed += !good;
		if (reason != REASON_NONE && (rapl->reason == REASON_NONE || !good))
			rapl->reason = reason;
	}

	if (drams > 0)
		rapl->dram_watts = dram_watts;

	if (rapl->packages == 0)
	{
		rapl->cpu.watts = NAN;
		rapl->cpu.joules = NAN;
		rapl->reason = report->sections[SECTION_RAPL].reason;
		if (rapl->reason == REASON_NONE)
			rapl->reason = REASON_ABSENT;
	}
	else if (failed > 0 && failed_packages < rapl->packages)
		rapl->reason = REASON_INCOMPLETE;

	if (previous->known && span->follows && lost_zone(report, previous))
	{
		rapl->reason = REASON_INCOMPLETE;
		failed++;
	}
	rapl->missing = failed > 0 || rapl->packages == 0;
}
