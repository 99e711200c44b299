/*
 * Boot of the process layer, and process 1: init= of the command line, or the first of the usual
 * programs that is there. Its arguments are the words after "--" and unknown words; unknown
 * name=value words are its environment, as on Linux.
 */
#include "proc/init.h"

#include "abi/fcntl.h"
#include "boot_info.h"
#include "dev/tty.h"
#include "fs/devfs/devfs.h"
#include "fs/fdtable.h"
#include "fs/file.h"
#include "fs/path.h"
#include "fs/pipe.h"
#include "klog.h"
#include "lib/err.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "panic.h"
#include "proc/exec.h"
#include "proc/futex.h"
#include "proc/jobctl.h"
#include "proc/process.h"
#include "proc/procfs.h"
#include "proc/rlimit.h"
#include "proc/shm.h"
#include "proc/signal.h"
#include "proc/sleep.h"
#include "sched/clock.h"

#define INIT_WORDS_MAX 64

/* Words of the command line that are the kernel's own: they do not reach init. */
static const char *const kernel_words[] = {"console", "root", "rootfstype", "ro", "rw", "init",
	"quiet", "loglevel", "mem", "maxcpus", "ktest", "panic", "debug", "norandmaps",
	"BOOT_IMAGE"};

static const char *const init_programs[] = {"/init", "/sbin/init", "/bin/init", "/bin/sh"};

static uint64_t boot_ns;

static void sigpipe_self(void)
{
	signal_self(SIGPIPE);
}

static uint64_t file_limit_self(void)
{
	struct process *p = process_current();

	return p ? rlimit_get(p, RLIMIT_FSIZE) : UINT64_MAX;
}

static void file_limit_exceeded(void)
{
	signal_self(SIGXFSZ);
}

static const struct file_limit_ops file_limit = {
	.size = file_limit_self, .exceeded = file_limit_exceeded};

void proc_init(void)
{
	process_caches_init();
	signal_init();
	futex_init();
	shm_init();
	sleep_init();
	jobctl_init();
	pipe_set_sigpipe(sigpipe_self);
	file_set_limit_ops(&file_limit);
	procfs_init();
}

struct init_words {
	char *text; /* copy of the command line, cut into words */
	const char *argv[INIT_WORDS_MAX + 1];
	const char *envp[INIT_WORDS_MAX + 1];
	unsigned argc, envc;
};

static bool init_word_is_kernels(const char *word)
{
	size_t len = 0;

	while (word[len] && word[len] != '=')
		len++;
	if (memchr(word, '.', len))
		return true; /* "module.parameter" */
	for (unsigned i = 0; i < ARRAY_SIZE(kernel_words); i++) {
		if (strlen(kernel_words[i]) == len && !strncmp(kernel_words[i], word, len))
			return true;
	}
	return false;
}

static void init_add_word(struct init_words *w, const char *word, bool after_dashes)
{
	bool env = !after_dashes && strchr(word, '=');
	unsigned *n = env ? &w->envc : &w->argc;

	if (!after_dashes && init_word_is_kernels(word))
		return;
	if (*n == INIT_WORDS_MAX) {
		klog_warn("init: too many words on the command line, \"%s\" is left out", word);
		return;
	}
	(env ? w->envp : w->argv)[(*n)++] = word;
}

/* Cut the command line at blanks; double quotes keep blanks in a word. */
static void init_parse_words(struct init_words *w)
{
	char *s = w->text;
	bool after = false;

	w->argv[w->argc++] = "init";
	w->envp[w->envc++] = "HOME=/";
	w->envp[w->envc++] = "TERM=linux";
	for (;;) {
		char *word, *to;
		bool quoted = false;

		while (*s == ' ' || *s == '\t' || *s == '\n')
			s++;
		if (!*s)
			break;
		for (word = to = s; *s && (quoted || (*s != ' ' && *s != '\t' && *s != '\n'));
			s++) {
			if (*s == '"')
				quoted = !quoted;
			else
				*to++ = *s;
		}
		if (*s)
			s++;
		*to = 0;
		if (!after && !strcmp(word, "--"))
			after = true;
		else
			init_add_word(w, word, after);
	}
	w->argv[w->argc] = NULL;
	w->envp[w->envc] = NULL;
}

