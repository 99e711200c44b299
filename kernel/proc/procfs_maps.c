/*
 * /proc/PID/maps and smaps. The context's lock is held for one vmap at a time: what is copied from
 * it is put into words after, since names take locks of the file system.
 */
#include "lib/string.h"
#include "mm/context.h"
#include "mm/slab.h"
#include "mm/vmap.h"
#include "proc/procfs_priv.h"

#define MAPS_NAME_COLUMN 72 /* Linux pads to 25 + 6 * sizeof(long) - 1 */

struct map_line {
	vaddr_t start, end;
	vm_flags_t flags;
	bool shared;
	uint64_t offset;
	struct file *file; /* a reference, or NULL */
	char name[24];
	uint64_t present, writable; /* pages; smaps only */
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

static void count_present(struct mm_context *ctx, struct map_line *m)
{
	m->present = m->writable = 0;
	for (vaddr_t va = m->start; va < m->end; va += PAGE_SIZE) {
		struct pmap_entry e = pmap_query(&ctx->pmap, va);

		m->present += e.present;
		m->writable += e.present && (e.rights & VM_WRITE);
	}
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
		if (count)
			count_present(ctx, m);
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
		(unsigned long long)(m->file ? m->file->inode->ino : 0));
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

/* What the page table shows now; it is a cache, so that a page may be ours and not be counted. */
static void put_smap(struct proc_text *t, const struct map_line *m)
{
	uint64_t clean = m->present - m->writable;

	put_kb(t, "Size:", (m->end - m->start) >> PAGE_SHIFT);
	put_kb(t, "KernelPageSize:", 1);
	put_kb(t, "MMUPageSize:", 1);
	put_kb(t, "Rss:", m->present);
	put_kb(t, m->shared ? "Shared_Clean:" : "Private_Clean:", clean);
	put_kb(t, m->shared ? "Shared_Dirty:" : "Private_Dirty:", m->writable);
	put_kb(t, "Locked:", m->flags & VM_LOCKED ? m->present : 0);
	proc_printf(t, "VmFlags:%s%s%s%s%s%s%s\n", m->flags & VM_READ ? " rd" : "",
		m->flags & VM_WRITE ? " wr" : "", m->flags & VM_EXEC ? " ex" : "",
		m->shared ? " sh" : "", m->flags & VM_GROWSDOWN ? " gd" : "",
		m->flags & VM_LOCKED ? " lo" : "", m->flags & VM_DONTFORK ? " dc" : "");
}

static int show_all(struct proc_text *t, const struct proc_ref *ref, bool smaps)
{
	struct process *p = proc_ref_process(ref);
	struct mm_context *ctx;
	struct map_line m;
	char *room;

	if (!p)
		return -ESRCH;
	ctx = process_get_context(p);
	process_put(p);
	if (!ctx)
		return 0;
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

int proc_show_maps(struct proc_text *t, const struct proc_ref *ref)
{
	return show_all(t, ref, false);
}

int proc_show_smaps(struct proc_text *t, const struct proc_ref *ref)
{
	return show_all(t, ref, true);
}
