/*
 * pipe.h: the poller as a child of its owner: jobs come in on descriptor 0,
 * states and results go out on it.
 */
#ifndef TRIBE_POWER_PIPE_H
#define TRIBE_POWER_PIPE_H

/* Serves the owner until it is gone; the process's exit status. */
int			pipe_serve(int fd);

#endif
