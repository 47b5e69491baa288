/*
 * machine.h: a fake machine as its definition describes it: files, what they
 * say at a given moment, and commands that change it.  The caller holds one
 * lock over all of it.
 */
#ifndef FLEET_MACHINE_H
#define FLEET_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

struct entry
{
	char	   *path;			/* from the root, without a slash at the start */
	mode_t		mode;			/* with its type */
	char	   *text;			/* template, or a link's target */
	char	   *age;			/* expression: seconds since it was modified */
	bool		hidden;
	bool		wakes;			/* whoever opens it wakes a device that is asleep */
	int			fault;			/* errno that reading gives */
	double		delay;			/* seconds that reading takes */
	gid_t		group;
	mode_t		mode_at_boot;	/* 0: nobody on the machine has changed it since */
};

#define MAX_ENTRIES 1024

/* Never moved or freed once made. */
extern struct entry entries[];
extern int	n_entries;

/* Says why and ends the program; detail NULL: what errno says. */
void		die(const char *what, const char *detail) __attribute__((noreturn));

/* Reads a definition (nodes/README); dies of an error. */
void		machine_read(const char *file);

struct entry *machine_find(const char *path);

/* A hidden directory hides what is in it. */
bool		machine_hides(const char *path);

/* Somebody opened a file that wakes. */
void		machine_woken(void);

/* What the file says now, allocated. */
char	   *machine_content(const struct entry *entry, size_t *length);
double		machine_age(const struct entry *entry);

/* Does one command and prints its answer; false if it is none.  Changed is the
 * file that it concerned, if any. */
bool		machine_command(char *line, FILE *out, struct entry **changed);

#endif
