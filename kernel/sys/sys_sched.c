/* Scheduling: yield, affinity, nice values, policies; limits; memory barriers between CPUs. */
#include "abi/resource.h"
#include "abi/sched.h"
#include "cpu.h"
#include "lib/string.h"
#include "mm/pmap.h"
#include "proc/rlimit.h"
#include "sched/sched.h"
#include "sys/sys.h"

/* What a thread runs before another has its turn, when two want the CPU. */
#define SCHED_INTERVAL_NS 6000000ull

long sys_sched_yield(const uint64_t *a)
{
	(void)a;
	sched_yield_current();
	return 0;
}

/* The task with that number (0: the caller). => pid_lock held */
static struct task *task_find_locked(int tid)
{
	struct pid_node *n = tid ? pid_find_locked(tid, PID_TASK) : &task_current()->node;

	return n ? container_of(n, struct task, node) : NULL;
}

long sys_sched_setaffinity(const uint64_t *a)
{
	uint64_t set = 0;
	struct task *task;
	irqflags_t flags;
	long err = -ESRCH;

	if (copy_from_user(&set, a[2], MIN((unsigned)a[1], sizeof(set))))
		return -EFAULT;
	set &= cpu_online_set();
	if (!set)
		return -EINVAL;
	/* The caller itself leaves a CPU that it may not use any more: it must hold nothing. */
	if (!a[0] || (int)a[0] == task_current()->node.nr)
		return sched_set_affinity(thread_current(), set);
	flags = pids_lock();
	task = task_find_locked((int)a[0]);
	if (task)
		err = sched_set_affinity(task->thread, set);
	pids_unlock(flags);
	return err;
}

long sys_sched_getaffinity(const uint64_t *a)
{
	uint64_t set = 0;
	struct task *task;
	irqflags_t flags;

	if ((unsigned)a[1] < sizeof(set) || (a[1] & 7))
		return -EINVAL;
	flags = pids_lock();
	task = task_find_locked((int)a[0]);
	if (task)
		set = task->thread->affinity & cpu_online_set();
	pids_unlock(flags);
	if (!task)
		return -ESRCH;
	return copy_to_user(a[2], &set, sizeof(set)) ? -EFAULT : (long)sizeof(set);
}

static bool nice_of(struct task *task, const int *set, int *best)
{
	if (set)
		sched_set_nice(task->thread, *set);
	else
		*best = MIN(*best, task->thread->nice);
	return true;
}

/* All threads that which and who name. Best nice value, or -ESRCH. */
static bool for_nice(int which, int who, const int *set, int *best)
{
	irqflags_t flags = pids_lock();
	struct process *p;
	struct task *task;
	bool found = false;

	if (which == PRIO_PROCESS) {
		task = task_find_locked(who);
		found = task && nice_of(task, set, best);
	} else if (which == PRIO_PGRP) {
		struct pgrp *pg = who ? pgrp_find_locked(who) : process_current()->pgrp;

		if (pg) {
			list_for_each_entry (p, &pg->members, pgrp_link) {
				spin_lock(&p->lock);
				list_for_each_entry (task, &p->tasks, group_link)
					found |= nice_of(task, set, best);
				spin_unlock(&p->lock);
			}
		}
	} else if (!who) {
		/* PRIO_USER: everybody is root. */
		for (int nr = 0; (nr = pid_next_locked(nr, PID_TASK));)
			found |= nice_of(task_find_locked(nr), set, best);
	}
	pids_unlock(flags);
	return found;
}

long sys_getpriority(const uint64_t *a)
{
	int best = 19;

	if (a[0] > PRIO_USER)
		return -EINVAL;
	return for_nice((int)a[0], (int)a[1], NULL, &best) ? 20 - best : -ESRCH;
}

long sys_setpriority(const uint64_t *a)
{
	int nice = MIN(MAX((int)a[2], -20), 19), best;

	if (a[0] > PRIO_USER)
		return -EINVAL;
	return for_nice((int)a[0], (int)a[1], &nice, &best) ? 0 : -ESRCH;
}

static bool task_exists(int tid)
{
	irqflags_t flags = pids_lock();
	bool found = task_find_locked(tid);

	pids_unlock(flags);
	return found;
}

