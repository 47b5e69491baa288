/*
 * settings.h: every tribe_power.* setting.
 */
#ifndef TRIBE_POWER_SETTINGS_H
#define TRIBE_POWER_SETTINGS_H

#include "postgres.h"

#include "common/wire.h"

extern char *setting_database;
extern bool setting_enabled;
extern int	setting_interval;	/* s */
extern int	setting_jitter;		/* s */
extern int	setting_max_connections;
extern int	setting_connect_timeout;	/* ms */
extern int	setting_node_timeout;	/* ms */
extern int	setting_round_timeout;	/* ms */
extern int	setting_sample_window;	/* ms */
extern bool setting_keep_sessions;
extern char *setting_identity_file;
extern char *setting_known_hosts_file;
extern int	setting_host_key_policy;	/* enum host_key_policy */
extern char *setting_ssh_user;
extern char *setting_timezone;
extern int	setting_nice;
extern int	setting_poller_memory;	/* MB */

extern int	setting_partition_width;	/* enum partition_width */
extern int	setting_retention;	/* min; -1: for ever, also those below */
extern int	setting_raw_data_retention;
extern int	setting_hourly_retention;
extern int	setting_daily_retention;
extern int	setting_upkeep_interval;	/* s; 0: off */

extern bool setting_notify;
extern double setting_budget_month_kwh; /* 0: none */
extern int	setting_event_retention;	/* min; -1: for ever */

enum partition_width
{
	PARTITION_DAY = 0,
	PARTITION_WEEK,
	PARTITION_MONTH,
};

extern void settings_define(void);

/* A path with a leading "~/" replaced by the server's home; palloc'd. */
extern char *settings_expand_path(const char *path);

/* The zone that days are counted in; never empty. */
extern const char *settings_timezone(void);

/* "day", "week" or "month". */
extern const char *settings_partition_width(void);

#endif
