/*
 * test_schedule.c: slots on the wall clock, spread, and back-off.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "schedule.h"

#define MINUTE (60 * SCHEDULE_SECOND)
#define NEVER INT64_MIN

static void
slots_are_multiples_of_the_interval(void **state)
{
	assert_int_equal(schedule_next_slot(0, 5 * MINUTE, NEVER), 5 * MINUTE);
	assert_int_equal(schedule_next_slot(1, 5 * MINUTE, NEVER), 5 * MINUTE);
	assert_int_equal(schedule_next_slot(5 * MINUTE - 1, 5 * MINUTE, NEVER), 5 * MINUTE);
	assert_int_equal(schedule_next_slot(5 * MINUTE, 5 * MINUTE, NEVER), 10 * MINUTE);
	/* before the epoch too */
	assert_int_equal(schedule_next_slot(-1, 5 * MINUTE, NEVER), 0);
	assert_int_equal(schedule_next_slot(-5 * MINUTE, 5 * MINUTE, NEVER), 0);
}

static void
timer_that_fires_early_serves_a_slot_once(void **state)
{
	assert_int_equal(schedule_next_slot(5 * MINUTE - 1000, 5 * MINUTE, 5 * MINUTE),
					 10 * MINUTE);
}

static void
late_round_skips_slots_and_stays_aligned(void **state)
{
	int64_t		late = 17 * MINUTE + 123456;

	assert_int_equal(schedule_next_slot(late, 5 * MINUTE, 5 * MINUTE), 20 * MINUTE);
}

static void
clock_set_back_does_not_stop_the_slots(void **state)
{
	assert_int_equal(schedule_next_slot(61 * MINUTE, 5 * MINUTE, 600 * MINUTE), 65 * MINUTE);
}

static void
end_of_time_does_not_overflow(void **state)
{
	assert_true(schedule_next_slot(INT64_MAX, 5 * MINUTE, NEVER) > 0);
	assert_true(schedule_next_slot(INT64_MIN, 5 * MINUTE, NEVER) < 0);
	assert_true(schedule_next_attempt(INT64_MAX - 5, INT64_MAX - 7, INT32_MAX) > 0);
	assert_int_equal(schedule_next_slot(10, 0, NEVER), 11);
}

static void
spread_is_stable_bounded_and_even(void **state)
{
	int			buckets[10] = {0};

	assert_int_equal(schedule_spread("bluefin", 0), 0);
	assert_int_equal(schedule_spread("bluefin", -5), 0);
	assert_int_equal(schedule_spread("bluefin", 30 * SCHEDULE_SECOND),
					 schedule_spread("bluefin", 30 * SCHEDULE_SECOND));

	for (int i = 0; i < 10000; i++)
	{
		char		name[32];
		int64_t		spread;

		snprintf(name, sizeof(name), "node%d", i);
		spread = schedule_spread(name, 30 * SCHEDULE_SECOND);
		assert_true(spread >= 0 && spread <= 30 * SCHEDULE_SECOND);
		buckets[spread < 30 * SCHEDULE_SECOND ? spread / (3 * SCHEDULE_SECOND) : 9]++;
	}
	for (int i = 0; i < 10; i++)
		assert_true(buckets[i] >= 850 && buckets[i] <= 1150);
}

static void
spread_uses_both_ends(void **state)
{
	int			seen[2] = {0};

	for (int i = 0; i < 64; i++)
	{
		char		name[32];

		snprintf(name, sizeof(name), "%d", i);
		seen[schedule_spread(name, 1)]++;
	}
	assert_true(seen[0] > 0 && seen[1] > 0);
}

static void
failing_node_is_asked_less_often_up_to_an_hour(void **state)
{
	static const int minutes[] = {5, 5, 5, 10, 20, 40, 60, 60};

	for (int failures = 0; failures < 8; failures++)
		assert_int_equal(schedule_next_attempt(60 * MINUTE, 5 * MINUTE, failures),
						 (60 + minutes[failures]) * MINUTE);
	assert_int_equal(schedule_next_attempt(0, 5 * MINUTE, INT32_MAX), 60 * MINUTE);
}

static void
slow_node_is_never_asked_more_often(void **state)
{
	assert_int_equal(schedule_next_attempt(0, 6 * SCHEDULE_HOUR, 50), 6 * SCHEDULE_HOUR);
}

static void
attempts_stay_on_slots(void **state)
{
	/* seven minutes do not divide an hour */
	int64_t		next = schedule_next_attempt(7 * MINUTE, 7 * MINUTE, 9);

	assert_int_equal(next % (7 * MINUTE), 0);
	assert_int_equal(next, 63 * MINUTE);
	/* an attempt out of turn leads back to the slots */
	assert_int_equal(schedule_next_attempt(12 * MINUTE, 5 * MINUTE, 0), 15 * MINUTE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_multiples_of_the_interval),
		cmocka_unit_test(timer_that_fires_early_serves_a_slot_once),
		cmocka_unit_test(late_round_skips_slots_and_stays_aligned),
		cmocka_unit_test(clock_set_back_does_not_stop_the_slots),
		cmocka_unit_test(end_of_time_does_not_overflow),
		cmocka_unit_test(spread_is_stable_bounded_and_even),
		cmocka_unit_test(spread_uses_both_ends),
		cmocka_unit_test(failing_node_is_asked_less_often_up_to_an_hour),
		cmocka_unit_test(slow_node_is_never_asked_more_often),
		cmocka_unit_test(attempts_stay_on_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
