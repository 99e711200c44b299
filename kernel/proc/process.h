/*
 * Processes and their threads.
 *
 *	struct process	a thread group: address space, signal actions, children, limits
 *	struct task	one thread of it: number, signal mask, what it waits for; hangs on
 *			thread->proc_data
 *
 * Life of a process:
 *
 *	fork -> ALIVE -- last thread ends --> ZOMBIE -- wait4 of the parent --> DEAD (struct freed
 *	                                         `-- nobody will wait: at once --^  with the last ref)
 *
 * Locks, in the order in which they nest:
 *	(T) process_tree	mutex, rank 10: parents, children, states that wait4 reports
 *	(P) pid_lock		spin, rank 92: numbers, groups, sessions, who is in them
 *	(S) process.lock	spin, rank 93: threads, pending signals and masks, stop and exit state
 *	(A) sigactions.lock	spin, rank 94: the table of actions
 *	(o) the owning thread only, (a) atomic, (c) constant
 * `parent` changes under T and P: either is enough to read it.
 */
#ifndef PROC_PROCESS_H
#define PROC_PROCESS_H

#include "abi/resource.h"
#include "abi/signal.h"
#include "lib/list.h"
#include "proc/pid.h"
#include "sched/thread.h"
#include "sched/timer.h"
#include "sync/mutex.h"
#include "sync/waitqueue.h"

struct file;
struct fdtable;
struct fs_state;
struct mm_context;
struct ptimer;
struct user_regs;

typedef uint64_t sigset_k; /* bit n - 1 is signal n */
#define SIGBIT(sig) (1ull << ((sig)-1))

/* One queued signal. */
struct sigqueue {
	struct list link;
	struct ptimer *timer; /* (S) whose entry it is, time and again; NULL: freed when taken */
	struct abi_siginfo info;
};

struct sigpending {
	sigset_k set;
	struct list queue; /* struct sigqueue in order of arrival */
};

/* What sigaction(2) sets; shared by CLONE_SIGHAND. */
struct sigactions {
	uint32_t refs; /* (a) */
	struct spinlock lock;
	struct abi_sigaction act[NSIG]; /* (A), act[n - 1]; `handler` may be read without */
};

/* How an interrupted call goes on in restart_syscall(2). */
struct task_restart {
	long (*fn)(struct task_restart *r); /* (o) NULL: nothing to go on with */
	uint64_t deadline_ns;
	uaddr_t addr, addr2;
	uint64_t arg[3];
};

struct task {
	struct pid_node node; /* (P) its number: gettid(2) */
	struct process *process;
	struct thread *thread;
	struct list group_link; /* (S) in process->tasks */
	/* signals */
	sigset_k blocked;	   /* (S) to write; the thread itself reads it without */
	sigset_k saved_mask;	   /* (o) to restore when restore_mask */
	sigset_k waiting_for;	   /* (S) sigtimedwait: signals that end it though blocked */
	struct sigpending pending; /* (S) */
	bool restore_mask;	   /* (o) */
	bool must_die;		   /* (S) another thread execs */
	bool stopped;		   /* (S) counted in the group stop */
	int trapno;		   /* (o) of the last fault signal */
	uaddr_t fault_addr;	   /* (o) */
	uaddr_t altstack_sp;	   /* (o) */
	uint64_t altstack_size;	   /* (o) 0: none */
	uint32_t altstack_flags;   /* (o) SS_AUTODISARM or 0 */
	struct task_restart restart;
	/* memory words that the kernel writes for the thread library */
	uaddr_t clear_child_tid, set_child_tid; /* (o) */
	uaddr_t robust_list;			/* (o) */
	/* shared with CLONE_FILES, CLONE_FS; others read under (S) */
	struct fdtable *files; /* (o) to use, (S) to change */
	struct fs_state *fs;
	uint64_t start_ns;
};

enum process_state { PROCESS_ALIVE, PROCESS_ZOMBIE, PROCESS_DEAD };

/* Interval timers of setitimer(2) and their carrier. */
struct itimer {
	struct timer timer;
	struct process *process;
	uint64_t value_ns; /* (S) REAL: when it expires; others: CPU time at which */
	uint64_t interval_ns;
	bool armed;
};

/* CPU time and faults of threads and children that are gone. */
struct process_usage {
	uint64_t user_ns, system_ns, minor, major, nvcsw, nivcsw;
};

