/*
 * Another program in this process. Three stages:
 *
 *	find	open the file, follow #! lines, check every header, copy the strings
 *	build	a new address space aside: segments, interpreter, stack. Nothing is read but headers.
 *	commit	end the other threads (the one step that may still fail, and only because the
 *		process is being killed), then change over in steps that cannot fail
 */
#include "proc/exec.h"

#include "abi/auxv.h"
#include "abi/fcntl.h"
#include "abi/sched.h"
#include "cpu.h"
#include "dev/random.h"
#include "fs/fdtable.h"
#include "fs/file.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/mmap.h"
#include "mm/slab.h"
#include "proc/elf.h"
#include "proc/exec_args.h"
#include "proc/exit.h"
#include "proc/process.h"
#include "proc/ptimer.h"
#include "proc/rlimit.h"
#include "proc/signal.h"
#include "vdso.h"

#define EXEC_HEAD	 1024 /* bytes read first: a header with its table, or a #! line */
#define SCRIPT_LINE_MAX	 256
#define SCRIPT_DEPTH_MAX 5
#define STACK_EXTRA	 (128ull << 10) /* mapped below the strings from the start */
#define STACK_GAP_MIN	 (128ull << 20) /* kept free below the stack's top */
#define PIE_BASE	 (USER_MAX / 3 * 2 & ~PAGE_MASK)
#define EXEC_AUX_MAX	 21

struct exec {
	const struct exec_request *rq;
	struct process *process;
	struct task *task;
	struct file *file;   /* the program; deny-write is counted */
	struct file *interp; /* its PT_INTERP, or NULL; deny-write is counted */
	struct elf_image *image, *interp_image;
	struct exec_args *args;
	struct mm_context *ctx;
	uint64_t bias, interp_bias;
	vaddr_t vdso; /* its header */
	uaddr_t entry;
	struct exec_stack_info stack;
	uint64_t aux[EXEC_AUX_MAX][2];
	unsigned naux;
	/* what must not fail later */
	struct fdtable *files;	    /* own copy when the table is shared */
	struct sigactions *actions; /* the same */
	char comm[THREAD_NAME_MAX];
	char line[SCRIPT_LINE_MAX + 1];
	uint8_t head[EXEC_HEAD] __aligned(8);
};

static const char *exec_shown_name(const struct exec *ex)
{
	return ex->rq->shown ? ex->rq->shown : ex->rq->name;
}

/*
 * The checks of a file that is to run. On success deny-write is counted and f is referenced again.
 */
static int exec_check_file(struct file *f)
{
	if (!S_ISREG(f->inode->mode) || !(f->inode->mode & 0111))
		return -EACCES;
	return exe_get(f);
}

/* What is no program is refused before it is opened: the open of a FIFO would wait. */
static int exec_open(
	struct exec *ex, const struct path *at, const char *name, bool nofollow, struct file **out)
{
	struct file *f = ERR_PTR(-EACCES);
	struct path p;
	uint32_t mode;
	int err = path_lookup(ex->task->fs, at, name, nofollow ? 0 : LOOKUP_FOLLOW, &p);

	*out = NULL;
	if (err)
		return err;
	mode = path_inode(&p)->mode;
	if (S_ISLNK(mode))
		f = ERR_PTR(-ELOOP);
	else if (S_ISREG(mode))
		f = file_open(&p, O_RDONLY | O_LARGEFILE);
	path_put(&p);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	err = exec_check_file(f);
	file_put(f);
	*out = err ? NULL : f;
	return err;
}

