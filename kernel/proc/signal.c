/*
 * Sending signals. A signal becomes pending for a thread or for a process and then one thread that
 * does not block it is told (THREAD_SIGPENDING); a signal that kills marks the whole process at
 * once, so that threads in killable waits end these too.
 *
 *	generate -> ignored: gone, unless blocked
 *	         -> stop signals and SIGCONT cancel each other; SIGCONT ends a stop whatever its action
 *	         -> fatal, not caught: group exit at once
 *	         -> pending, a thread is flagged -> signal_deliver.c
 *
 * Senders may be interrupts (terminal, timers). So nothing is allocated or freed under
 * process.lock: siginfo comes in a ready queue entry, and entries that a stop or SIGCONT cancels
 * wait on `stale`.
 */
#include "proc/signal.h"

#include "abi/wait.h"
#include "lib/assert.h"
#include "mm/slab.h"
#include "proc/ptimer.h"
#include "proc/rlimit.h"

static struct slab_cache *sigqueue_cache;

void signal_init(void)
{
	sigqueue_cache = slab_cache_create("sigqueue", sizeof(struct sigqueue), 8, NULL);
}

bool sigqueue_charge(struct process *to)
{
	if (likely(__atomic_add_fetch(&to->nqueued, 1, __ATOMIC_RELAXED) <=
		    rlimit_get(to, RLIMIT_SIGPENDING)))
		return true;
	sigqueue_uncharge(to);
	return false;
}

void sigqueue_uncharge(struct process *of)
{
	__atomic_fetch_sub(&of->nqueued, 1, __ATOMIC_RELAXED);
}

struct sigqueue *sigqueue_alloc(struct process *to)
{
	struct sigqueue *sq;

	if (!sigqueue_charge(to))
		return NULL;
	sq = slab_alloc(sigqueue_cache, 0);
	if (sq)
		sq->timer = NULL;
	else
		sigqueue_uncharge(to);
	return sq;
}

void sigqueue_free(struct process *of, struct sigqueue *sq)
{
	if (!sq)
		return;
	sigqueue_uncharge(of);
	slab_free(sigqueue_cache, sq);
}

struct sigqueue *sigqueue_make(const struct abi_siginfo *info)
{
	struct sigqueue *sq = slab_alloc(sigqueue_cache, 0);

	if (sq) {
		list_init(&sq->link);
		sq->timer = NULL;
		siginfo_copy(&sq->info, info);
	}
	return sq;
}

void sigqueue_drop(struct sigqueue *sq)
{
	slab_free(sigqueue_cache, sq);
}

void sigqueue_change_owner(struct process *from, struct process *to)
{
	__atomic_fetch_sub(&from->nqueued, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&to->nqueued, 1, __ATOMIC_RELAXED);
}

static uint64_t signal_handler(const struct process *p, int sig)
{
	return READ_ONCE(p->actions->act[sig - 1].handler);
}

bool signal_is_unhandled(const struct task *task, int sig)
{
	return signal_handler(task->process, sig) <= SIG_IGN || task->blocked & SIGBIT(sig);
}

static bool signal_is_fatal(const struct process *p, int sig)
{
	return signal_handler(p, sig) == SIG_DFL &&
	       !(SIGBIT(sig) & (SIG_KERNEL_STOP | SIG_KERNEL_IGNORE)) && !p->is_init;
}

/* Would nothing at all happen? A blocked signal is kept: the action may change before it is
 * unblocked. */
static bool signal_dropped(const struct process *p, const struct task *task, int sig)
{
	uint64_t handler = signal_handler(p, sig);

	if (!task)
		task = list_first_entry(&p->tasks, struct task, group_link);
	if ((task->blocked | task->waiting_for) & SIGBIT(sig))
		return false;
	if (handler == SIG_IGN)
		return true;
	if (handler != SIG_DFL)
		return false;
	return (SIGBIT(sig) & SIG_KERNEL_IGNORE) || p->is_init;
}

