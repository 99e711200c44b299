/* Process layer: what needs no user space. */
#include "ktest.h"
#include "mm/access.h"
#include "proc/futex.h"
#include "proc/pid.h"
#include "proc/process.h"
#include "proc/signal.h"

#define NODES 64

KTEST(pid_numbers_differ_and_are_found)
{
	static struct pid_node nodes[NODES];
	irqflags_t flags = pids_lock();
	bool good = true;

	for (int i = 0; i < NODES; i++)
		pid_insert_locked(&nodes[i], pid_pick_locked(), PID_SESSION);
	for (int i = 0; i < NODES; i++) {
		good &= nodes[i].nr > 0;
		good &= pid_find_locked(nodes[i].nr, PID_SESSION) == &nodes[i];
		good &= pid_find_locked(nodes[i].nr, PID_GROUP) == NULL;
	}
	for (int i = 0; i < NODES; i++) {
		int nr = nodes[i].nr;

		pid_remove_locked(&nodes[i]);
		good &= pid_find_locked(nr, PID_SESSION) == NULL;
	}
	pids_unlock(flags);
	KTEST_ASSERT(good);
}

KTEST(pid_number_is_taken_by_any_kind)
{
	static struct pid_node node, other;
	irqflags_t flags = pids_lock();
	int first = pid_pick_locked(), next;

	/* The number after the last one, taken by a group: the next process must not get it. */
	pid_insert_locked(&node, first + 1, PID_GROUP);
	next = pid_pick_locked();
	pid_insert_locked(&other, first + 1, PID_SESSION);
	pid_remove_locked(&node);
	pid_remove_locked(&other);
	pids_unlock(flags);
	KTEST_ASSERT(next != first + 1);
}

KTEST(pid_next_walks_in_order)
{
	static struct pid_node nodes[3];
	irqflags_t flags = pids_lock();
	int nr[3] = {30003, 30001, 30002}, a, b, c, d;

	for (int i = 0; i < 3; i++)
		pid_insert_locked(&nodes[i], nr[i], PID_SESSION);
	a = pid_next_locked(30000, PID_SESSION);
	b = pid_next_locked(a, PID_SESSION);
	c = pid_next_locked(b, PID_SESSION);
	d = pid_next_locked(c, PID_SESSION);
	for (int i = 0; i < 3; i++)
		pid_remove_locked(&nodes[i]);
	pids_unlock(flags);
	KTEST_ASSERT(a == 30001 && b == 30002 && c == 30003 && d == 0);
}

KTEST(futex_words_of_one_page_spread_over_buckets)
{
	static uint8_t hits[256];
	unsigned used = 0, most = 0;

	for (unsigned i = 0; i < 1024; i++) {
		struct futex_key key = {.a = 0xffff800001234000, .b = 0x7f0000000000 + 4 * i};
		unsigned b = futex_hash(&key);

		KTEST_ASSERT(b < 256);
		hits[b]++;
		most = MAX(most, (unsigned)hits[b]);
	}
	for (unsigned b = 0; b < 256; b++) {
		used += hits[b] != 0;
		hits[b] = 0;
	}
	KTEST_ASSERT(used > 200);
	KTEST_ASSERT(most < 16);
}

KTEST(signals_queue_by_their_kind)
{
	struct process *p = process_alloc();
	struct thread *t = thread_alloc("ktest");
	struct task *task;
	struct abi_siginfo info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	struct sigqueue *dead = NULL;
	irqflags_t flags;
	int usr = 0, rt = 0, sig;

	KTEST_ASSERT(p && t);
	p->actions = sigactions_create();
	task = task_alloc(p, t);
	KTEST_ASSERT(p->actions && task);
	p->rlimits[RLIMIT_SIGPENDING].rlim_cur = 10;
	task->blocked = ~0ull;
	flags = process_lock(p);
	list_add_tail(&p->tasks, &task->group_link);
	process_unlock(p, flags);
	for (int i = 0; i < 3; i++) {
		info.si_signo = SIGUSR1;
		KTEST_ASSERT(signal_post_info(p, NULL, &info) == 0);
		info.si_signo = SIGRTMIN;
		KTEST_ASSERT(signal_post_info(p, NULL, &info) == 0);
	}
	for (;;) {
		flags = process_lock(p);
		sig = signal_dequeue_locked(task, ~0ull, &info, &dead);
		process_unlock(p, flags);
		sigqueue_free(p, dead);
		dead = NULL;
		if (!sig)
			break;
		usr += sig == SIGUSR1;
		rt += sig == SIGRTMIN;
	}
	flags = process_lock(p);
	list_remove(&task->group_link);
	process_unlock(p, flags);
	KTEST_ASSERT(p->nqueued == 0);
	task_free(task);
	process_put(p);
	thread_free_new(t);
	KTEST_ASSERT(usr == 1 && rt == 3);
}
