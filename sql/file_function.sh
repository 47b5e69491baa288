#!/bin/sh
# file_function.sh NAME COMMENT FILE...: prints a SQL function NAME that gives
# these files' texts by their names, for the build of the install script.
set -eu
name=$1 comment=$2
shift 2
echo '-- Files; made by sql/file_function.sh.'
echo
echo "CREATE FUNCTION $name(file text) RETURNS text"
echo '    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE'
echo '    AS $file_function$ SELECT CASE file'
for file
do
	! grep -q -e 'file_function\$' -e 'file_text\$' -e MODULE_PATHNAME -e '@extschema@' -e '^\\echo' "$file" ||
		{ echo "$file holds what an install script gives a meaning" >&2; exit 1; }
	printf "WHEN '%s' THEN \$file_text\$" "${file##*/}"
	cat "$file"
	echo '$file_text$'
done
echo 'END $file_function$;'
echo "COMMENT ON FUNCTION $name(text) IS"
echo "'$comment, by its name; NULL: there is none of that name.';"
echo
