# The benchmark's driver, and a login shell for its nodes: make -f bench/bench.mk, called
# by bench/poll.  Compiled as the poller is, the driver with the archive that the
# Makefile builds.
BUILD ?= build
CFLAGS = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -O2 -g

all: $(BUILD)/bench/round $(BUILD)/bench/answer_shell

# static: what it links would be most of its cost
$(BUILD)/bench/answer_shell: bench/answer_shell.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -static -o $@ $<

$(BUILD)/bench/round: $(sort $(wildcard bench/round*.c)) bench/round.h $(BUILD)/libtribe_power.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $(filter %.c,$^) $(BUILD)/libtribe_power.a -lssh2 -lcares -lcrypto -lm