/* Split "#! interp arg" in ex->line. -ENOEXEC: nothing there, or cut off. */
static int exec_parse_script(struct exec *ex, size_t len, char **interp, char **arg)
{
	char *s = ex->line, *end;
	size_t n = MIN(len, (size_t)SCRIPT_LINE_MAX);

	memcpy(s, ex->head, n);
	s[n] = 0;
	end = strchr(s, '\n');
	if (!end && n == SCRIPT_LINE_MAX)
		return -ENOEXEC;
	if (!end)
		end = s + strlen(s);
	while (end > s + 2 && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = 0;
	for (s += 2; *s == ' ' || *s == '\t'; s++)
		;
	if (!*s)
		return -ENOEXEC;
	*interp = s;
	while (*s && *s != ' ' && *s != '\t')
		s++;
	*arg = NULL;
	if (*s) {
		*s++ = 0;
		while (*s == ' ' || *s == '\t')
			s++;
		*arg = s;
	}
	return 0;
}

/* Read the head; for scripts open the interpreter and begin again, until it is an ELF file. */
static int exec_find_program(struct exec *ex)
{
	const char *script = exec_shown_name(ex);
	char *copy = NULL;
	int err = 0;

	for (int depth = 0;; depth++) {
		char *interp, *arg;
		struct file *f;
		ssize_t n = file_read_kernel(ex->file, ex->head, sizeof(ex->head), 0);

		err = (int)MIN(n, 0);
		if (err)
			break;
		if (n < 2 || ex->head[0] != '#' || ex->head[1] != '!') {
			err = elf_read(ex->file, ex->head, (size_t)n, ex->image);
			break;
		}
		err = depth == SCRIPT_DEPTH_MAX ? -ELOOP
		      : ex->rq->unreachable	? -ENOENT
						: exec_parse_script(ex, (size_t)n, &interp, &arg);
		if (!err)
			err = exec_args_script(ex->args, interp, arg, script);
		if (!err)
			err = exec_open(ex, NULL, interp, false, &f);
		if (err)
			break;
		exe_put(ex->file);
		ex->file = f;
		kfree(copy);
		script = copy = kstrdup(interp, 0);
		if (!copy) {
			err = -ENOMEM;
			break;
		}
	}
	kfree(copy);
	return err;
}

static int exec_find_interp(struct exec *ex)
{
	const struct elf_image *img = ex->image;
	ssize_t n;
	char *path;
	int err;

	if (!img->interp_len)
		return 0;
	path = kmalloc(img->interp_len, 0);
	ex->interp_image = kmalloc(sizeof(*ex->interp_image), 0);
	err = -ENOMEM;
	if (!path || !ex->interp_image)
		goto out;
	n = file_read_kernel(ex->file, path, img->interp_len, img->interp_off);
	err = n < 0 ? (int)n : -ENOEXEC;
	if (n != (ssize_t)img->interp_len || path[n - 1] != 0)
		goto out;
	err = exec_open(ex, NULL, path, false, &ex->interp);
	if (err)
		goto out;
	n = file_read_kernel(ex->interp, ex->head, sizeof(ex->head), 0);
	err = n < 0 ? (int)n : elf_read(ex->interp, ex->head, (size_t)n, ex->interp_image);
	if (err == -ENOEXEC || (!err && !ex->interp_image->relocatable))
		err = -ELIBBAD;
out:
	kfree(path);
	return err;
}

static int exec_copy_strings(struct exec *ex)
{
	const struct exec_request *rq = ex->rq;
	struct exec_args *ea = ex->args;
	int n;

	n = rq->kernel_argv ? exec_args_add_kernel(ea, rq->kernel_argv)
			    : exec_args_add_user(ea, rq->argv);
	if (n < 0)
		return n;
	if (n == 0) {
		/* No argument at all: programs expect a name, Linux gives an empty one. */
		n = exec_args_add(ea, "");
		if (n)
			return n;
		n = 1;
	}
	ea->argc = (unsigned)n;
	n = rq->kernel_envp ? exec_args_add_kernel(ea, rq->kernel_envp)
			    : exec_args_add_user(ea, rq->envp);
	if (n < 0)
		return n;
	ea->envc = (unsigned)n;
	return exec_args_add(ea, exec_shown_name(ex));
}

static int randomize = EXEC_RANDOMIZE_ALL; /* (a) */

int exec_randomize(void)
{
	return READ_ONCE(randomize);
}

void exec_set_randomize(int level)
{
	WRITE_ONCE(randomize, level);
}

static uint64_t exec_random_pages(const struct exec *ex, unsigned bits)
{
	if (ex->process->personality & ADDR_NO_RANDOMIZE || !exec_randomize())
		return 0;
	return (random_u64() & ((1ull << bits) - 1)) << PAGE_SHIFT;
}

/* Where things go: the stack at the top, areas below its gap, by Linux's measures. */
static void exec_layout(struct exec *ex)
{
	struct mm_context *ctx = ex->ctx;
	uint64_t gap = MIN(rlimit_get(ex->process, RLIMIT_STACK), USER_MAX / 6 * 5);

	gap = ALIGN_UP(MAX(gap, STACK_GAP_MIN), PAGE_SIZE);
	ctx->stack_top = USER_MAX - PAGE_SIZE - exec_random_pages(ex, 22);
	gap = MIN(gap, ctx->stack_top - (ctx->stack_top >> 2));
	ctx->mmap_top = ALIGN_DOWN(ctx->stack_top - gap - exec_random_pages(ex, 28), PAGE_SIZE);
	rlimit_to_context(ex->process, ctx);
}

static int exec_map_program(struct exec *ex)
{
	const struct elf_image *img = ex->image;
	struct mm_context *ctx = ex->ctx;
	int err;

	if (img->relocatable && img->interp_len) {
		ex->bias = ALIGN_UP(PIE_BASE + exec_random_pages(ex, 28), img->align) -
			   ALIGN_DOWN(img->low, img->align);
	} else if (img->relocatable) {
		/* A loader by itself, or a static program: in the area of mmap, so that the heap
		 * behind it has room. */
		err = elf_place(ctx, img, &ex->bias);
		if (err)
			return err;
	}
	err = elf_map(ctx, ex->file, img, ex->bias);
	ex->entry = img->entry + ex->bias;
	if (!err && ex->interp) {
		err = elf_place(ctx, ex->interp_image, &ex->interp_bias);
		if (!err)
			err = elf_map(ctx, ex->interp, ex->interp_image, ex->interp_bias);
		ex->entry = ex->interp_image->entry + ex->interp_bias;
	}
	/* Below the limit before the bias came to it: where that leads is up to the file. */
	return err || ex->entry < USER_MAX ? err : -ENOEXEC;
}

/* The figures of /proc/PID/stat and the heap's start. */
static void exec_note_segments(struct exec *ex)
{
	const struct elf_image *img = ex->image;
	struct mm_context *ctx = ex->ctx;

	for (unsigned i = 0; i < img->nsegments; i++) {
		const struct elf_segment *seg = &img->segments[i];
		vaddr_t start = seg->vaddr + ex->bias;

		if (seg->flags & ELF_PF_X) {
			if (!ctx->code_start)
				ctx->code_start = start;
			ctx->code_end = start + seg->file_len;
		}
		ctx->data_start = start;
		ctx->data_end = start + seg->file_len;
	}
	/* A static PIE lies in the area of mmap; its heap would soon meet a neighbour. */
	ctx->brk_start = img->relocatable && !ex->interp ? PIE_BASE : img->high + ex->bias;
	if (exec_randomize() == EXEC_RANDOMIZE_ALL)
		ctx->brk_start += exec_random_pages(ex, 13);
	ctx->brk = ctx->brk_start;
}

static void exec_aux(struct exec *ex, uint64_t type, uint64_t value)
{
	assert(ex->naux < EXEC_AUX_MAX);
	ex->aux[ex->naux][0] = type;
	ex->aux[ex->naux++][1] = value;
}

static void exec_make_aux(struct exec *ex)
{
	const struct elf_image *img = ex->image;

	exec_aux(ex, AT_SYSINFO_EHDR, ex->vdso);
	exec_aux(ex, AT_HWCAP, cpu_hwcap());
	exec_aux(ex, AT_PAGESZ, PAGE_SIZE);
	exec_aux(ex, AT_CLKTCK, CLK_TCK);
	exec_aux(ex, AT_PHDR, img->phdr_vaddr ? img->phdr_vaddr + ex->bias : 0);
	exec_aux(ex, AT_PHENT, sizeof(struct elf64_phdr));
	exec_aux(ex, AT_PHNUM, img->phnum);
	exec_aux(ex, AT_BASE, ex->interp_bias);
	exec_aux(ex, AT_FLAGS, 0);
	exec_aux(ex, AT_ENTRY, img->entry + ex->bias);
	exec_aux(ex, AT_UID, 0);
	exec_aux(ex, AT_EUID, 0);
	exec_aux(ex, AT_GID, 0);
	exec_aux(ex, AT_EGID, 0);
	exec_aux(ex, AT_SECURE, 0);
	exec_aux(ex, AT_RANDOM, 0);
	exec_aux(ex, AT_HWCAP2, cpu_hwcap2());
	exec_aux(ex, AT_MINSIGSTKSZ, cpu_min_signal_stack());
	exec_aux(ex, AT_EXECFN, 0);
	exec_aux(ex, AT_PLATFORM, 0);
	exec_aux(ex, AT_NULL, 0);
}

static int exec_map_stack(struct exec *ex)
{
	struct mm_context *ctx = ex->ctx;
	uint64_t need = exec_args_size(ex->args, EXEC_AUX_MAX);
	uint64_t len = ALIGN_UP(need + STACK_EXTRA, PAGE_SIZE);
	uint64_t limit = MAX(rlimit_get(ex->process, RLIMIT_STACK), PAGE_SIZE);
	struct mm_map_request rq = {
		.kind = MM_AREA_NORMAL,
		.map_flags = MM_MAP_EXACT,
		.content = VMAP_STACK,
		.name = "[stack]",
	};
	vaddr_t got;
	int err;

	if (need > limit)
		return -E2BIG;
	rq.len = MIN(len, ALIGN_DOWN(limit, PAGE_SIZE));
	rq.vaddr = ctx->stack_top - rq.len;
	rq.vmflags = VM_USER | VM_READ | VM_WRITE | VM_GROWSDOWN;
	if (ex->image->exec_stack)
		rq.vmflags |= VM_EXEC;
	err = mm_map(ctx, &rq, &got);
	if (err)
		return err;
	exec_make_aux(ex);
	err = exec_args_write(ex->args, ctx, ctx->stack_top, ex->aux, ex->naux, &ex->stack);
	if (err)
		return err;
	ctx->arg_start = ex->stack.arg_start;
	ctx->arg_end = ex->stack.arg_end;
	ctx->env_start = ex->stack.env_start;
	ctx->env_end = ex->stack.env_end;
	_Static_assert(EXEC_AUX_MAX * 2 <= ARRAY_SIZE(ctx->auxv), "auxv");
	memcpy(ctx->auxv, ex->aux, ex->naux * sizeof(ex->aux[0]));
	ctx->auxv_len = ex->naux * 2;
	return 0;
}

static int exec_build(struct exec *ex)
{
	struct mm_context *ctx = mm_create_context();
	int err;

	if (IS_ERR(ctx))
		return (int)PTR_ERR(ctx);
	ex->ctx = ctx;
	exec_layout(ex);
	err = vdso_map(ctx, &ex->vdso);
	if (err)
		return err;
	err = exec_map_program(ex);
	if (err)
		return err;
	exec_note_segments(ex);
	return exec_map_stack(ex);
}

/* Own copies of what is shared with other processes, while failing is still possible. */
static int exec_unshare(struct exec *ex)
{
	if (fdtable_refs(ex->task->files) > 1) {
		ex->files = fdtable_clone(ex->task->files);
		if (IS_ERR(ex->files)) {
			ex->files = NULL;
			return -ENOMEM;
		}
	}
	if (__atomic_load_n(&ex->process->actions->refs, __ATOMIC_RELAXED) > 1) {
		ex->actions = sigactions_create();
		if (!ex->actions)
			return -ENOMEM;
	}
	return 0;
}

/*
 * End the other threads and take over the process's number. -EINTR: we are being killed ourselves.
 */
static int exec_become_single(struct exec *ex)
{
	struct process *p = ex->process;
	struct task *task;
	irqflags_t flags = process_lock(p);
	int err = 0;

	if (p->group_exit || ex->task->must_die)
		err = -EINTR;
	/*
	 * Alone, and not just what the main thread left behind: that still has a number of its own.
	 */
	if (err || (p->nthreads == 1 && p->main_task)) {
		process_unlock(p, flags);
		return err;
	}
	list_for_each_entry (task, &p->tasks, group_link) {
		if (task == ex->task)
			continue;
		task->must_die = true;
		thread_set_flags(task->thread, THREAD_SIGPENDING | THREAD_KILLED);
	}
	process_unlock(p, flags);
	if (wait_event_killable(&p->thread_wait, READ_ONCE(p->nthreads) == 1))
		return -EINTR;
	flags = pids_lock();
	spin_lock(&p->lock);
	if (ex->task->node.nr != p->node.nr) {
		pid_remove_locked(&ex->task->node);
		pid_insert_locked(&ex->task->node, p->node.nr, PID_TASK);
	}
	p->main_task = ex->task;
	spin_unlock(&p->lock);
	pids_unlock(flags);
	return 0;
}

/* The new address space and program become the process's. The old ones go. */
static void exec_change_memory(struct exec *ex)
{
	struct process *p = ex->process;
	struct mm_context *old_ctx;
	struct file *old_exe;
	irqflags_t flags;

	if (p->ctx)
		task_release_memory_words(ex->task);
	flags = process_lock(p);
	old_ctx = p->ctx;
	old_exe = p->exe;
	p->ctx = ex->ctx;
	p->exe = ex->file;
	process_unlock(p, flags);
	task_switch_context(ex->ctx);
	ex->ctx = NULL;
	ex->file = NULL;
	process_vfork_done(p);
	if (old_ctx)
		mm_put_context(old_ctx);
	if (old_exe)
		exe_put(old_exe);
}

static void exec_change_shared(struct exec *ex)
{
	struct process *p = ex->process;
	irqflags_t flags = process_lock(p);

	if (ex->files) {
		struct fdtable *old = ex->task->files;

		ex->task->files = ex->files;
		ex->files = old;
	}
	if (ex->actions) {
		struct sigactions *old = p->actions;

		spin_lock(&old->lock);
		memcpy(ex->actions->act, old->act, sizeof(old->act));
		spin_unlock(&old->lock);
		p->actions = ex->actions;
		ex->actions = old;
	}
	memcpy(p->comm, ex->comm, sizeof(p->comm));
	memcpy(ex->task->thread->name, ex->comm, sizeof(ex->comm));
	process_unlock(p, flags);
}

static void exec_commit(struct exec *ex)
{
	struct process *p = ex->process;
	uaddr_t entry = ex->entry, sp = ex->stack.sp;
	irqflags_t flags;

	exec_change_memory(ex);
	exec_change_shared(ex);
	fdtable_close_on_exec(ex->task->files);
	ptimers_delete_all(p);
	signal_exec_reset(p, ex->task);
	flags = pids_lock();
	p->has_execed = true;
	pids_unlock(flags);
	if (p->exit_signal != SIGCHLD && !p->is_init) {
		mutex_lock(&process_tree);
		p->exit_signal = SIGCHLD;
		mutex_unlock(&process_tree);
	}
	p->dumpable = true;
	context_exec(context_user_regs(), entry, sp);
}

static void exec_set_comm(struct exec *ex)
{
	const char *name = exec_shown_name(ex), *slash = strrchr(name, '/');

	str_copy(ex->comm, slash ? slash + 1 : name, sizeof(ex->comm));
}

static void exec_free(struct exec *ex)
{
	if (ex->ctx)
		mm_put_context(ex->ctx);
	if (ex->files)
		fdtable_put(ex->files);
	if (ex->actions)
		sigactions_put(ex->actions);
	if (ex->interp)
		exe_put(ex->interp);
	if (ex->file)
		exe_put(ex->file);
	if (ex->args)
		exec_args_free(ex->args);
	kfree(ex->image);
	kfree(ex->interp_image);
	kfree(ex);
}

static int exec_find(struct exec *ex)
{
	struct exec_args *args;
	int err;

	if (ex->rq->file) {
		err = exec_check_file(ex->rq->file);
		ex->file = err ? NULL : ex->rq->file;
	} else {
		err = exec_open(ex, ex->rq->at, ex->rq->name, ex->rq->nofollow, &ex->file);
	}
	if (err)
		return err;
	args = exec_args_create(rlimit_get(ex->process, RLIMIT_STACK));
	if (IS_ERR(args))
		return (int)PTR_ERR(args);
	ex->args = args;
	err = exec_copy_strings(ex);
	if (!err)
		err = exec_find_program(ex);
	return err ? err : exec_find_interp(ex);
}

int process_exec(const struct exec_request *rq)
{
	struct exec *ex = kmalloc(sizeof(*ex), 0);
	int err = -ENOMEM;

	if (!ex)
		return -ENOMEM;
	/* Not the buffers behind it. */
	memset(ex, 0, offsetof(struct exec, line));
	ex->rq = rq;
	ex->task = task_current();
	ex->process = process_current();
	exec_set_comm(ex);
	ex->image = kmalloc(sizeof(*ex->image), 0);
	if (!ex->image)
		goto out;
	err = exec_find(ex);
	if (!err)
		err = exec_unshare(ex);
	if (!err)
		err = exec_build(ex);
	if (!err)
		err = exec_become_single(ex);
	if (!err)
		exec_commit(ex);
out:
	exec_free(ex);
	return err;
}
