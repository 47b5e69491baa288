/*
 * test_reason.c: every name is there, once, and every reason has a remedy.
 */
#include "reports.h"

#include "reason.h"

static void
check_name(const char *name)
{
	assert_non_null(name);
	assert_true(name[0] != '\0');
	assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
}

static void
check_remedy(const char *remedy)
{
	assert_non_null(remedy);
	if (strlen(remedy) < 20)
		fail_msg("no remedy: \"%s\"", remedy);
	for (const char *c = remedy; *c; c++)
		assert_true(*c >= ' ' && *c <= '~');
}

static void
test_names_are_unique(void **state)
{
	for (int i = 0; i < OUTCOME_COUNT; i++)
	{
		check_name(outcome_name(i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(outcome_name(i), outcome_name(j));
	}
	for (int i = 0; i < SECTION_COUNT; i++)
	{
		check_name(section_name(i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(section_name(i), section_name(j));
	}
	for (int i = 0; i < REASON_COUNT; i++)
	{
		check_name(problem_reason_name(i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(problem_reason_name(i), problem_reason_name(j));
	}
}

/* Names are stored in tables: these must never change. */
static void
test_names_are_stable(void **state)
{
	assert_string_equal(outcome_name(OUTCOME_READ), "read");
	assert_string_equal(outcome_name(OUTCOME_HOST_KEY_CHANGED), "host_key_changed");
	assert_string_equal(section_name(SECTION_RAPL), "rapl");
	assert_string_equal(section_name(SECTION_POWERMETRICS), "powermetrics");
	assert_string_equal(problem_reason_name(REASON_AMBIGUOUS_WRAP), "ambiguous_wrap");
	assert_string_equal(problem_reason_name(REASON_DENIED), "denied");
}

static void
test_remedies(void **state)
{
	assert_string_equal(outcome_remedy(OUTCOME_READ), "");
	for (int i = OUTCOME_READ + 1; i < OUTCOME_COUNT; i++)
		check_remedy(outcome_remedy(i));
	for (int s = 0; s < SECTION_COUNT; s++)
	{
		assert_string_equal(problem_remedy(s, REASON_NONE), "");
		for (int r = REASON_NONE + 1; r < REASON_COUNT; r++)
			check_remedy(problem_remedy(s, r));
	}
}

static void
test_out_of_range(void **state)
{
	assert_string_equal(outcome_name(OUTCOME_COUNT), "unknown");
	assert_string_equal(outcome_remedy(-1), "");
	assert_string_equal(section_name(SECTION_COUNT), "unknown");
	assert_string_equal(problem_reason_name(-1), "unknown");
	assert_string_equal(problem_remedy(SECTION_RAPL, REASON_COUNT), "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_unique),
		cmocka_unit_test(test_names_are_stable),
		cmocka_unit_test(test_remedies),
		cmocka_unit_test(test_out_of_range),
	};

	return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
