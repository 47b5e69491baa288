# Builds the extension (PGXS) and, beside it, the poller: a program of its own
# that alone links libssh2.  What needs no PostgreSQL also builds as
# build/libtribe_power.a, which unit tests, fuzzers and benchmarks link.

EXTENSION = tribe_power
MODULE_big = tribe_power
EXTVERSION = 1.0

COMMON_SRCS = $(sort $(wildcard src/common/*.c))
POLLER_SRCS = $(filter-out src/poller/main.c,$(sort $(wildcard src/poller/*.c)))
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)) $(COMMON_SRCS))

# The install script is made of its parts in the order of their numbers.
SQL_PARTS = $(sort $(wildcard sql/[0-9]*.sql))
DATA_built = $(EXTENSION)--$(EXTVERSION).sql
DATA = $(wildcard sql/tribe_power--*--*.sql)

REGRESS = $(sort $(basename $(notdir $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test

# Our own builds (./check) set it to -Werror; a newer compiler's new warning is no reason
# for yours to stop.
WERROR ?=

WARNINGS = -Wall -Wextra $(WERROR) -Wno-unused-parameter -Wno-missing-field-initializers \
	-Wno-sign-compare -Wno-cast-function-type
PG_CPPFLAGS = -DPGDLLEXPORT='__attribute__((visibility("default")))' -fvisibility=hidden
PG_CFLAGS = $(WARNINGS)

EXTRA_CLEAN = build tribe_power_poller results regression.diffs regression.out tmp_check

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
override with_llvm = no
include $(PGXS)

$(OBJS): $(wildcard src/*.h src/common/*.h)

NODE_FILES = sql/node_setup.sh src/poller/probe.sh examples/macos/install.sh \
	examples/macos/powermetrics_cache.sh examples/macos/org.tribe-power.powermetrics.plist

REPORT_FILES = report/page.html report/uPlot.min.css report/page.css report/uPlot.LICENSE \
	report/uPlot.iife.min.js report/base.js report/charts.js report/tables.js report/page.js

$(DATA_built): $(SQL_PARTS) $(NODE_FILES) $(REPORT_FILES) sql/file_function.sh
	{ cat $(filter-out sql/9%,$(SQL_PARTS)); \
		sh sql/file_function.sh tribe_power_node_file \
			'A file that tribe_power_node_setup() is made of' $(NODE_FILES) && \
		sh sql/file_function.sh tribe_power_report_file \
			'A file that tribe_power_report() is made of' $(REPORT_FILES) && \
		cat $(filter sql/9%,$(SQL_PARTS)); } > $@.tmp
	mv $@.tmp $@

# --- the poller, and everything else without PostgreSQL ---------------------

POLLER_CC ?= $(CC)
POLLER_CFLAGS ?= -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
POLLER_WARNINGS = -std=gnu11 -Wall -Wextra $(WERROR) -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wpointer-arith -Wformat-security -Wno-unused-parameter
# libcrypto first: there the linker finds its 4,000 symbols at each start of the poller
POLLER_LIBS = -lcrypto -lssh2 -lcares -lm
BUILD ?= build

CORE_OBJS = $(patsubst src/%.c,$(BUILD)/%.o,$(COMMON_SRCS) $(POLLER_SRCS)) \
	$(BUILD)/poller/probe_script.o

all: tribe_power_poller

$(BUILD)/%.o: src/%.c $(wildcard src/common/*.h src/poller/*.h)
	@mkdir -p $(@D)
	$(POLLER_CC) $(POLLER_WARNINGS) $(POLLER_CFLAGS) -fPIE -c -o $@ $<

# The probe travels with the program: its text as a C string, comments left out.
$(BUILD)/poller/probe_script.c: src/poller/probe.sh src/poller/embed.sh
	@mkdir -p $(@D)
	sh src/poller/embed.sh src/poller/probe.sh > $@.tmp && mv $@.tmp $@

$(BUILD)/poller/probe_script.o: $(BUILD)/poller/probe_script.c
	$(POLLER_CC) $(POLLER_WARNINGS) $(POLLER_CFLAGS) -fPIE -c -o $@ $<

$(BUILD)/libtribe_power.a: $(CORE_OBJS)
	rm -f $@
	$(AR) rcs $@ $^

tribe_power_poller: $(BUILD)/poller/main.o $(BUILD)/libtribe_power.a
	$(POLLER_CC) $(POLLER_CFLAGS) -pie -o $@ $^ $(POLLER_LIBS) $(POLLER_LDFLAGS)

install: install-poller
install-poller: tribe_power_poller
	$(MKDIR_P) '$(DESTDIR)$(pkglibdir)'
	$(INSTALL_PROGRAM) tribe_power_poller '$(DESTDIR)$(pkglibdir)/tribe_power_poller'

uninstall: uninstall-poller
uninstall-poller:
	rm -f '$(DESTDIR)$(pkglibdir)/tribe_power_poller'

# --- tests -------------------------------------------------------------------

include test/test.mk

.PHONY: install-poller uninstall-poller
