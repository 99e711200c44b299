/*
 * /proc/sys/vm: settings of the memory system (mm/tune.h) and things it can be told to do. A plain
 * setting is a word with bounds; its file finds it by name.
 */
#include "fs/path.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/kva.h"
#include "mm/slab.h"
#include "mm/tune.h"
#include "mm/verify.h"
#include "proc/procfs_priv.h"
#include "sched/thread.h"

#define KB_PER_PAGE (PAGE_SIZE / 1024)

static const struct setting {
	const char *name;
	unsigned *value, min, max;
} settings[] = {
	{"dirty_background_ratio", &mm_tune.dirty_background_ratio, 0, 100},
	{"dirty_ratio", &mm_tune.dirty_ratio, 1, 100},
	{"dirty_writeback_centisecs", &mm_tune.dirty_writeback_centisecs, 0, INT_MAX},
	{"max_map_count", &mm_tune.max_map_count, 0, INT_MAX},
	{"overcommit_memory", &mm_tune.overcommit_memory, OVERCOMMIT_GUESS, OVERCOMMIT_NEVER},
	{"overcommit_ratio", &mm_tune.overcommit_ratio, 0, INT_MAX},
};

static const struct setting *setting_of(const struct proc_ref *ref)
{
	const struct setting *s = settings;

	while (strcmp(s->name, ref->entry->name) != 0)
		s++;
	return s;
}

static int show_setting(struct proc_text *t, const struct proc_ref *ref)
{
	proc_printf(t, "%u\n", READ_ONCE(*setting_of(ref)->value));
	return 0;
}

static int store_setting(const struct proc_ref *ref, char *text, size_t len)
{
	const struct setting *s = setting_of(ref);
	uint64_t v;
	int err = proc_parse_number(text, &v);

	(void)len;
	if (err || v < s->min || v > s->max)
		return -EINVAL;
	WRITE_ONCE(*s->value, (unsigned)v);
	return 0;
}

static uint32_t last_drop;

static int show_drop_caches(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%u\n", last_drop);
	return 0;
}

/* 1: clean pages, 2: names, inodes, what threads that have ended leave behind and what allocators
 * keep for later, 3: both. */
static int store_drop_caches(const struct proc_ref *ref, char *text, size_t len)
{
	uint64_t v;
	int err = proc_parse_number(text, &v);

	(void)ref;
	(void)len;
	if (err || v < 1 || v > 4)
		return -EINVAL;
	if (v & 2)
		dcache_shrink();
	if (v & 1)
		cache_drop_all_clean();
	if (v & 2) {
		err = thread_wait_ended();
		if (err)
			return err;
		kva_drain();
		slab_reap();
		buddy_drain();
	}
	last_drop = (uint32_t)v;
	return 0;
}

static int show_min_free(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%llu\n", (unsigned long long)(buddy_reserve_frames() * KB_PER_PAGE));
	return 0;
}

static int store_min_free(const struct proc_ref *ref, char *text, size_t len)
{
	uint64_t v;
	int err = proc_parse_number(text, &v);

	(void)ref;
	(void)len;
	return err ? err : buddy_set_reserve(v / KB_PER_PAGE);
}

/* Check the address spaces of all processes; a broken invariant is a panic that names it. */
static int store_verify(const struct proc_ref *ref, char *text, size_t len)
{
	struct mm_context *ctx;
	struct process *p;
	int nr = 0;

	(void)ref;
	(void)text;
	(void)len;
	while ((nr = proc_pid_next(NULL, nr)) > 0) {
		p = process_find(nr);
		ctx = p ? process_get_context(p) : NULL;
		if (ctx) {
			rw_write_lock(&ctx->mm_lock);
			mm_verify_vmaps(ctx, USER_MIN, USER_MAX);
			rw_write_unlock(&ctx->mm_lock);
			mm_put_context(ctx);
		}
		if (p)
			process_put(p);
	}
	return 0;
}

#define SETTING(setting_name) PROC_CONTROL(setting_name, show_setting, store_setting)

static const struct proc_entry vm_entries[] = {
	SETTING("dirty_background_ratio"),
	SETTING("dirty_ratio"),
	SETTING("dirty_writeback_centisecs"),
	PROC_CONTROL("drop_caches", show_drop_caches, store_drop_caches),
	SETTING("max_map_count"),
	PROC_CONTROL("min_free_kbytes", show_min_free, store_min_free),
	SETTING("overcommit_memory"),
	SETTING("overcommit_ratio"),
	{.name = "verify", .mode = S_IFREG | 0200, .store = store_verify},
};
const struct proc_dir proc_sysvm_dir = {.entries = vm_entries, .nentries = ARRAY_SIZE(vm_entries)};