struct process {
	uint32_t refs; /* (a) */
	struct pid_node node;
	struct spinlock lock; /* (S) */
	/* family */
	struct process *parent;
	int ppid;		       /* (a) parent's number, for getppid(2) without a lock */
	struct list children, sibling; /* (T) */
	enum process_state state;      /* (T) */
	bool is_init;		     /* (c) cannot be killed by a signal that it does not handle */
	bool subreaper;		     /* (T) */
	bool has_execed;	     /* (P) setpgid(2) by the parent fails with EACCES */
	bool dumpable;		     /* (o) */
	bool no_new_privs;	     /* (o) */
	int exit_signal;	     /* (T) to the parent when it ends; 0: none */
	int pdeath_signal;	     /* (S) to it when the parent ends */
	struct waitqueue child_wait; /* wait4 of this process sleeps here */
	uint32_t child_events;	     /* (a) grows with each thing that wait4 reports */
	struct pgrp *pgrp;	     /* (P) */
	struct list pgrp_link;	     /* (P) */
	/* threads */
	struct list tasks;	      /* (S) */
	unsigned nthreads;	      /* (S) */
	struct task *main_task;	      /* (S) of the same number, NULL when it ended before others */
	struct waitqueue thread_wait; /* exec waits for the others to end */
	/* memory and program */
	struct mm_context *ctx; /* (S) to change; NULL once the last thread gave it up */
	struct file *exe;	/* (S) */
	char comm[THREAD_NAME_MAX];
	uint32_t personality; /* (o) */
	uint64_t start_ns;    /* (c) */
	uint64_t oom_score;   /* of the oom thread's round */
	/* vfork: the parent waits until the child has its own memory or is gone */
	bool vfork_pending; /* (a) */
	struct waitqueue vfork_wait;
	/* signals */
	struct sigactions *actions; /* (S) to change */
	struct sigpending pending;  /* (S) */
	struct list stale;	    /* (S) flushed queue entries, to be freed in thread context */
	uint32_t nqueued;	    /* (a) queued signals: RLIMIT_SIGPENDING */
	/* ending and stopping */
	bool group_exit;	       /* (S) every thread is on its way out */
	int exit_status;	       /* (S) as wait4 tells it */
	bool group_stop;	       /* (S) threads stop until SIGCONT */
	unsigned stopping;	       /* (S) threads that have not stopped yet */
	int stop_signal;	       /* (S) */
	bool stop_told;		       /* (S) the parent knows that it is stopped */
	bool cont_pending;	       /* (S) the parent is to be told that it goes on */
	bool stop_report, cont_report; /* (T) not yet reported by WUNTRACED, WCONTINUED */
	struct waitqueue stop_wait;
	/* accounting */
	struct process_usage dead_threads;	 /* (S) */
	struct process_usage dead_children;	 /* (T) */
	struct abi_rlimit rlimits[RLIM_NLIMITS]; /* (S) to write */
	struct itimer itimers[3];
	struct list ptimers;	 /* (S) of timer_create(2): ptimer.c */
	int next_ptimer;	 /* (S) */
	struct timer cpu_limit;	 /* RLIMIT_CPU */
	uint64_t cpu_limit_told; /* (S) seconds from which the next SIGXCPU comes */
};

extern struct mutex process_tree;

static inline struct task *task_of(const struct thread *t)
{
	return t->proc_data;
}

static inline struct task *task_current(void)
{
	return thread_current()->proc_data;
}

static inline struct process *process_current(void)
{
	return thread_current()->process;
}

static inline irqflags_t process_lock(struct process *p)
{
	return spin_lock_irqsave(&p->lock);
}

static inline void process_unlock(struct process *p, irqflags_t flags)
{
	spin_unlock_irqrestore(&p->lock, flags);
}

void process_caches_init(void);

/*
 * New objects, not in any table. NULL: no memory. A process has one reference, the table's, which
 * its reaping drops; each task holds one more.
 */
struct process *process_alloc(void);
struct task *task_alloc(struct process *p, struct thread *t);
/* For one that was never published, or is in no table any more. */
void task_free(struct task *task);
void process_get(struct process *p);
void process_put(struct process *p);
/* The process with that number and a reference, or NULL. Zombies are found. */
struct process *process_find(int pid);
/* The same by the number of any of its threads. */
struct process *process_find_by_tid(int tid);
/* Its address space with a reference, or NULL (a kernel thread, or on its way out). */
struct mm_context *process_get_context(struct process *p);
struct file *process_get_exe(struct process *p);
/* The descriptor table and directories of a thread of p, with a reference, or NULL. */
struct fdtable *process_get_files(struct process *p);
struct fs_state *process_get_fs(struct process *p);
int process_ppid(struct process *p);
/* Numbers of processes that exist, zombies too. */
unsigned process_count(void);
unsigned process_thread_count(void);
uint64_t process_forks(void); /* made since boot */

/* NULL: no memory. One reference; all default, or (alloc) for the caller to fill in. */
struct sigactions *sigactions_create(void);
struct sigactions *sigactions_alloc(void);
void sigactions_put(struct sigactions *sa);

/* The running program: a reference and ETXTBSY for writers; 0 or -ETXTBSY. exe_put undoes both. */
int __must_check exe_get(struct file *f);
void exe_share(struct file *f); /* one more user of a program that has one */
void exe_put(struct file *f);

/* Time on a CPU until now; system: the part of it spent in the kernel, as far as arch told. */
uint64_t thread_cpu_ns(const struct thread *t, uint64_t *system_ns);
/* CPU time and faults of the process with all its threads, living and gone. */
void process_usage(struct process *p, struct process_usage *u);
void process_usage_add(struct process_usage *to, const struct process_usage *u);

/* Make ctx (NULL: the kernel's) the current thread's address space; the old one is the caller's. */
void task_switch_context(struct mm_context *ctx);

#endif