static void pending_flush(struct process *p, struct sigpending *pend, sigset_k set)
{
	struct sigqueue *sq, *tmp;

	if (!(pend->set & set))
		return;
	pend->set &= ~set;
	list_for_each_entry_safe (sq, tmp, &pend->queue, link) {
		if (!(SIGBIT(sq->info.si_signo) & set))
			continue;
		list_remove(&sq->link);
		if (sq->timer) {
			list_init(&sq->link);
			ptimer_signal_gone_locked(p, sq, NULL);
		} else {
			list_add_tail(&p->stale, &sq->link);
		}
	}
}

void signal_flush_locked(struct process *p, sigset_k set)
{
	struct task *task;

	dassert(spin_held(&p->lock));
	pending_flush(p, &p->pending, set);
	list_for_each_entry (task, &p->tasks, group_link)
		pending_flush(p, &task->pending, set);
}

void signal_free_stale(struct process *p)
{
	struct list dead;
	struct list *l;
	irqflags_t flags;

	if (list_empty(&p->stale))
		return;
	list_init(&dead);
	flags = process_lock(p);
	list_splice_tail(&dead, &p->stale);
	process_unlock(p, flags);
	while ((l = list_pop(&dead)))
		sigqueue_free(p, list_entry(l, struct sigqueue, link));
}

void signal_discard(struct process *p, struct sigpending *pending)
{
	irqflags_t flags = process_lock(p);

	pending_flush(p, pending, ~0ull);
	process_unlock(p, flags);
	signal_free_stale(p);
}

static void flag_all_threads(struct process *p, uint32_t bits)
{
	struct task *task;

	list_for_each_entry (task, &p->tasks, group_link)
		thread_set_flags(task->thread, bits);
}

void signal_group_exit_locked(struct process *p, int status)
{
	dassert(spin_held(&p->lock));
	if (p->group_exit)
		return;
	p->group_exit = true;
	p->exit_status = status;
	flag_all_threads(p, THREAD_SIGPENDING | THREAD_KILLED);
}

/* Effects that come with the sending, also when the signal is blocked or ignored. */
static void signal_stop_and_cont(struct process *p, int sig)
{
	if (SIGBIT(sig) & SIG_KERNEL_STOP) {
		signal_flush_locked(p, SIGBIT(SIGCONT));
	} else if (sig == SIGCONT) {
		signal_flush_locked(p, SIG_KERNEL_STOP);
		if (p->group_stop) {
			p->group_stop = false;
			p->cont_pending = p->stop_told;
			p->stop_told = false;
			flag_all_threads(p, THREAD_SIGPENDING);
		}
	}
}

static bool task_takes(const struct task *task, int sig)
{
	return !task->must_die &&
	       (!(task->blocked & SIGBIT(sig)) || (task->waiting_for & SIGBIT(sig)));
}

/* A thread that does not block sig: the main one by preference. NULL: all block it. */
static struct task *signal_choose(struct process *p, int sig)
{
	struct task *task;

	if (p->main_task && task_takes(p->main_task, sig))
		return p->main_task;
	list_for_each_entry (task, &p->tasks, group_link) {
		if (task_takes(task, sig))
			return task;
	}
	return NULL;
}

static void signal_tell(struct process *p, struct task *task, int sig)
{
	if (task)
		task = task_takes(task, sig) ? task : NULL;
	else
		task = signal_choose(p, sig);
	if (!task)
		return;
	if (signal_is_fatal(p, sig) && !(task->waiting_for & SIGBIT(sig)))
		signal_group_exit_locked(p, WSTATUS_KILLED(sig));
	else
		thread_set_flags(task->thread, THREAD_SIGPENDING);
}

