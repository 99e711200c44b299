/*
 * /proc/PID/maps and smaps. The context's lock is held for one vmap at a time: what is copied from
 * it is put into words after, since names take locks of the file system.
 */
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/context.h"
#include "mm/slab.h"
#include "mm/usage.h"
#include "mm/vmap.h"
#include "proc/procfs_priv.h"
#include "proc/shm.h"

#define MAPS_NAME_COLUMN 72 /* Linux pads to 25 + 6 * sizeof(long) - 1 */

struct map_line {
	vaddr_t start, end;
	vm_flags_t flags;
	bool shared;
	uint64_t offset;
	struct file *file; /* a reference, or NULL */
	int shmid;	   /* its number where there is a segment instead, or 0 */
	char name[32];
	struct mm_usage usage; /* smaps only */
};

/* Areas that are named by what they are for. */
static const char *content_name(vmap_content_t content)
{
	switch (content) {
	case VMAP_HEAP:
		return "[heap]";
	case VMAP_VDSO:
		return "[vdso]";
	case VMAP_VVAR:
		return "[vvar]";
	default:
		return NULL;
	}
}

/* A segment looks like a file without a directory whose number is the id. */
static void note_segment(struct map_line *m, const struct vmap *vm)
{
	m->shmid = 0;
	if (!vm->object || !shm_identify(vm->object, &m->shmid))
		return;
	m->offset = vm->offset;
	fmt_snprintf(m->name, sizeof(m->name), "/%s (deleted)", vm->object->vo_name);
}

/* The first vmap that ends after va; false: there is none. */
static bool map_next(struct mm_context *ctx, vaddr_t va, bool count, struct map_line *m)
{
	struct vmap *vm;

	rw_read_lock(&ctx->mm_lock);
	vm = vmap_find_after(ctx, va);
	if (vm) {
		m->start = vm->vaddr;
		m->end = vmap_end(vm);
		m->flags = vm->vmflags;
		m->shared = vm->type == VMAP_TYPE_SHARED;
		m->offset = vm->file ? vm->offset : 0;
		m->file = vm->file ? file_get(vm->file) : NULL;
		str_copy(m->name, vm->name, sizeof(m->name));
		if (!m->name[0] && content_name(vm->content))
			str_copy(m->name, content_name(vm->content), sizeof(m->name));
		note_segment(m, vm);
		m->usage = (struct mm_usage){.size = 0};
		if (count)
			mm_vmap_usage_locked(vm, &m->usage);
	}
	rw_read_unlock(&ctx->mm_lock);
	return vm;
}

static void put_map(struct proc_text *t, const struct map_line *m, char *room)
{
	size_t from = t->len;
	uint32_t dev = m->file ? m->file->inode->sb->devno : 0;

	proc_printf(t, "%08lx-%08lx %c%c%c%c %08llx %02x:%02x %llu ", m->start, m->end,
		m->flags & VM_READ ? 'r' : '-', m->flags & VM_WRITE ? 'w' : '-',
		m->flags & VM_EXEC ? 'x' : '-', m->shared ? 's' : 'p',
		(unsigned long long)m->offset, DEV_MAJOR(dev), DEV_MINOR(dev),
		(unsigned long long)(m->file ? m->file->inode->ino : (uint64_t)m->shmid));
	if (m->file) {
		char *name = file_describe(task_current()->fs, m->file, room, PATH_MAX_LEN);

		proc_pad(t, from, MAPS_NAME_COLUMN);
		proc_printf(t, " %s", IS_ERR(name) ? "?" : name);
	} else if (m->name[0]) {
		proc_pad(t, from, MAPS_NAME_COLUMN);
		proc_printf(t, " %s", m->name);
	}
	proc_puts(t, "\n");
}

static void put_kb(struct proc_text *t, const char *name, uint64_t pages)
{
	proc_printf(t, "%-16s%8llu kB\n", name, (unsigned long long)(pages * (PAGE_SIZE / 1024)));
}

