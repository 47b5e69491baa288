/*
 * settings.c: defines every tribe_power.* setting, and refuses a bad value when
 * it is set, with a hint.  Reads no setting of anybody else but log_timezone.
 */
#include "postgres.h"

#include <limits.h>
#include <pwd.h>
#include <unistd.h>

#include "pgtime.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "settings.h"

char	   *setting_database = NULL;
bool		setting_enabled = true;
int			setting_interval = 300;
int			setting_jitter = 30;
int			setting_max_connections = 64;
int			setting_connect_timeout = 5000;
int			setting_node_timeout = 15000;
int			setting_round_timeout = 120000;
int			setting_sample_window = 1000;
bool		setting_keep_sessions = false;
char	   *setting_identity_file = NULL;
char	   *setting_known_hosts_file = NULL;
int			setting_host_key_policy = HOST_KEY_STRICT;
char	   *setting_ssh_user = NULL;
char	   *setting_timezone = NULL;
int			setting_nice = 15;
int			setting_poller_memory = 256;
int			setting_partition_width = PARTITION_MONTH;
int			setting_retention = -1;
int			setting_raw_data_retention = -1;
int			setting_hourly_retention = -1;
int			setting_daily_retention = -1;
int			setting_upkeep_interval = 900;
bool		setting_notify = true;
double		setting_budget_month_kwh = 0;
int			setting_event_retention = -1;

static const struct config_enum_entry host_key_policies[] = {
	{"strict", HOST_KEY_STRICT, false},
	{"accept-new", HOST_KEY_ACCEPT_NEW, false},
	{NULL, 0, false}
};

static const struct config_enum_entry partition_widths[] = {
	{"day", PARTITION_DAY, false},
	{"week", PARTITION_WEEK, false},
	{"month", PARTITION_MONTH, false},
	{NULL, 0, false}
};

static bool
check_path(char **newval, void **extra, GucSource source)
{
	const char *path = *newval;

	if (path[0] == '\0' || path[0] == '/' || strncmp(path, "~/", 2) == 0)
	{
		if (strlen(path) <= WIRE_MAX_PATH)
			return true;
		GUC_check_errdetail("The path is longer than %d bytes.", WIRE_MAX_PATH);
		return false;
	}
	GUC_check_errdetail("The path \"%s\" is relative.", path);
	GUC_check_errhint("Give an absolute path, or one that starts with \"~/\" for the home of the server's operating system user.");
	return false;
}

static bool
check_timezone(char **newval, void **extra, GucSource source)
{
	pg_tz	   *zone;

	if ((*newval)[0] == '\0')
		return true;
	zone = pg_tzset(*newval);
	if (zone != NULL && pg_tz_acceptable(zone))
		return true;
	GUC_check_errdetail("\"%s\" is not a time zone that this server knows.", *newval);
	GUC_check_errhint("See SELECT name FROM pg_timezone_names; an empty value means log_timezone.");
	return false;
}

static bool
check_ssh_user(char **newval, void **extra, GucSource source)
{
	const char *p;

	if ((*newval)[0] != '\0' && strlen(*newval) <= 64)
	{
		for (p = *newval; (unsigned char) *p > ' ' && *p != 0x7f; p++)
			;
		if (*p == '\0')
			return true;
	}
	GUC_check_errhint("Give a login name of 1 to 64 characters without spaces or control characters.");
	return false;
}

/* Yesterday must still be there to be added up. */
static bool
check_retention(int *newval, void **extra, GucSource source)
{
	if (*newval < 0 || *newval >= 2 * MINS_PER_HOUR * HOURS_PER_DAY)
		return true;
	GUC_check_errhint("Keep at least 2 days ('2d'); -1 means for ever.");
	return false;
}

static void
define_retention(const char *name, const char *text, const char *more, int *variable,
				 GucIntCheckHook check)
{
	DefineCustomIntVariable(name, text, more, variable, -1, -1, INT_MAX,
							PGC_SUSET, GUC_UNIT_MIN, check, NULL, NULL);
}

static void
define_time(const char *name, const char *text, const char *more, int *variable,
			int fallback, int min, int max, int unit, GucContext context)
{
	DefineCustomIntVariable(name, text, more, variable, fallback, min, max,
							context, unit, NULL, NULL, NULL);
}

