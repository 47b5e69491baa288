#!/bin/sh
# embed.sh FILE: prints a C file that holds FILE's text as a string, for the
# build.  Lines that are only a comment, or empty, are left out, and
# indentation: every byte is encrypted for every node.
set -eu
echo '/* Made from src/poller/probe.sh by src/poller/embed.sh. */'
echo 'extern const char probe_script[];'
echo 'extern const unsigned long probe_script_length;'
echo 'const char probe_script[] ='
sed -e 's/^[[:space:]]*//' -e '/^#/d' -e '/^$/d' \
	-e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/?/\\?/g' \
	-e 's/^/	"/' -e 's/$/\\n"/' "$1"
echo '	;'
echo 'const unsigned long probe_script_length = sizeof(probe_script) - 1;'