static void put_usage(struct proc_text *t, const struct mm_usage *u)
{
	put_kb(t, "Rss:", u->rss);
	proc_printf(t, "%-16s%8llu kB\n", "Pss:", (unsigned long long)(u->pss / 1024));
	put_kb(t, "Shared_Clean:", u->shared_clean);
	put_kb(t, "Shared_Dirty:", u->shared_dirty);
	put_kb(t, "Private_Clean:", u->private_clean);
	put_kb(t, "Private_Dirty:", u->private_dirty);
	/* Accessed bits are preset and mean nothing: all that is there counts as used. */
	put_kb(t, "Referenced:", u->rss);
	put_kb(t, "Anonymous:", u->anonymous);
	put_kb(t, "LazyFree:", 0);
	put_kb(t, "AnonHugePages:", 0);
	put_kb(t, "ShmemPmdMapped:", 0);
	put_kb(t, "FilePmdMapped:", 0);
	put_kb(t, "Shared_Hugetlb:", 0);
	put_kb(t, "Private_Hugetlb:", 0);
	put_kb(t, "Swap:", 0);
	put_kb(t, "SwapPss:", 0);
	put_kb(t, "Locked:", u->locked);
}

static void put_vm_flags(struct proc_text *t, const struct map_line *m)
{
	static const struct {
		vm_flags_t flag;
		const char *word;
	} words[] = {
		{VM_READ, "rd"},
		{VM_WRITE, "wr"},
		{VM_EXEC, "ex"},
		{0, "sh"},
		{VM_MAYREAD, "mr"},
		{VM_MAYWRITE, "mw"},
		{VM_MAYEXEC, "me"},
		{VM_GROWSDOWN, "gd"},
		{VM_LOCKED, "lo"},
		{VM_DONTFORK, "dc"},
		{VM_NORESERVE, "nr"},
		{VM_WIPEONFORK, "wf"},
		{VM_DONTDUMP, "dd"},
		{VM_SEALED, "sl"},
	};

	proc_puts(t, "VmFlags:");
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		if (words[i].flag ? m->flags & words[i].flag : m->shared)
			proc_printf(t, " %s", words[i].word);
	}
	proc_puts(t, " \n");
}

static void put_smap(struct proc_text *t, const struct map_line *m)
{
	put_kb(t, "Size:", m->usage.size);
	put_kb(t, "KernelPageSize:", 1);
	put_kb(t, "MMUPageSize:", 1);
	put_usage(t, &m->usage);
	proc_puts(t, "THPeligible:           0\n");
	put_vm_flags(t, m);
}

/* The address space with a reference, or NULL (a kernel thread, or on its way out). 0 or -ESRCH. */
static int context_of(const struct proc_ref *ref, struct mm_context **out)
{
	struct process *p = proc_ref_process(ref);

	if (!p)
		return -ESRCH;
	*out = process_get_context(p);
	process_put(p);
	return 0;
}

static int show_all(struct proc_text *t, const struct proc_ref *ref, bool smaps)
{
	struct mm_context *ctx;
	struct map_line m;
	char *room;
	int err = context_of(ref, &ctx);

	if (err || !ctx)
		return err;
	room = kmalloc(PATH_MAX_LEN, 0);
	for (vaddr_t va = 0; room && map_next(ctx, va, smaps, &m); va = m.end) {
		put_map(t, &m, room);
		if (smaps)
			put_smap(t, &m);
		if (m.file)
			file_put(m.file);
	}
	kfree(room);
	mm_put_context(ctx);
	return room ? 0 : -ENOMEM;
}

int proc_show_smaps_rollup(struct proc_text *t, const struct proc_ref *ref)
{
	struct mm_usage sum = {.size = 0};
	vaddr_t start = 0, end = 0;
	struct mm_context *ctx;
	struct vmap *vm;
	size_t from = t->len;
	int err = context_of(ref, &ctx);

	if (err || !ctx)
		return err ? err : -ESRCH;
	rw_read_lock(&ctx->mm_lock);
	for (vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
		start = end ? start : vm->vaddr;
		end = vmap_end(vm);
		mm_vmap_usage_locked(vm, &sum);
	}
	rw_read_unlock(&ctx->mm_lock);
	mm_put_context(ctx);
	proc_printf(t, "%08lx-%08lx ---p 00000000 00:00 0 ", start, end);
	proc_pad(t, from, MAPS_NAME_COLUMN);
	proc_puts(t, " [rollup]\n");
	put_usage(t, &sum);
	return 0;
}

int proc_show_maps(struct proc_text *t, const struct proc_ref *ref)
{
	return show_all(t, ref, false);
}

int proc_show_smaps(struct proc_text *t, const struct proc_ref *ref)
{
	return show_all(t, ref, true);
}
