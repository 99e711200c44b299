/*
 * Several CPUs in the same address spaces, under ASan and TSan: users that load and store through
 * the soft MMU and take their faults, beside whoever edits. Roles are given by CPU, from 1 up.
 */
#ifndef MT_ENV_H
#define MT_ENV_H

#include "mm_env.h"

#include <sched.h>

#include "pager.h"

/* One access with the faults that it takes: 0 or the fault's error. */
static int mt_access(struct mm_context *c, vaddr_t va, void *buf, size_t n, vm_flags_t access)
{
	while (softmmu_access(va, buf, n, access) != MMU_OK) {
		int err = mm_handle_fault(c, va, access);

		if (err)
			return err;
	}
	return 0;
}

static __maybe_unused int mt_store(struct mm_context *c, vaddr_t va, uint8_t b)
{
	return mt_access(c, va, &b, 1, VM_WRITE);
}

/* The byte or the fault's error. */
static __maybe_unused int mt_load(struct mm_context *c, vaddr_t va)
{
	uint8_t b = 0;

	return mt_access(c, va, &b, 1, VM_READ) ?: b;
}

/* All of n CPUs are here. Reusable. */
struct mt_barrier {
	uint32_t arrived, round;
};

static __maybe_unused void mt_meet(struct mt_barrier *b, uint32_t n)
{
	uint32_t round = __atomic_load_n(&b->round, __ATOMIC_SEQ_CST);

	if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_SEQ_CST) == n) {
		__atomic_store_n(&b->arrived, 0, __ATOMIC_SEQ_CST);
		__atomic_store_n(&b->round, round + 1, __ATOMIC_SEQ_CST);
		return;
	}
	while (__atomic_load_n(&b->round, __ATOMIC_SEQ_CST) == round)
		sched_yield();
}

/* Flags by which CPUs tell each other how far they are. */
static __maybe_unused bool mt_is_set(const uint32_t *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static __maybe_unused void mt_set(uint32_t *flag)
{
	__atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
}

static __maybe_unused void mt_until(const uint32_t *flag)
{
	while (!mt_is_set(flag))
		sched_yield();
}

static __maybe_unused void mt_until_sleeps(unsigned cpu)
{
	while (!host_sleeps(cpu))
		sched_yield();
}

static uint32_t mt_over;

static inline bool mt_running(void)
{
	return !mt_is_set(&mt_over);
}

static __maybe_unused void mt_end(void)
{
	mt_set(&mt_over);
}

/*
 * Until the end store v to a byte of ours in random pages: each store succeeds or ends with
 * `refused`.
 */
static __maybe_unused void mt_store_about(vaddr_t area, unsigned pages, uint8_t v, int refused)
{
	struct host_rng r = {cpu_id() + 13};

	env_load(ctx);
	while (mt_running()) {
		int err = mt_store(ctx, area + PG(host_rand(&r) % pages) + cpu_id(), v);

		mt_must(err == 0 || err == refused);
	}
	env_load(NULL);
}

/* Run fn on CPUs 1 .. n, with ctx loaded unless fn loads another. */
static __maybe_unused void mt_run(unsigned n, void (*fn)(void *arg), void *arg)
{
	env_load(NULL);
	mt_over = 0;
	host_run_cpus(1, n, fn, arg);
	env_load(ctx);
}

static __maybe_unused vaddr_t mt_map_object(
	struct vm_object *vo, vaddr_t at, uint64_t pages, vm_flags_t rights, bool shared)
{
	struct mm_map_request rq = {
		.kind = vo->kind == VMO_FILE ? MM_AREA_FILE : MM_AREA_NORMAL,
		.vaddr = at,
		.len = PG(pages),
		.vmflags = rights,
		.map_flags = (shared ? MM_MAP_SHARED : 0) | (at ? MM_MAP_FIXED : 0),
		.content = VMAP_MMAP,
		.object = vo,
	};
	vaddr_t va = 0;

	mt_must(mm_map(ctx, &rq, &va) == 0);
	return va;
}

#endif
