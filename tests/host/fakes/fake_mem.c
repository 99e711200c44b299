/*
 * Fake physical memory: an arena of anonymous memory, physical address 0 at its start. The kernel's
 * page table is a root with an empty table in each of its upper 256 entries, as physmap_init makes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "boot_info.h"
#include "host.h"
#include "mm/buddy.h"
#include "mm/physmap.h"
#include "mm/slab.h"

static char *arena;
static uint64_t arena_bytes;

void host_arena_start(uint64_t bytes)
{
	arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena == MAP_FAILED)
		abort();
	arena_bytes = bytes;
	host_enter_cpu(0);
}

void *phys_to_virt(paddr_t pa)
{
	if (pa >= arena_bytes) {
		fprintf(stderr, "phys_to_virt(%#llx): outside the arena\n", (unsigned long long)pa);
		abort();
	}
	return arena + pa;
}

paddr_t virt_to_phys(const void *va)
{
	uint64_t off = (uint64_t)((const char *)va - arena);

	if (off >= arena_bytes) {
		fprintf(stderr, "virt_to_phys(%p): not in the direct map\n", va);
		abort();
	}
	return off;
}

void frame_zero(void *frame)
{
	memset(frame, 0, PAGE_SIZE);
}

void frame_copy(void *dst, const void *src)
{
	memcpy(dst, src, PAGE_SIZE);
}

void host_machine_start(uint64_t bytes, unsigned ncpus)
{
	host_arena_start(bytes);
	boot_info.ranges[0] = (struct boot_range){0, bytes, BOOT_RAM_USABLE};
	boot_info.nranges = 1;
	page_init(&boot_info);
	slab_init();
	host_kernel_table_init();
	for (unsigned i = 0; i < ncpus; i++) {
		host_enter_cpu(i);
		buddy_init_cpu(this_cpu());
	}
	host_enter_cpu(0);
}
