-- tribe_power 1.0: made of sql/[0-9]*.sql, in the order of their names.
\echo Use "CREATE EXTENSION tribe_power" to load this file. \quit

