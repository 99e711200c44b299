/* Calls and shoot-downs between CPUs. */
#include "team.h"
#include "ktest.h"
#include "mm/buddy.h"
#include "mm/kva.h"
#include "mm/page.h"
#include "mm/physmap.h"
#include "mm/pmap.h"

static void note_call(void *arg)
{
	__atomic_fetch_or((cpuset_t *)arg, (cpuset_t)1 << cpu_id(), __ATOMIC_RELAXED);
}

KTEST(call_runs_on_every_cpu_of_the_set_before_it_returns)
{
	cpuset_t seen;

	for (unsigned round = 0; round < 100; round++) {
		seen = 0;
		cpu_call(cpu_online_set(), note_call, &seen);
		KTEST_ASSERT(seen == cpu_online_set());
	}
	cpuset_for_each (i, cpu_online_set()) {
		seen = 0;
		cpu_call((cpuset_t)1 << i, note_call, &seen);
		KTEST_ASSERT(seen == (cpuset_t)1 << i);
	}
}

static void call_all(struct team *team, unsigned me)
{
	(void)me;
	for (unsigned i = 0; i < 300; i++) {
		cpuset_t seen = 0;

		cpu_call(cpu_online_set(), note_call, &seen);
		TEAM_CHECK(team, seen == cpu_online_set());
	}
}

KTEST(calls_from_all_cpus_at_once_all_return)
{
	struct team team = {.fn = call_all, .size = cpu_count(), .pin = true};

	KTEST_ASSERT(team_run(&team));
}

static void shoot_all(struct team *team, unsigned me)
{
	vaddr_t pages[2] = {(vaddr_t)team, (vaddr_t)team + PAGE_SIZE};

	for (unsigned i = 0; i < 300; i++) {
		tlb_shootdown(NULL, cpu_online_set(), pages, 2, (i + me) % 4 == 0);
		if (i % 16 == me)
			sched_yield_current();
	}
}

KTEST(shoot_downs_from_all_cpus_at_once_all_return)
{
	struct team team = {.fn = shoot_all, .size = 2 * cpu_count(), .pin = true};

	KTEST_ASSERT(team_run(&team));
}

struct peek {
	const volatile unsigned *va;
	unsigned expected, wrong; /* wrong: atomic */
};

static void peek(void *arg)
{
	struct peek *p = arg;

	if (*p->va != p->expected)
		__atomic_fetch_add(&p->wrong, 1, __ATOMIC_RELAXED);
}

/* Two frames take turns behind one address; after each exchange every CPU must see the new one. */
KTEST(after_a_shoot_down_no_cpu_sees_the_old_frame)
{
	const vm_flags_t rights = VM_READ | VM_WRITE | VM_GLOBAL;
	unsigned *va = kva_alloc(1);
	struct page *other = page_alloc(0, 0);
	struct peek p = {.va = va};
	paddr_t pa;
	pfn_t pfn[2];

	KTEST_ASSERT(va && other && pmap_kernel_query((vaddr_t)va, &pa));
	pfn[0] = pa >> PAGE_SHIFT;
	pfn[1] = page_pfn(other);
	for (unsigned i = 0; i < 2; i++)
		*(unsigned *)phys_to_virt(pfn[i] << PAGE_SHIFT) = 100 + i;
	for (unsigned round = 1; round <= 101; round++) {
		unsigned now = round % 2;

		pmap_kernel_unmap((vaddr_t)va, 1);
		KTEST_ASSERT(pmap_kernel_map((vaddr_t)va, pfn[now], 1, rights) == 0);
		p.expected = 100 + now;
		cpu_call(cpu_online_set(), peek, &p);
	}
	KTEST_ASSERT(p.wrong == 0);
	pmap_kernel_unmap((vaddr_t)va, 1);
	KTEST_ASSERT(pmap_kernel_map((vaddr_t)va, pfn[0], 1, rights) == 0);
	kva_free(va, 1);
	page_free(other, 0);
}
