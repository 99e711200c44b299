/* Names and memory totals of the system. */
#include "proc/system.h"

#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/slab.h"
#include "sync/spinlock.h"

static struct spinlock names_lock = SPINLOCK_INIT(RANK_FILES, "uts names");
static char hostname[UTS_LEN + 1] = "quire";
static char domainname[UTS_LEN + 1] = "(none)";

const char *system_version(void)
{
	return "#1 SMP Quire";
}

void system_uname(struct abi_utsname *u)
{
	memset(u, 0, sizeof(*u));
	str_copy(u->sysname, SYSTEM_NAME, sizeof(u->sysname));
	str_copy(u->release, SYSTEM_RELEASE, sizeof(u->release));
	str_copy(u->version, system_version(), sizeof(u->version));
	str_copy(u->machine, SYSTEM_MACHINE, sizeof(u->machine));
	spin_lock(&names_lock);
	memcpy(u->nodename, hostname, sizeof(hostname));
	memcpy(u->domainname, domainname, sizeof(domainname));
	spin_unlock(&names_lock);
}

void system_get_hostname(char buf[UTS_LEN + 1])
{
	spin_lock(&names_lock);
	memcpy(buf, hostname, sizeof(hostname));
	spin_unlock(&names_lock);
}

static void name_set(char *to, const char *name, size_t len)
{
	spin_lock(&names_lock);
	memset(to, 0, UTS_LEN + 1);
	memcpy(to, name, MIN(len, (size_t)UTS_LEN));
	spin_unlock(&names_lock);
}

void system_set_hostname(const char *name, size_t len)
{
	name_set(hostname, name, len);
}

void system_set_domainname(const char *name, size_t len)
{
	name_set(domainname, name, len);
}

void system_memory(struct system_memory *m)
{
	struct slab_stat st;
	struct cache_stat cs;

	memset(m, 0, sizeof(*m));
	cache_stat(&cs);
	m->total = buddy_total_frames();
	m->free = buddy_free_frames();
	m->cached = cs.file_pages + cs.shmem_pages;
	m->buffers = cs.device_pages;
	m->shmem = cs.shmem_pages;
	m->dirty = cs.dirty;
	m->writeback = cs.writeback;
	for (unsigned n = 0; slab_stat_nth(n, &st); n++)
		m->slab += st.pages;
	/* Clean file pages can be had back. */
	m->available = m->free + cs.file_pages + cs.device_pages - MIN(cs.dirty, cs.file_pages);
}
