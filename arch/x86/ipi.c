/*
 * Interrupts between CPUs: reschedule, call, and the NMI that stops everything for a panic.
 *
 * cpu_call: every CPU has one slot for the call that it makes, and one mask of the CPUs that want
 * something of it. The caller fills its slot, sets its bit in the masks of the targets and sends
 * the interrupt; a target takes its whole mask at once and does what the slots say. The caller
 * waits with interrupts on, so two CPUs that call each other both get their answer.
 */
#include "ipi.h"
#include "apic.h"
#include "trap.h"
#include "lib/assert.h"
#include "panic.h"
#include "sched/sched.h"

/* How long a CPU may take to answer an NMI, in rounds of a pause. */
#define STOP_ROUNDS 10000000u

struct call_slot {
	void (*fn)(void *arg);
	void *arg;
	cpuset_t todo;	  /* atomic: targets that have not done it yet */
	cpuset_t callers; /* atomic: CPUs whose slots want this CPU */
} __aligned(64);

static struct call_slot slots[CPU_MAX];

void ipi_send_set(cpuset_t set, unsigned vector)
{
	irqflags_t flags = irq_save();

	set &= ~((cpuset_t)1 << cpu_id());
	for (; set; set &= set - 1)
		apic_send(cpus[__builtin_ctzll(set)]->apic_id, vector);
	irq_restore(flags);
}

void cpu_send_reschedule(unsigned cpu)
{
	ipi_send_set((cpuset_t)1 << cpu, VECTOR_RESCHEDULE);
}

static void reschedule_vector(unsigned vector, struct user_regs *regs)
{
	(void)vector;
	(void)regs;
	apic_eoi();
	sched_reschedule_interrupt();
}

static void call_vector(unsigned vector, struct user_regs *regs)
{
	unsigned me = cpu_id();
	cpuset_t callers;

	(void)vector;
	(void)regs;
	apic_eoi();
	callers = __atomic_exchange_n(&slots[me].callers, 0, __ATOMIC_ACQUIRE);
	for (; callers; callers &= callers - 1) {
		struct call_slot *slot = &slots[__builtin_ctzll(callers)];

		slot->fn(slot->arg);
		__atomic_fetch_and(&slot->todo, ~((cpuset_t)1 << me), __ATOMIC_RELEASE);
	}
}

static void call_here(void (*fn)(void *arg), void *arg)
{
	irqflags_t flags = irq_save();

	fn(arg);
	irq_restore(flags);
}

void cpu_call(cpuset_t set, void (*fn)(void *arg), void *arg)
{
	unsigned me = cpu_id();
	cpuset_t self = (cpuset_t)1 << me, others = set & cpu_online_set() & ~self, c;
	struct call_slot *slot = &slots[me];

	rank_assert_none_from(RANK_SPINNING);
	assert(!others || irq_enabled());
	if (others) {
		slot->fn = fn;
		slot->arg = arg;
		STORE_RELEASE(slot->todo, others);
		for (c = others; c; c &= c - 1)
			__atomic_fetch_or(
				&slots[__builtin_ctzll(c)].callers, self, __ATOMIC_RELEASE);
		ipi_send_set(others, VECTOR_CALL);
	}
	if (set & self)
		call_here(fn, arg);
	while (LOAD_ACQUIRE(slot->todo))
		cpu_relax();
}

void cpu_stop_others(void)
{
	cpuset_t others = cpu_online_set() & ~((cpuset_t)1 << cpu_id());

	if (!apic_ready())
		return;
	cpuset_for_each (i, others)
		apic_send_nmi(cpus[i]->apic_id);
	for (unsigned n = 0; others && n < STOP_ROUNDS; n++) {
		cpuset_for_each (i, others)
			if (panic_is_parked(i))
				others &= ~((cpuset_t)1 << i);
		cpu_relax();
	}
}

void ipi_init(void)
{
	trap_set_vector(VECTOR_RESCHEDULE, reschedule_vector);
	trap_set_vector(VECTOR_CALL, call_vector);
}