/*
 * Descriptors 0, 1 and 2: /dev/console of the root image, or the console itself where the image has
 * no such node, so that a bare image with one program can be heard.
 */
static void init_open_console(struct task *task)
{
	struct file *f = path_open(task->fs, NULL, "/dev/console", O_RDWR, 0);

	if (IS_ERR(f))
		f = devfs_open(task->fs, "console", O_RDWR);
	if (IS_ERR(f)) {
		klog_warn("init: cannot open the console (%s): it runs without input and output",
			err_name(PTR_ERR(f)));
		return;
	}
	for (int fd = 0; fd < 3; fd++) {
		if (fd_install(task->files, file_get(f), 0, 3, false) != fd)
			panic("init: descriptor %d is not free", fd);
	}
	file_put(f);
}

/* Make the current kernel thread process 1. */
static struct process *init_become_process(void)
{
	struct thread *t = thread_current();
	struct process *p = process_alloc();
	struct task *task = p ? task_alloc(p, t) : NULL;
	irqflags_t flags;

	if (!task)
		return NULL;
	p->is_init = true;
	p->actions = sigactions_create();
	task->files = fdtable_create();
	task->fs = fs_state_create();
	if (!p->actions || IS_ERR(task->files) || IS_ERR_OR_NULL(task->fs))
		return NULL;
	rlimit_init(p);
	p->exit_signal = SIGCHLD;
	str_copy(p->comm, "init", sizeof(p->comm));
	flags = pids_lock();
	pid_insert_locked(&p->node, pid_pick_locked(), PID_PROCESS);
	pid_insert_locked(&task->node, p->node.nr, PID_TASK);
	p->main_task = task;
	p->nthreads = 1;
	list_add_tail(&p->tasks, &task->group_link);
	pids_unlock(flags);
	return process_new_session(p) == 1 ? p : NULL;
}

static int init_try(const char *path, struct init_words *w)
{
	struct exec_request rq = {.name = path, .kernel_argv = w->argv, .kernel_envp = w->envp};

	w->argv[0] = path;
	return process_exec(&rq);
}

static void init_exec(struct init_words *w)
{
	char path[256];
	int err;

	if (cmdline_get("init", path, sizeof(path)) && path[0]) {
		err = init_try(path, w);
		if (err)
			die("cannot run init=%s (%s): give init= the path of a static or dynamic "
			    "x86-64 "
			    "Linux program in the root file system",
				path, err_name(err));
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(init_programs); i++) {
		err = init_try(init_programs[i], w);
		if (!err)
			return;
		if (err != -ENOENT && err != -ENOTDIR)
			klog_err("init: cannot run %s (%s)", init_programs[i], err_name(err));
	}
	die("no init found: the root file system has none of /init, /sbin/init, /bin/init, /bin/sh "
	    "that runs; check root= and the image, or name a program with init=PATH");
}

static void init_main(void *arg)
{
	struct init_words *w = arg;
	struct process *p = init_become_process();

	if (!p)
		panic("init: no memory for the first process");
	init_open_console(task_current());
	thread_clear_flags(thread_current(), THREAD_KERNEL);
	init_exec(w);
	kfree(w->text);
	kfree(w);
	boot_ns = clock_monotonic_ns();
	klog_info("init: first user instruction after %llu us",
		(unsigned long long)(boot_ns / NSEC_PER_USEC));
	context_enter_user();
}

uint64_t proc_boot_ns(void)
{
	return boot_ns;
}

void proc_start_init(void)
{
	struct init_words *w = kzalloc(sizeof(*w), 0);
	struct thread *t;

	if (w)
		w->text = kstrdup(boot_info.cmdline, 0);
	if (!w || !w->text)
		panic("init: no memory for its arguments");
	if (cmdline_has("norandmaps"))
		exec_set_randomize(0);
	init_parse_words(w);
	t = thread_create_kernel("init", init_main, w);
	if (IS_ERR(t))
		panic("init: no memory for its thread");
}
