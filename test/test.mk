# The tests that need no PostgreSQL: one cmocka program per test/unit/test_*.c,
# linked with build/libtribe_power.a.  BUILD and POLLER_CFLAGS choose the
# sanitizer build (see ./check).

UNIT_TESTS = $(patsubst test/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard test/unit/test_*.c)))

# What several of them need stands in the other files of test/unit.
UNIT_HELPERS = $(patsubst test/unit/%.c,$(BUILD)/unit/%.o,\
	$(filter-out test/unit/test_%.c,$(sort $(wildcard test/unit/*.c))))
UNIT_CFLAGS = -std=gnu11 -Wall -Wextra $(WERROR) -Wno-unused-parameter \
	$(POLLER_CFLAGS) -Isrc/common -Isrc/poller

$(BUILD)/unit/%.o: test/unit/%.c $(wildcard test/unit/*.h src/common/*.h src/poller/*.h)
	@mkdir -p $(@D)
	$(POLLER_CC) $(UNIT_CFLAGS) -c -o $@ $<

$(BUILD)/unit/libhelpers.a: $(UNIT_HELPERS)
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/unit/%: test/unit/%.c $(BUILD)/unit/libhelpers.a $(BUILD)/libtribe_power.a $(wildcard test/unit/*.h)
	@mkdir -p $(@D)
	$(POLLER_CC) $(UNIT_CFLAGS) -o $@ $< $(BUILD)/unit/libhelpers.a \
		$(BUILD)/libtribe_power.a $(POLLER_LIBS) -lcmocka $(POLLER_LDFLAGS)

unit: $(UNIT_TESTS)
	@set -e; for t in $(UNIT_TESTS); do echo "# $$t"; $$t; done

# for ./check, which runs them itself
unit-programs: $(UNIT_TESTS)
unit-list:
	@echo $(UNIT_TESTS)

.PHONY: unit unit-programs unit-list

# doc/reference.md, from a database of its own.  The test fails where it was out of
# date, and leaves what it should be.
reference:
	touch doc/reference.md
	./check reference.pl || true
	cp .check/run/t/reference.md doc/reference.md

.PHONY: reference
