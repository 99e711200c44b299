/*
 * Threads: what the scheduler runs. The process layer hangs its own state on `process`; the
 * scheduler knows a thread's stack, its page table (opaque) and its shares.
 */
#ifndef SCHED_THREAD_H
#define SCHED_THREAD_H

#include "context.h"
#include "cpu.h"
#include "lib/list.h"
#include "lib/rbtree.h"
#include "sync/spinlock.h"

struct process;
struct mm_context;
struct pmap;

enum thread_state {
	THREAD_NEW,
	THREAD_RUNNABLE,
	THREAD_RUNNING,
	THREAD_BLOCKED,
	THREAD_STOPPED,
	THREAD_DEAD
};

/* Bits of thread.flags (atomic). */
#define THREAD_SIGPENDING 0x1u /* a signal wants delivery: ends interruptible waits */
#define THREAD_KILLED	  0x2u /* a fatal signal: ends killable waits too */
#define THREAD_IN_FAULT	  0x4u
#define THREAD_KERNEL	  0x8u /* never goes to user space */

#define THREAD_NAME_MAX	   16 /* TASK_COMM_LEN */
#define KERNEL_STACK_PAGES 4

struct thread {
	/* Scheduler; under the run queue's lock unless said otherwise. */
	enum thread_state state; /* atomic */
	uint32_t flags;		 /* atomic: THREAD_* */
	unsigned cpu;		 /* whose run queue it is in, or last ran on */
	int nice;
	cpuset_t affinity;
	bool queued;	/* in that run queue's tree */
	bool continued; /* a sched_continue() that nobody has consumed */
	struct rb_node run_node;
	uint32_t weight;		     /* by nice; 1024: nice 0 */
	uint64_t vruntime;		     /* weighted run time, compared inside one run queue */
	uint64_t exec_start_ns;		     /* up to here it is accounted, while it runs */
	uint64_t run_ns;		     /* time on a CPU so far */
	uint64_t slice_start_ns;	     /* run_ns when it was last given the CPU */
	uint64_t user_ns, system_ns;	     /* for times(2): written by the thread's own CPU */
	uint64_t nvcsw, nivcsw;		     /* voluntary and involuntary switches */
	uint64_t minor_faults, major_faults; /* written by the thread itself (mm/fault.c) */
	uint8_t wait_mode;		     /* enum wait_mode of the wait in progress */
	struct arch_thread arch;
	void *stack;	   /* lowest address of the kernel stack */
	struct pmap *pmap; /* user page table; NULL: kernel thread */
	char name[THREAD_NAME_MAX];
	struct list all_link;	  /* list of all threads (for panic and hang reports) */
	unsigned ending;	  /* thread_begin_end: 1 + the lot that it is counted in; 0: none */
	void (*entry)(void *arg); /* kernel threads: what it runs */
	void *entry_arg;
	/* Debug builds: sleeping locks held. */
#ifdef QUIRE_DEBUG
	unsigned nheld;
	const void *held[16];
	const struct lock_debug *held_dbg[16];
#endif
	/* Process layer: owned by kernel/proc. */
	struct process *process;
	struct mm_context *ctx; /* == process->ctx, for the fault path; NULL: kernel thread */
	void *proc_data;	/* struct task of kernel/proc: tid, signal mask, robust list, ... */
};

static inline struct thread *thread_current(void)
{
	return cpu_field(current);
}

/* A kernel thread, runnable at once. ERR_PTR(-ENOMEM). */
struct thread *thread_create_kernel(const char *name, void (*fn)(void *arg), void *arg);
/* The same, state NEW: set affinity or nice, then thread_start. */
struct thread *thread_alloc_kernel(const char *name, void (*fn)(void *arg), void *arg);
/* A thread with a kernel stack and nothing else, state NEW; the caller sets it up and calls
 * thread_start. */
struct thread *thread_alloc(const char *name);
void thread_start(struct thread *t);
/* Free a thread's stack, machine state and struct: the scheduler calls it for one that has left the
 * CPU for good. */
void thread_free(struct thread *t);
/* Visit all threads, under a spinning lock; `panic`: without. */
void thread_for_each(void (*fn)(struct thread *t, void *cookie), void *cookie, bool panic);
/* For a thread that never ran. */
void thread_free_new(struct thread *t);
/*
 * The current thread says that it is on its way out, before it tells anybody else: from then on
 * thread_wait_ended, called by others, waits until its stack and struct are free.
 * => thread_wait_ended: sleeps; 0, -EINTR (fatal signal)
 */
void thread_begin_end(void);
int __must_check thread_wait_ended(void);
/* End the current thread. Its stack and struct are freed by the scheduler after the switch;
 * proc_data is not touched. */
__noreturn void thread_exit(void);

static inline uint32_t thread_flags(const struct thread *t)
{
	return READ_ONCE(t->flags);
}

void thread_set_flags(struct thread *t, uint32_t set); /* and wakes it if a wait must end for it */
void thread_clear_flags(struct thread *t, uint32_t clear);

#endif
