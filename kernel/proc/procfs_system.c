/* The files of /proc about the system as a whole. */
#include "boot_info.h"
#include "cpu.h"
#include "dev/block.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/commit.h"
#include "mm/slab.h"
#include "mm/stats.h"
#include "proc/procfs_priv.h"
#include "proc/system.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sync/waits.h"

#define NSEC_PER_TICK (NSEC_PER_SEC / CLK_TCK)

static void put_kb(struct proc_text *t, const char *name, uint64_t pages)
{
	proc_printf(t, "%-16s%8llu kB\n", name, (unsigned long long)(pages * (PAGE_SIZE / 1024)));
}

static int show_meminfo(struct proc_text *t, const struct proc_ref *ref)
{
	struct system_memory m;

	(void)ref;
	system_memory(&m);
	put_kb(t, "MemTotal:", m.total);
	put_kb(t, "MemFree:", m.free);
	put_kb(t, "MemAvailable:", m.available);
	put_kb(t, "Buffers:", m.buffers);
	put_kb(t, "Cached:", m.cached);
	put_kb(t, "SwapCached:", 0);
	put_kb(t, "SwapTotal:", 0);
	put_kb(t, "SwapFree:", 0);
	put_kb(t, "Dirty:", m.dirty);
	put_kb(t, "Writeback:", m.writeback);
	put_kb(t, "Shmem:", m.shmem);
	put_kb(t, "Slab:", m.slab);
	put_kb(t, "CommitLimit:", commit_limit());
	put_kb(t, "Committed_AS:", commit_total());
	return 0;
}

static uint64_t idle_total(void)
{
	uint64_t ns = 0;

	for (unsigned i = 0; i < CPU_MAX; i++) {
		if (cpus[i] && cpus[i]->online)
			ns += READ_ONCE(cpus[i]->idle_ns);
	}
	return ns;
}

static void put_seconds(struct proc_text *t, uint64_t ns, const char *end)
{
	proc_printf(t, "%llu.%02llu%s", (unsigned long long)(ns / NSEC_PER_SEC),
		(unsigned long long)(ns % NSEC_PER_SEC / 10000000), end);
}

static int show_uptime(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	put_seconds(t, clock_monotonic_ns(), " ");
	put_seconds(t, idle_total(), "\n");
	return 0;
}

static int show_loadavg(struct proc_text *t, const struct proc_ref *ref)
{
	uint64_t avg[3];

	(void)ref;
	sched_loadavg(avg);
	for (int i = 0; i < 3; i++)
		proc_printf(t, "%llu.%02llu ", (unsigned long long)(avg[i] >> 16),
			(unsigned long long)((avg[i] & 0xffff) * 100 >> 16));
	proc_printf(t, "%u/%u %d\n", sched_nr_running(), process_thread_count(), pid_last());
	return 0;
}

/* Busy time is not divided between user and system for each CPU: all of it stands under user. */
static void put_cpu(struct proc_text *t, const char *name, uint64_t busy_ns, uint64_t idle_ns)
{
	proc_printf(t, "%s %llu 0 0 %llu 0 0 0 0 0 0\n", name,
		(unsigned long long)(busy_ns / NSEC_PER_TICK),
		(unsigned long long)(idle_ns / NSEC_PER_TICK));
}

static void count_blocked(struct thread *t, void *cookie)
{
	unsigned *n = cookie;

	if (t->process && READ_ONCE(t->state) == THREAD_BLOCKED &&
		t->wait_mode != WAIT_INTERRUPTIBLE)
		++*n;
}

static int show_stat(struct proc_text *t, const struct proc_ref *ref)
{
	uint64_t now = clock_monotonic_ns(), idle = idle_total(), total = now * cpu_count();
	unsigned blocked = 0;

	(void)ref;
	put_cpu(t, "cpu ", total > idle ? total - idle : 0, idle);
	for (unsigned i = 0; i < CPU_MAX; i++) {
		if (!cpus[i] || !cpus[i]->online)
			continue;
		idle = MIN(READ_ONCE(cpus[i]->idle_ns), now);
		proc_printf(t, "cpu%u", i);
		put_cpu(t, "", now - idle, idle);
	}
	thread_for_each(count_blocked, &blocked, false);
	proc_printf(t, "ctxt %llu\nbtime %llu\n", (unsigned long long)sched_context_switches(),
		(unsigned long long)((clock_realtime_ns() - now) / NSEC_PER_SEC));
	proc_printf(t, "processes %llu\nprocs_running %u\nprocs_blocked %u\n",
		(unsigned long long)process_forks(), sched_nr_running(), blocked);
	return 0;
}

static int show_version(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%s version %s (quire) (gcc %s) %s\n", SYSTEM_NAME, SYSTEM_RELEASE,
		__VERSION__, system_version());
	return 0;
}

