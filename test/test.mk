# The tests that need no PostgreSQL: one cmocka program per test/unit/test_*.c,
# linked with build/libtribe_power.a.  UNIT_BUILD and POLLER_CFLAGS choose the
# sanitizer build (see ./check).

UNIT_TESTS = $(patsubst test/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard test/unit/test_*.c)))

$(BUILD)/unit/%: test/unit/%.c $(BUILD)/libtribe_power.a $(wildcard test/unit/*.h)
	@mkdir -p $(@D)
	$(POLLER_CC) -std=gnu11 -Wall -Wextra -Werror $(POLLER_CFLAGS) -Isrc/common -Isrc/poller -o $@ $< \
		$(BUILD)/libtribe_power.a $(POLLER_LIBS) -lcmocka $(POLLER_LDFLAGS)

unit: $(UNIT_TESTS)
	@set -e; for t in $(UNIT_TESTS); do echo "# $$t"; $$t; done

.PHONY: unit
