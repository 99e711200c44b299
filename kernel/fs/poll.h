/* poll(2), select(2): collecting wait queues. */
#ifndef FS_POLL_H
#define FS_POLL_H

#include "sync/waitqueue.h"

#define POLLIN	   0x001u
#define POLLPRI	   0x002u
#define POLLOUT	   0x004u
#define POLLERR	   0x008u
#define POLLHUP	   0x010u
#define POLLNVAL   0x020u
#define POLLRDNORM 0x040u
#define POLLRDBAND 0x080u
#define POLLWRNORM 0x100u
#define POLLWRBAND 0x200u

struct poll_table;
/* Called by file_ops.poll for each queue whose wake-up may change the answer. */
void poll_wait_add(struct poll_table *pt, struct waitqueue *wq);
static inline void poll_wait(struct poll_table *pt, struct waitqueue *wq)
{
	if (pt)
		poll_wait_add(pt, wq);
}

/* The two system calls, on a kernel array. timeout: deadline or WAIT_FOREVER. Returns ready count
 * or -errno. */
struct fdtable;
struct pollfd_kernel {
	int fd;
	int16_t events, revents;
};
int poll_run(struct fdtable *t, struct pollfd_kernel *fds, unsigned n, uint64_t deadline_ns);

#endif
