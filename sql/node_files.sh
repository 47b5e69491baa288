#!/bin/sh
# node_files.sh FILE...: prints a SQL function that gives these files' texts by
# their names, for the build of the install script.
set -eu
echo '-- Files for nodes; made by sql/node_files.sh.'
echo
echo 'CREATE FUNCTION tribe_power_node_file(file text) RETURNS text'
echo '    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE'
echo '    AS $node_file_function$ SELECT CASE file'
for file
do
	! grep -q 'node_file_' "$file" || { echo "$file holds the quoting mark" >&2; exit 1; }
	printf "WHEN '%s' THEN \$node_file_text\$" "${file##*/}"
	cat "$file"
	echo '$node_file_text$'
done
echo 'END $node_file_function$;'
echo "COMMENT ON FUNCTION tribe_power_node_file(text) IS"
echo "'A file that tribe_power_node_setup() is made of, by its name; NULL: there is none of that name.';"
echo
