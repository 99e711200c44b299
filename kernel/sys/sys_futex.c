/* futex(2) and robust lists. */
#include "abi/futex.h"
#include "proc/futex.h"
#include "proc/sleep.h"
#include "sched/clock.h"
#include "sys/sys.h"

/* FUTEX_WAIT has a relative time-out, FUTEX_WAIT_BITSET an absolute one of either clock. */
static int futex_deadline(uaddr_t addr, bool absolute, bool realtime, uint64_t *deadline_ns)
{
	uint64_t ns, now;
	int err;

	*deadline_ns = WAIT_FOREVER;
	if (!addr)
		return 0;
	err = sys_timespec_get(addr, &ns);
	if (err)
		return err;
	if (absolute && !realtime) {
		*deadline_ns = ns;
		return 0;
	}
	if (absolute) {
		now = clock_realtime_ns();
		ns = ns > now ? ns - now : 0;
	}
	*deadline_ns = deadline_after(ns);
	return 0;
}

static long do_wait(const uint64_t *a, unsigned cmd, bool shared, bool realtime)
{
	uint64_t deadline;
	int err = futex_deadline(a[3], cmd == FUTEX_WAIT_BITSET, realtime, &deadline);

	if (err)
		return err;
	return futex_wait(a[0], shared, (uint32_t)a[2],
		cmd == FUTEX_WAIT_BITSET ? (uint32_t)a[5] : FUTEX_BITSET_MATCH_ANY, deadline);
}

long sys_futex(const uint64_t *a)
{
	unsigned op = (unsigned)a[1], cmd = op & (unsigned)FUTEX_CMD_MASK;
	bool shared = !(op & FUTEX_PRIVATE_FLAG), realtime = op & FUTEX_CLOCK_REALTIME;
	uint32_t expected = (uint32_t)a[5];

	/* The unlock of a contended lock inside a process: by far the most frequent one. */
	if (likely(op == (FUTEX_WAKE | FUTEX_PRIVATE_FLAG)))
		return futex_wake(a[0], false, (int)a[2], FUTEX_BITSET_MATCH_ANY);

	if (realtime && cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET)
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
		return do_wait(a, cmd, shared, realtime);
	case FUTEX_WAKE:
		return futex_wake(a[0], shared, (int)a[2], FUTEX_BITSET_MATCH_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake(a[0], shared, (int)a[2], (uint32_t)a[5]);
	case FUTEX_REQUEUE:
		return futex_requeue(a[0], a[4], shared, (int)a[2], (int)a[3], NULL);
	case FUTEX_CMP_REQUEUE:
		return futex_requeue(a[0], a[4], shared, (int)a[2], (int)a[3], &expected);
	case FUTEX_WAKE_OP:
		return futex_wake_op(a[0], a[4], shared, (int)a[2], (int)a[3], (uint32_t)a[5]);
	default:
		return -ENOSYS; /* FUTEX_FD is gone from Linux; no priority inheritance here */
	}
}

long sys_set_robust_list(const uint64_t *a)
{
	if (a[1] != sizeof(struct abi_robust_list_head))
		return -EINVAL;
	task_current()->robust_list = a[0];
	return 0;
}

long sys_get_robust_list(const uint64_t *a)
{
	uint64_t size = sizeof(struct abi_robust_list_head);
	uaddr_t head = 0;
	irqflags_t flags;
	struct pid_node *n;

	flags = pids_lock();
	n = (int)a[0] ? pid_find_locked((int)a[0], PID_TASK) : &task_current()->node;
	if (n)
		head = container_of(n, struct task, node)->robust_list;
	pids_unlock(flags);
	if (!n)
		return -ESRCH;
	if (copy_to_user(a[2], &size, sizeof(size)))
		return -EFAULT;
	return copy_to_user(a[1], &head, sizeof(head));
}