/* There is one policy, fair shares: SCHED_OTHER, with SCHED_BATCH as a hint to it. */
long sys_sched_setscheduler(const uint64_t *a)
{
	int policy = (int)a[1] & ~SCHED_RESET_ON_FORK;
	int prio;

	if ((int)a[0] < 0 || !a[2])
		return -EINVAL;
	if (copy_from_user(&prio, a[2], sizeof(prio)))
		return -EFAULT;
	if (!task_exists((int)a[0]))
		return -ESRCH;
	if (policy == SCHED_FIFO || policy == SCHED_RR)
		return prio < 1 || prio > 99 ? -EINVAL : -EPERM;
	return (policy != SCHED_OTHER && policy != SCHED_BATCH) || prio ? -EINVAL : 0;
}

long sys_sched_getscheduler(const uint64_t *a)
{
	if ((int)a[0] < 0)
		return -EINVAL;
	return task_exists((int)a[0]) ? SCHED_OTHER : -ESRCH;
}

long sys_sched_setparam(const uint64_t *a)
{
	int prio;

	if ((int)a[0] < 0 || !a[1])
		return -EINVAL;
	if (copy_from_user(&prio, a[1], sizeof(prio)))
		return -EFAULT;
	if (!task_exists((int)a[0]))
		return -ESRCH;
	return prio ? -EINVAL : 0;
}

long sys_sched_getparam(const uint64_t *a)
{
	int prio = 0;

	if ((int)a[0] < 0 || !a[1])
		return -EINVAL;
	return task_exists((int)a[0]) ? copy_to_user(a[1], &prio, sizeof(prio)) : -ESRCH;
}

static long priority_limit(int policy, long realtime)
{
	switch (policy) {
	case SCHED_FIFO:
	case SCHED_RR:
		return realtime;
	case SCHED_OTHER:
	case SCHED_BATCH:
	case SCHED_IDLE:
		return 0;
	}
	return -EINVAL;
}

long sys_sched_get_priority_max(const uint64_t *a)
{
	return priority_limit((int)a[0], 99);
}

long sys_sched_get_priority_min(const uint64_t *a)
{
	return priority_limit((int)a[0], 1);
}

long sys_sched_rr_get_interval(const uint64_t *a)
{
	struct task *task;
	irqflags_t flags;

	if ((int)a[0] < 0)
		return -EINVAL;
	flags = pids_lock();
	task = task_find_locked((int)a[0]);
	pids_unlock(flags);
	return task ? sys_timespec_put(a[1], SCHED_INTERVAL_NS) : -ESRCH;
}

long sys_getcpu(const uint64_t *a)
{
	uint32_t cpu = cpu_id(), node = 0;

	if (a[0] && copy_to_user(a[0], &cpu, sizeof(cpu)))
		return -EFAULT;
	return a[1] ? copy_to_user(a[1], &node, sizeof(node)) : 0;
}

static void barrier_here(void *arg)
{
	(void)arg;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * An interrupt on each CPU is the barrier: of all for the global commands, of those that have this
 * address space loaded for the private one. Registration needs no state, for every process is
 * served alike.
 */
long sys_membarrier(const uint64_t *a)
{
	if (a[1])
		return -EINVAL;
	switch ((int)a[0]) {
	case MEMBARRIER_CMD_QUERY:
		return MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
		       MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
		       MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	case MEMBARRIER_CMD_GLOBAL:
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		cpu_call(cpu_online_set(), barrier_here, NULL);
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		barrier_here(NULL);
		cpu_call(LOAD_ACQUIRE(thread_current()->pmap->active), barrier_here, NULL);
		return 0;
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		return 0;
	}
	return -EINVAL;
}

static long limit_change(struct process *p, unsigned what, uaddr_t set, uaddr_t old)
{
	struct abi_rlimit in, out;
	int err;

	if (set && copy_from_user(&in, set, sizeof(in)))
		return -EFAULT;
	err = rlimit_change(p, what, set ? &in : NULL, &out);
	if (!err && old)
		err = copy_to_user(old, &out, sizeof(out));
	return err;
}

long sys_getrlimit(const uint64_t *a)
{
	return limit_change(process_current(), (unsigned)a[0], 0, a[1]);
}

long sys_setrlimit(const uint64_t *a)
{
	return a[1] ? limit_change(process_current(), (unsigned)a[0], a[1], 0) : -EFAULT;
}

long sys_prlimit64(const uint64_t *a)
{
	struct process *p;
	long err;

	if (!(int)a[0])
		return limit_change(process_current(), (unsigned)a[1], a[2], a[3]);
	p = process_find_by_tid((int)a[0]);
	if (!p)
		return -ESRCH;
	err = limit_change(p, (unsigned)a[1], a[2], a[3]);
	process_put(p);
	return err;
}
