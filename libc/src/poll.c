/* Waiting for several descriptors. The kernel writes the time that is left into its timeout: give
 * it a copy. */
#include "syscall.h"
#include <poll.h>
#include <stddef.h>
#include <sys/select.h>

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	return (int)SYS(poll, fds, n, timeout);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	struct timespec ts;

	if (timeout)
		ts = *timeout;
	return (int)SYS(ppoll, fds, n, timeout ? &ts : NULL, mask, sizeof(*mask));
}

int select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *timeout)
{
	return (int)SYS(select, n, rd, wr, ex, timeout);
}

int pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
	const sigset_t *mask)
{
	struct {
		const sigset_t *set;
		size_t size;
	} arg = {mask, sizeof(*mask)};
	struct timespec ts;

	if (timeout)
		ts = *timeout;
	return (int)SYS(pselect6, n, rd, wr, ex, timeout ? &ts : NULL, &arg);
}
