# The benchmark's driver: make -f bench/bench.mk, called by bench/poll.
# Compiled as the poller is, with the archive that the Makefile builds.
BUILD ?= build
CFLAGS = -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare -O2 -g

$(BUILD)/bench/round: $(sort $(wildcard bench/round*.c)) bench/round.h $(BUILD)/libtribe_power.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $(filter %.c,$^) $(BUILD)/libtribe_power.a -lssh2 -lcares -lcrypto -lm
