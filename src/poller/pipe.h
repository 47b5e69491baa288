/*
 * pipe.h: the poller as a child of its owner: jobs come in on descriptor 0, results go
 * out on it, and how far each job is stands in the table that is descriptor 1.
 */
#ifndef TRIBE_POWER_PIPE_H
#define TRIBE_POWER_PIPE_H

/*
 * Serves the owner until it is gone; the process's exit status.  table_fd is the file
 * of common/under_way.h, not smaller than max_connections ask for.
 */
int			pipe_serve(int fd, int table_fd);

#endif
