#!/bin/sh
# listen.sh [PSQL OPTION...]: prints the alerts of tribe_power as they come, one line
# of JSON each, until the server or the reader goes away.  For instance
#
#   sh listen.sh -d power | while read -r alert; do echo "$alert" | mail -s power root; done
#
# What was sent while nobody listened is in tribe_power_events.
{
	echo 'LISTEN tribe_power;'
	# psql looks for notifications after each statement; ends when psql has ended
	while echo 'SELECT;'
	do
		sleep 1
	done
} 2>/dev/null | psql -XAtq -v ON_ERROR_STOP=1 "$@" |
	sed -un 's/^Asynchronous notification "tribe_power" with payload "\(.*\)" received from server process with PID [0-9]*\.$/\1/p'