static int show_cpuinfo(struct proc_text *t, const struct proc_ref *ref)
{
	char *buf = kmalloc(PAGE_SIZE, 0);

	(void)ref;
	for (unsigned i = 0; buf && i < CPU_MAX; i++) {
		if (cpus[i] && cpus[i]->online)
			proc_putn(t, buf, cpu_describe(i, buf, PAGE_SIZE));
	}
	kfree(buf);
	return buf ? 0 : -ENOMEM;
}

static int show_filesystems(struct proc_text *t, const struct proc_ref *ref)
{
	struct fs_type *type;

	(void)ref;
	for (unsigned n = 0; (type = fs_nth(n)); n++)
		proc_printf(t, "%s\t%s\n", type->needs_device ? "" : "nodev", type->name);
	return 0;
}

static int show_cmdline(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_printf(t, "%s\n", boot_info.cmdline);
	return 0;
}

static int show_vmstat(struct proc_text *t, const struct proc_ref *ref)
{
	struct system_memory m;

	(void)ref;
	system_memory(&m);
	proc_printf(t, "nr_free_pages %llu\nnr_file_pages %llu\nnr_dirty %llu\nnr_writeback %llu\n",
		(unsigned long long)m.free, (unsigned long long)(m.cached + m.buffers),
		(unsigned long long)m.dirty, (unsigned long long)m.writeback);
	proc_printf(t, "nr_shmem %llu\nnr_slab %llu\n", (unsigned long long)m.shmem,
		(unsigned long long)m.slab);
	for (enum mm_stat s = 0; s < STAT_COUNT; s++)
		proc_printf(t, "%s %llu\n", mm_stat_name(s), (unsigned long long)mm_stat_get(s));
	proc_printf(t, "lock_wait %llu\n", (unsigned long long)sync_waits_total());
	for (enum wait_class c = 0; c < WAITS_COUNT; c++)
		proc_printf(t, "lock_wait_%s %llu\n", sync_waits_name(c),
			(unsigned long long)sync_waits(c));
	return 0;
}

static int show_buddyinfo(struct proc_text *t, const struct proc_ref *ref)
{
	(void)ref;
	proc_puts(t, "Node 0, zone   Normal ");
	for (unsigned order = 0; order <= BUDDY_MAX_ORDER; order++)
		proc_printf(t, "%6llu ", (unsigned long long)buddy_free_blocks(order));
	proc_puts(t, "\n");
	return 0;
}

static int show_slabinfo(struct proc_text *t, const struct proc_ref *ref)
{
	struct slab_stat st;

	(void)ref;
	proc_puts(t,
		"slabinfo - version: 2.1\n"
		"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>"
		" : tunables <limit> <batchcount> <sharedfactor>"
		" : slabdata <active_slabs> <num_slabs> <sharedavail>\n");
	for (unsigned n = 0; slab_stat_nth(n, &st); n++) {
		proc_printf(t,
			"%-17s %6llu %6llu %6zu %4u %4u : tunables 0 0 0 : slabdata %6llu %6llu "
			"0\n",
			st.name, (unsigned long long)st.in_use, (unsigned long long)st.objects,
			st.object_size, st.objects_per_slab, st.pages_per_slab,
			(unsigned long long)st.slabs, (unsigned long long)st.slabs);
	}
	return 0;
}

static int show_partitions(struct proc_text *t, const struct proc_ref *ref)
{
	struct block_device *bd;

	(void)ref;
	proc_puts(t, "major minor  #blocks  name\n\n");
	for (unsigned n = 0; (bd = block_nth(n)); n++)
		proc_printf(t, "%4u  %7u %10llu %s\n", DEV_MAJOR(bd->devno), DEV_MINOR(bd->devno),
			(unsigned long long)(bd->nsectors / 2), bd->name);
	return 0;
}

const struct proc_entry proc_system_entries[] = {
	PROC_FILE("buddyinfo", show_buddyinfo),
	PROC_FILE("cmdline", show_cmdline),
	PROC_FILE("cpuinfo", show_cpuinfo),
	PROC_FILE("filesystems", show_filesystems),
	PROC_FILE("loadavg", show_loadavg),
	PROC_FILE("meminfo", show_meminfo),
	PROC_FILE("partitions", show_partitions),
	PROC_CONTROL("profile", profile_show, profile_store),
	PROC_FILE("slabinfo", show_slabinfo),
	PROC_FILE("stat", show_stat),
	PROC_FILE("uptime", show_uptime),
	PROC_FILE("version", show_version),
	PROC_FILE("vmstat", show_vmstat),
};
const unsigned proc_system_count = ARRAY_SIZE(proc_system_entries);