bool signal_post_locked(struct process *p, struct task *task, int sig, struct sigqueue *sq)
{
	struct sigpending *pend = task ? &task->pending : &p->pending;
	bool queued = false;

	dassert(spin_held(&p->lock));
	if (list_empty(&p->tasks) || p->group_exit)
		return false;
	if (SIGBIT(sig) & (SIG_KERNEL_STOP | SIGBIT(SIGCONT)))
		signal_stop_and_cont(p, sig);
	if (signal_dropped(p, task, sig))
		return false;
	if (sig < SIGRTMIN && (pend->set & SIGBIT(sig)))
		return false;
	if (sq && list_empty(&sq->link)) {
		list_add_tail(&pend->queue, &sq->link);
		queued = true;
	}
	pend->set |= SIGBIT(sig);
	signal_tell(p, task, sig);
	return queued;
}

void signal_post_kernel(struct process *p, int sig)
{
	irqflags_t flags = process_lock(p);

	signal_post_locked(p, NULL, sig, NULL);
	process_unlock(p, flags);
}

int signal_post_info(struct process *p, struct task *task, const struct abi_siginfo *info)
{
	struct sigqueue *sq = sigqueue_alloc(p);
	irqflags_t flags;
	bool taken;

	if (!sq && info->si_signo >= SIGRTMIN && info->si_code != SI_USER)
		return -EAGAIN;
	if (sq) {
		list_init(&sq->link);
		siginfo_copy(&sq->info, info);
	}
	flags = process_lock(p);
	taken = signal_post_locked(p, task, info->si_signo, sq);
	process_unlock(p, flags);
	if (!taken)
		sigqueue_free(p, sq);
	return 0;
}

/* Default action again when sig is ignored or blocked: POSIX leaves it open, Linux kills. */
static void signal_unmask_forced(struct task *task, int sig, bool reset)
{
	struct process *p = task->process;
	struct abi_sigaction *act = &p->actions->act[sig - 1];

	spin_lock(&p->actions->lock);
	if (reset || act->handler == SIG_IGN || (task->blocked & SIGBIT(sig)))
		WRITE_ONCE(act->handler, SIG_DFL);
	spin_unlock(&p->actions->lock);
	task->blocked &= ~SIGBIT(sig);
}

static void signal_force_how(struct task *task, const struct abi_siginfo *info, bool reset)
{
	struct process *p = task->process;
	struct sigqueue *sq = sigqueue_alloc(p);
	int sig = info->si_signo;
	irqflags_t flags;
	bool taken;

	if (sq) {
		list_init(&sq->link);
		siginfo_copy(&sq->info, info);
	}
	flags = process_lock(p);
	signal_unmask_forced(task, sig, reset);
	taken = signal_post_locked(p, task, sig, sq);
	/*
	 * One that was pending and blocked before is not posted again, but now it is to be taken.
	 */
	signal_recalc_locked(task);
	/* init too dies of its own faults: it would fault for ever. */
	if (p->is_init && signal_handler(p, sig) == SIG_DFL)
		signal_group_exit_locked(p, WSTATUS_KILLED(sig));
	process_unlock(p, flags);
	if (!taken)
		sigqueue_free(p, sq);
}

void signal_force(struct task *task, const struct abi_siginfo *info)
{
	signal_force_how(task, info, false);
}

void signal_force_kernel(struct task *task, int sig)
{
	struct abi_siginfo info = {.si_signo = sig, .si_code = SI_KERNEL};

	signal_force_how(task, &info, false);
}

void signal_force_default(struct task *task, int sig)
{
	struct abi_siginfo info = {.si_signo = sig, .si_code = SI_KERNEL};

	signal_force_how(task, &info, true);
}

void signal_self(int sig)
{
	struct task *task = task_current();
	struct abi_siginfo info = {.si_signo = sig, .si_code = SI_USER};

	if (!task)
		return;
	info.u.rt.pid = task->process->node.nr;
	(void)signal_post_info(task->process, task, &info);
}

bool signal_is_ignored(struct task *task, int sig)
{
	return (task->blocked & SIGBIT(sig)) || signal_handler(task->process, sig) == SIG_IGN;
}