void
settings_define(void)
{
	DefineCustomStringVariable("tribe_power.database",
							   "Database whose nodes the worker polls.",
							   "The extension must be installed there. A change restarts the worker.",
							   &setting_database, "postgres",
							   PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("tribe_power.enabled",
							 "Whether the worker polls; off pauses it.",
							 "tribe_power_collect() works either way.",
							 &setting_enabled, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	define_time("tribe_power.interval",
				"Time between two readings of a node.",
				"Slots are aligned to the wall clock. A node's poll_interval goes before.",
				&setting_interval, 300, 1, 86400, GUC_UNIT_S, PGC_SIGHUP);
	define_time("tribe_power.jitter",
				"Longest time by which a node is polled after its slot.",
				"Spreads the nodes; at most a quarter of the interval is used.",
				&setting_jitter, 30, 0, 3600, GUC_UNIT_S, PGC_SIGHUP);
	DefineCustomIntVariable("tribe_power.max_connections",
							"Most nodes that are polled at the same time.",
							NULL,
							&setting_max_connections, 64, 1, 10000,
							PGC_SUSET, 0, NULL, NULL, NULL);
	define_time("tribe_power.connect_timeout",
				"Longest time to connect to a node, and again to agree on keys.",
				NULL,
				&setting_connect_timeout, 5000, 100, 600000, GUC_UNIT_MS, PGC_SUSET);
	define_time("tribe_power.node_timeout",
				"Longest time from connecting to a node to its whole report.",
				NULL,
				&setting_node_timeout, 15000, 500, 600000, GUC_UNIT_MS, PGC_SUSET);
	define_time("tribe_power.round_timeout",
				"Longest time that a round, or one tribe_power_collect(), may take.",
				NULL,
				&setting_round_timeout, 120000, 1000, 3600000, GUC_UNIT_MS, PGC_SUSET);
	define_time("tribe_power.sample_window",
				"Time between the two readings of counters within one poll.",
				"Gives the power of a first reading, and tells how often a counter wrapped.",
				&setting_sample_window, 1000, 100, 30000, GUC_UNIT_MS, PGC_SUSET);
	DefineCustomBoolVariable("tribe_power.keep_sessions",
							 "Whether the worker keeps its SSH sessions open between rounds.",
							 "Saves the login of each poll, for a process and a connection held on each node.",
							 &setting_keep_sessions, false,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("tribe_power.identity_file",
							   "Private key to log in with, where a node names none.",
							   "Must belong to the server's operating system user, with mode 0600.",
							   &setting_identity_file, "~/.ssh/id_ed25519",
							   PGC_SUSET, 0, check_path, NULL, NULL);
	DefineCustomStringVariable("tribe_power.known_hosts_file",
							   "Host keys of the nodes that have none in the registry.",
							   "In the form of OpenSSH's known_hosts; empty: no file.",
							   &setting_known_hosts_file, "~/.ssh/known_hosts",
							   PGC_SUSET, 0, check_path, NULL, NULL);
	DefineCustomEnumVariable("tribe_power.host_key_policy",
							 "What to do with a host key that is not known yet.",
							 "strict refuses it; accept-new pins it in the registry. A changed key is always refused.",
							 &setting_host_key_policy, HOST_KEY_STRICT, host_key_policies,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomStringVariable("tribe_power.ssh_user",
							   "Login name on the nodes, where a node names none.",
							   NULL,
							   &setting_ssh_user, "tribe_power",
							   PGC_SUSET, 0, check_ssh_user, NULL, NULL);
	DefineCustomStringVariable("tribe_power.timezone",
							   "Time zone whose midnights bound a day.",
							   "Empty: log_timezone, the zone that initdb found.",
							   &setting_timezone, "",
							   PGC_SIGHUP, 0, check_timezone, NULL, NULL);
	DefineCustomIntVariable("tribe_power.nice",
							"Scheduling priority of the poller: 0 as the server, 19 lowest.",
							NULL,
							&setting_nice, 15, 0, 19,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("tribe_power.poller_memory",
							"Most address space that the poller may take.",
							NULL,
							&setting_poller_memory, 256, 64, 65536,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomEnumVariable("tribe_power.partition_width",
							 "How much time a partition of the readings holds.",
							 "For partitions made from now on: month up to some 50 nodes, week up to 500, day beyond.",
							 &setting_partition_width, PARTITION_MONTH, partition_widths,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	define_retention("tribe_power.retention",
					 "How long readings are kept; -1: for ever.",
					 "Whole partitions are dropped, once their days are in the daily and hourly totals.",
					 &setting_retention, check_retention);
	define_retention("tribe_power.raw_data_retention",
					 "How long raw_data of readings is kept; -1: as long as they are, 0: not at all.",
					 "tribe_power_gpus reads raw_data; no total does.",
					 &setting_raw_data_retention, NULL);
	define_retention("tribe_power.hourly_retention",
					 "How long hourly totals are kept; -1: for ever.",
					 NULL, &setting_hourly_retention, check_retention);
	define_retention("tribe_power.daily_retention",
					 "How long daily totals are kept; -1: for ever.",
					 NULL, &setting_daily_retention, check_retention);
	define_time("tribe_power.upkeep_interval",
				"How often the worker brings totals up to date and looks after partitions; 0: never.",
				"Counted on the wall clock. tribe_power_upkeep() does the same.",
				&setting_upkeep_interval, 900, 0, 86400, GUC_UNIT_S, PGC_SIGHUP);

	/* alerts */
	DefineCustomBoolVariable("tribe_power.notify",
							 "Whether alerts are sent by NOTIFY tribe_power.",
							 "Whoever may connect to the database can listen.",
							 &setting_notify, true,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomRealVariable("tribe_power.budget_month_kwh",
							 "Energy of all nodes in a calendar month above which there is an alert, in kWh; 0: none.",
							 NULL,
							 &setting_budget_month_kwh, 0, 0, 1e12,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	define_retention("tribe_power.event_retention",
					 "How long tribe_power_events are kept; -1: for ever.",
					 NULL, &setting_event_retention, NULL);

	MarkGUCPrefixReserved("tribe_power");
}

char *
settings_expand_path(const char *path)
{
	const char *home;

	if (path == NULL)
		return pstrdup("");
	if (strncmp(path, "~/", 2) != 0)
		return pstrdup(path);

	home = getenv("HOME");
	if (home == NULL || home[0] != '/')
	{
		struct passwd *entry = getpwuid(geteuid());

		home = entry != NULL ? entry->pw_dir : "/";
	}
	return psprintf("%s/%s", home, path + 2);
}

const char *
settings_timezone(void)
{
	if (setting_timezone != NULL && setting_timezone[0] != '\0')
		return setting_timezone;
	return log_timezone != NULL ? pg_get_timezone_name(log_timezone) : "UTC";
}

const char *
settings_partition_width(void)
{
	return partition_widths[setting_partition_width].name;
}
