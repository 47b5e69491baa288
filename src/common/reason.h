/*
 * reason.h: the fixed vocabulary of what can go wrong, and what to do about it.
 *
 * Two kinds: an outcome is why a whole poll gave no report; a problem is why
 * one section of a report gave no number.  Names are stored and never change;
 * remedies are for people and stand in one table each, in reason.c.
 */
#ifndef TRIBE_POWER_REASON_H
#define TRIBE_POWER_REASON_H

/* Why a poll ended. */
enum outcome
{
	OUTCOME_READ = 0,			/* a whole report came */
	OUTCOME_RESOLVE,			/* the address could not be looked up */
	OUTCOME_REFUSED,			/* nothing listens there */
	OUTCOME_UNREACHABLE,		/* no route, network or host down */
	OUTCOME_CONNECT_TIMEOUT,
	OUTCOME_HANDSHAKE_TIMEOUT,	/* connected, but no SSH within the time */
	OUTCOME_HANDSHAKE_FAILED,	/* not SSH, or no common method */
	OUTCOME_HOST_KEY_UNKNOWN,
	OUTCOME_HOST_KEY_CHANGED,
	OUTCOME_HOST_KEY_REVOKED,
	OUTCOME_HOST_KEY_FILE,		/* known_hosts or pin unreadable */
	OUTCOME_IDENTITY_FILE,		/* missing, unreadable, or open to others */
	OUTCOME_IDENTITY_FORMAT,	/* encrypted, or no key that we can use */
	OUTCOME_LOGIN_REFUSED,
	OUTCOME_LOGIN_TIMEOUT,
	OUTCOME_SHELL_REFUSED,		/* channel or exec request refused */
	OUTCOME_READ_TIMEOUT,		/* the probe did not end in time */
	OUTCOME_CLOSED,				/* the connection broke off */
	OUTCOME_PROBE_FAILED,		/* ended by a signal or with a status */
	OUTCOME_REPORT_INCOMPLETE,
	OUTCOME_REPORT_GARBLED,
	OUTCOME_REPORT_OVERSIZED,
	OUTCOME_ROUND_TIMEOUT,		/* the round's time was up */
	OUTCOME_POLLER_ENDED,		/* the poller died or was ended meanwhile */
	OUTCOME_SET_ASIDE,			/* this node ended the poller repeatedly */
	OUTCOME_INTERNAL,			/* out of memory and the like, at the hub */
	OUTCOME_COUNT
};

/* The part of a report that a problem concerns. */
enum section
{
	SECTION_CLOCK = 0,			/* uptime and boot id */
	SECTION_RAPL,
	SECTION_NVIDIA,
	SECTION_AMDGPU,
	SECTION_INTEL_GPU,
	SECTION_CPU_TEMPERATURE,
	SECTION_CPU_UTILIZATION,
	SECTION_MEMORY,
	SECTION_POWERMETRICS,
	SECTION_PLATFORM,			/* whole-machine power */
	SECTION_COUNT
};

/* Why a section has no number. */
enum problem_reason
{
	REASON_NONE = 0,
	REASON_ABSENT,				/* the node has no such thing */
	REASON_DENIED,				/* there, but we may not read it */
	REASON_ASLEEP,				/* powered down; reading would wake it */
	REASON_STALE,				/* there, but too old to be a reading */
	REASON_TIMEOUT,
	REASON_ERROR,				/* the source said so, or is unreadable */
	REASON_IMPLAUSIBLE,			/* a number that cannot be true */
	REASON_AMBIGUOUS_WRAP,		/* the counter may have wrapped more than once */
	REASON_INCOMPLETE,			/* some of its parts are missing */
	REASON_COUNT
};

/* Stable names ("host_key_changed", "rapl", "denied"); never NULL. */
const char *outcome_name(enum outcome outcome);
const char *section_name(enum section section);
const char *problem_reason_name(enum problem_reason reason);

/* What a person should do, one or two sentences; "" where nothing can be. */
const char *outcome_remedy(enum outcome outcome);
const char *problem_remedy(enum section section, enum problem_reason reason);

#endif
