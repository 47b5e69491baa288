/*
 * test_powermetrics_cache.c: the Mac's helper (examples/macos) over what each
 * version of powermetrics prints; its file must be what the parser reads.
 */
#define _GNU_SOURCE
#include "reports.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../src/poller/report_internal.h"

static char folder[] = "/tmp/test_powermetrics.XXXXXX";
static struct report report;

/* Runs the helper over a fixture; its exit status. */
static int
run_helper(const char *fixture, const char *awk)
{
	char		command[1024];
	char		path[256];
	FILE	   *file;

	snprintf(path, sizeof(path), "%s/powermetrics", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "#!/bin/sh\ncat %s\nexit ${STATUS-0}\n", fixture);
	fclose(file);
	chmod(path, 0755);
	snprintf(command, sizeof(command),
			 "PATH=%s:$PATH; [ -z '%s' ] || ln -sf $(command -v %s) %s/awk; "
			 "sh examples/macos/powermetrics_cache.sh %s/data 2>/dev/null",
			 folder, awk, awk, folder, folder);
	return system(command);
}

static int
run_fixture(const char *name)
{
	char		path[256];

	snprintf(path, sizeof(path), "test/unit/fixtures/powermetrics/%s", name);
	assert_int_equal(access(path, R_OK), 0);
	return run_helper(path, "");
}

/* What the parser makes of the helper's file. */
static void
parse_file(void)
{
	char		path[256];
	char		json[2048];
	char		body[4096];
	FILE	   *file;
	size_t		length;

	snprintf(path, sizeof(path), "%s/data/powermetrics.json", folder);
	file = fopen(path, "r");
	assert_non_null(file);
	length = fread(json, 1, sizeof(json) - 1, file);
	fclose(file);
	json[length] = '\0';
	json[strcspn(json, "\n")] = '\0';
	snprintf(body, sizeof(body), "system Darwin 23\nnow 9999999999\npowermetrics_file - /f\npowermetrics_json %s\n", json);
	parse_body(body, &report);
	if (report.sections[SECTION_POWERMETRICS].reason != REASON_NONE)
		fail_msg("not read: %s", json);
	assert_near(report.powermetrics_interval_seconds, 60, 0);
	assert_true(report.powermetrics_age_seconds > 0);
}

static int
set_up(void **state)
{
	char		path[256];

	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/data", folder);
	return mkdir(path, 0755);
}

static int
tear_down(void **state)
{
	char		command[128];

	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

/* Milliwatts become watts; the second "GPU Power" of the text is not the first. */
static void
test_apple_silicon(void **state)
{
	assert_int_equal(run_fixture("apple_silicon.txt"), 0);
	parse_file();
	assert_near(report.powermetrics_cpu_watts, 0.954, 1e-9);
	assert_near(report.powermetrics_gpu_watts, 0.046, 1e-9);
	assert_near(report.powermetrics_combined_watts, 1.0, 1e-9);
	assert_unknown(report.powermetrics_dram_watts);
}

/* macOS 12 has Package and DRAM Power, and no Combined Power. */
static void
test_macos12(void **state)
{
	assert_int_equal(run_fixture("macos12.txt"), 0);
	parse_file();
	assert_near(report.powermetrics_cpu_watts, 0.053, 1e-9);
	assert_near(report.powermetrics_gpu_watts, 0.004, 1e-9);
	assert_near(report.powermetrics_dram_watts, 0.026, 1e-9);
	assert_near(report.powermetrics_combined_watts, 0.096, 1e-9);
}

static void
test_versions_that_print_watts(void **state)
{
	assert_int_equal(run_fixture("watts.txt"), 0);
	parse_file();
	assert_near(report.powermetrics_cpu_watts, 0.954, 1e-9);
	assert_near(report.powermetrics_combined_watts, 1, 1e-9);
}

/* Intel Macs print one line, without a space before the unit, and no GPU. */
static void
test_intel(void **state)
{
	assert_int_equal(run_fixture("intel.txt"), 0);
	parse_file();
	assert_near(report.powermetrics_cpu_watts, 2.48, 1e-9);
	assert_near(report.powermetrics_combined_watts, 2.48, 1e-9);
	assert_unknown(report.powermetrics_gpu_watts);
}

static void
test_last_sample_counts(void **state)
{
	assert_int_equal(run_fixture("two_samples.txt"), 0);
	parse_file();
	assert_near(report.powermetrics_combined_watts, 1, 1e-9);
}

/* Other awks: busybox's, and the one true awk that macOS has is near mawk's. */
static void
test_other_awks(void **state)
{
	static const char *const awks[] = {"mawk", "gawk", "original-awk", "busybox"};

	for (size_t i = 0; i < sizeof(awks) / sizeof(awks[0]); i++)
	{
		char		command[128];

		snprintf(command, sizeof(command), "command -v %s >/dev/null", awks[i]);
		if (system(command) != 0)
			continue;
		assert_int_equal(run_helper("test/unit/fixtures/powermetrics/macos12.txt", awks[i]), 0);
		parse_file();
		assert_near(report.powermetrics_combined_watts, 0.096, 1e-9);
	}
}

/* What is not understood leaves the last good file, and nothing beside it. */
static void
test_malformed_keeps_the_last(void **state)
{
	static const char *const bad[] = {"cut_short.txt", "odd_units.txt", "not_root.txt"};
	struct stat before;
	struct stat after;
	struct dirent *entry;
	char		path[256];
	DIR		   *directory;

	assert_int_equal(run_fixture("apple_silicon.txt"), 0);
	snprintf(path, sizeof(path), "%s/data/powermetrics.json", folder);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0644);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(run_fixture(bad[i]), 0);
	assert_int_not_equal(run_helper("/dev/null", ""), 0);
	setenv("STATUS", "1", 1);
	assert_int_not_equal(run_fixture("apple_silicon.txt"), 0);
	unsetenv("STATUS");
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	parse_file();
	assert_near(report.powermetrics_combined_watts, 1, 1e-9);

	snprintf(path, sizeof(path), "%s/data", folder);
	directory = opendir(path);
	while ((entry = readdir(directory)) != NULL)
		if (strncmp(entry->d_name, "powermetrics.json", 18) != 0)
			assert_true(strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
	closedir(directory);
}

/* The pieces name each other rightly. */
static void
test_pieces_agree(void **state)
{
	assert_int_equal(system("cd examples/macos && "
							"grep -q \"^label=$(sed -n 's/.*<string>\\(org\\.[a-z.-]*\\)<.*/\\1/p' *.plist)\\$\" install.sh && "
							"grep -qF \"$(sed -n 's/.*<string>\\(.*\\)\\/powermetrics_cache.sh<.*/\\1/p' *.plist)\" install.sh && "
							"grep -q \"^interval=$(sed -n 's/.*<integer>\\(60\\)<.*/\\1/p' *.plist)[^0-9]\" powermetrics_cache.sh && "
							"grep -q 'helper_file /var/db/tribe_power/powermetrics.json' ../../src/poller/probe.sh && "
							"sh -n install.sh && sh -n powermetrics_cache.sh"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apple_silicon),
		cmocka_unit_test(test_macos12),
		cmocka_unit_test(test_versions_that_print_watts),
		cmocka_unit_test(test_intel),
		cmocka_unit_test(test_last_sample_counts),
		cmocka_unit_test(test_other_awks),
		cmocka_unit_test(test_malformed_keeps_the_last),
		cmocka_unit_test(test_pieces_agree),
	};

	return cmocka_run_group_tests_name("powermetrics cache", tests, set_up, tear_down);
}
