/*
 * The CPUs, and how all but the first are started: INIT, then two start-up interrupts that name the
 * page of the trampoline (SDM vol. 3A, 8.4.4.1). One CPU is started at a time; what it needs is
 * written into the trampoline's block. It comes up in smp_ap_main on its own stack with its own
 * struct cpu, compares its TSC with the starter's, and goes to the idle loop, where it takes work.
 *
 * Ids are dense: a CPU that does not answer gets none.
 */
#include "smp.h"
#include "apic.h"
#include "boot_info.h"
#include "clocksource.h"
#include "cpu_setup.h"
#include "dev/acpi.h"
#include "ipi.h"
#include "irq.h"
#include "klog.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/kva.h"
#include "mm/physmap.h"
#include "mm/slab.h"
#include "panic.h"
#include "pte.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "timer.h"
#include "insn.h"

/* Only a CPU that is not there takes so long, however much else the host has to do. */
#define START_TIMEOUT_US 30000000u
#define TSC_ROUNDS	 500u

static unsigned ncpus = 1;	/* atomic */
static cpuset_t online_set = 1; /* atomic */

extern char trampoline_start[], trampoline_end[], trampoline_block[], trampoline_high[];

struct trampoline_block {
	uint32_t cr0, cr4, efer, start_cr3;
	uint64_t cr3, stack, entry, arg, high;
};

unsigned cpu_count(void)
{
	return READ_ONCE(ncpus);
}

cpuset_t cpu_online_set(void)
{
	return READ_ONCE(online_set);
}

/* The starter goes on when it sees `online`: everything else is there by then. */
static void set_online(struct cpu *c)
{
	__atomic_fetch_or(&online_set, (cpuset_t)1 << c->id, __ATOMIC_RELEASE);
	STORE_RELEASE(ncpus, c->id + 1);
	STORE_RELEASE(c->online, true);
}

void machine_init(void)
{
	acpi_init(boot_info.rsdp);
	apic_init();
	this_cpu()->apic_id = apic_id();
	ioapic_init();
	ipi_init();
	tlb_init();
	arch_timer_init();
	clocksource_init();
}

/*
 * Two CPUs take turns in reading their TSCs under one lock: if one ever sees less than the other
 * saw before it, the counters differ by more than the lock takes to change hands.
 */
static struct {
	uint32_t locked;
	unsigned ready; /* CPUs that have come to the test */
	uint64_t last;
	bool warped;
} tsc_test;

static void tsc_compare(unsigned participants)
{
	__atomic_fetch_add(&tsc_test.ready, 1, __ATOMIC_ACQ_REL);
	while (LOAD_ACQUIRE(tsc_test.ready) < participants)
		cpu_relax();
	for (unsigned i = 0; i < TSC_ROUNDS; i++) {
		uint64_t now;

		while (__atomic_exchange_n(&tsc_test.locked, 1, __ATOMIC_ACQUIRE))
			cpu_relax();
		now = clocksource_tsc();
		if (now < tsc_test.last)
			tsc_test.warped = true;
		else
			tsc_test.last = now;
		STORE_RELEASE(tsc_test.locked, 0);
	}
	__atomic_fetch_add(&tsc_test.ready, 1, __ATOMIC_ACQ_REL);
	while (LOAD_ACQUIRE(tsc_test.ready) < 2 * participants)
		cpu_relax();
}

/* The first C of a further CPU: interrupts off, boot-time GDT, no struct cpu loaded. */
static void smp_ap_main(struct cpu *c)
{
	cpu_setup_this(c);
	apic_init_cpu();
	sched_init_cpu(c);
	tsc_compare(2);
	set_online(c);
	sched_idle_loop();
}

/* Tables below 4 GiB: the first 2 MiB where they are, and the kernel half of the real one. */
static void make_start_tables(void)
{
	uint64_t *pml4 = phys_to_virt(SMP_LOW_BASE + 0x1000);
	uint64_t *pdpt = phys_to_virt(SMP_LOW_BASE + 0x2000);
	uint64_t *pd = phys_to_virt(SMP_LOW_BASE + 0x3000);

	memset(pml4, 0, 3 * PAGE_SIZE);
	memcpy(pml4 + 256, (uint64_t *)phys_to_virt(pmap_kernel_root) + 256, PAGE_SIZE / 2);
	pml4[0] = (SMP_LOW_BASE + 0x2000) | PTE_P | PTE_W;
	pdpt[0] = (SMP_LOW_BASE + 0x3000) | PTE_P | PTE_W;
	pd[0] = PTE_P | PTE_W | PTE_PS;
}

