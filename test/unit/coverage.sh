#!/bin/sh
# coverage.sh: branch coverage of the parser and the arithmetic by their unit
# tests.  Prints a line a file, and fails below the percentage in $1 (95).
set -eu
least=${1:-95}
build=${BUILD:-build}/coverage
rm -rf "$build"
mkdir -p "$build"
top=$PWD

sources=$(ls src/common/report*.c src/common/power*.c src/poller/report*.c)
others="src/common/reason.c src/common/wire.c src/common/text.c"
for source in $sources; do
	${CC:-cc} -std=gnu11 -O0 --coverage -fprofile-abs-path -c -o "$build/$(echo "$source" | tr / _).o" "$source"
done
for source in $others; do
	${CC:-cc} -std=gnu11 -O1 -c -o "$build/other_$(basename "$source").o" "$source"
done
for test in test/unit/test_report*.c test/unit/test_power*.c; do
	program=$build/$(basename "$test" .c)
	${CC:-cc} -std=gnu11 -O0 --coverage -Isrc/common -Isrc/poller -o "$program" "$test" \
		"$build"/src_*.o "$build"/other_*.o -lm -lcmocka
	"$program" > "$program.log" 2>&1 || { cat "$program.log"; exit 1; }
done

# gcov's own words: "Branches executed", then "Taken at least once:93.02% of 86"
cd "$build"
for object in src_*.o; do
	gcov -b -c -o "$object" "${object%.o}.gcno" 2> /dev/null
done | awk -v least="$least" -v top="$top/" '
	/^File / { file = $2; gsub("\047", "", file); sub(top, "", file); mine = file ~ /^src\/.*\.c$/ }
	/^Taken at least once:/ && mine {
		split($0, part, /[:% ]+/)
		percent = part[5]; count = $NF
		printf "%-34s %6.2f %% of %d branches\n", file, percent, count
		taken += percent * count / 100; all += count
	}
	END {
		printf "%-34s %6.2f %% of %d branches\n", "all", 100 * taken / all, all
		exit 100 * taken / all < least
	}'