static struct trampoline_block *make_trampoline(void)
{
	char *low = phys_to_virt(SMP_LOW_BASE);
	struct trampoline_block *b;

	memcpy(low, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	b = (struct trampoline_block *)(low + (trampoline_block - trampoline_start));
	b->cr0 = (uint32_t)cr0_read();
	b->cr4 = (uint32_t)cr4_read();
	b->efer = (uint32_t)msr_read(MSR_EFER) & ~(1u << 10); /* LMA is the CPU's to set */
	b->start_cr3 = SMP_LOW_BASE + 0x1000;
	b->cr3 = pmap_kernel_root;
	b->entry = (uint64_t)smp_ap_main;
	b->high = (uint64_t)trampoline_high;
	return b;
}

static void send_start(unsigned id)
{
	irqflags_t flags = irq_save();

	apic_send_init(id);
	clock_delay_us(1000);
	apic_send_startup(id, SMP_LOW_BASE >> PAGE_SHIFT);
	clock_delay_us(100);
	irq_restore(flags);
}

static bool wait_online(struct cpu *c, unsigned us)
{
	uint64_t end = clock_monotonic_ns() + us * NSEC_PER_USEC;

	while (!READ_ONCE(c->online) && !LOAD_ACQUIRE(tsc_test.ready)) {
		if (clock_monotonic_ns() > end)
			return false;
		cpu_relax();
	}
	return true;
}

static struct cpu *cpu_create(unsigned id, unsigned apic)
{
	struct cpu *c = kzalloc(sizeof(*c), 0);

	if (!c)
		return NULL;
	c->id = id;
	c->apic_id = apic;
	if (cpu_setup_alloc(c)) {
		kfree(c);
		return NULL;
	}
	buddy_init_cpu(c);
	return c;
}

/* 0, or -ENOMEM; -EIO: it does not answer. */
static int start_cpu(struct trampoline_block *b, unsigned id, unsigned apic)
{
	struct cpu *c = cpu_create(id, apic);
	void *stack = kva_stack_alloc();

	if (!c || !stack)
		return -ENOMEM; /* so early that there is no point in giving the rest back */
	b->stack = (uint64_t)stack + KERNEL_STACK_PAGES * PAGE_SIZE;
	b->arg = (uint64_t)c;
	c->kernel_sp = b->stack;
	tsc_test.ready = 0;
	tsc_test.last = 0;
	send_start(apic);
	if (!wait_online(c, 10000))
		apic_send_startup(apic, SMP_LOW_BASE >> PAGE_SHIFT);
	if (!wait_online(c, START_TIMEOUT_US)) {
		/*
		 * Should it come after all, then not with the block, and on the stack, of the next.
		 */
		apic_send_init(apic);
		return -EIO;
	}
	tsc_compare(2);
	while (!LOAD_ACQUIRE(c->online))
		cpu_relax();
	c->idle->stack = stack;
	return 0;
}

static unsigned cpus_wanted(void)
{
	char word[16];
	uint64_t n;

	if (!cmdline_get("maxcpus", word, sizeof(word)) || !fmt_parse_u64(word, NULL, 10, &n))
		return CPU_MAX;
	return MAX((unsigned)MIN(n, (uint64_t)CPU_MAX), 1u);
}

void machine_start_cpus(void)
{
	const struct acpi_info *info = acpi_info();
	unsigned wanted = MIN(cpus_wanted(), info->ncpus);
	struct trampoline_block *b;

	if (wanted > 1) {
		make_start_tables();
		b = make_trampoline();
		for (unsigned i = 0; i < info->ncpus && cpu_count() < wanted; i++) {
			if (info->apic_ids[i] == cpus[0]->apic_id)
				continue;
			if (start_cpu(b, cpu_count(), info->apic_ids[i]))
				klog_err("smp: CPU with APIC id %u does not start",
					info->apic_ids[i]);
		}
	}
	if (tsc_test.warped)
		clocksource_distrust_tsc();
	clocksource_start();
	klog_info("smp: %u of %u CPUs", cpu_count(), MAX(info->ncpus, 1u));
}
