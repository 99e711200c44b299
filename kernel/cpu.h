/*
 * The processor, as portable code sees it. Implemented by arch/x86.
 */
#ifndef CPU_H
#define CPU_H

#include "lib/base.h"

#define CPU_MAX	     64
#define CPU_COUNTERS 32

typedef unsigned long irqflags_t;

typedef uint64_t cpuset_t; /* bit i = CPU i */
#define cpuset_for_each(i, set)                \
	for (unsigned i = 0; i < CPU_MAX; i++) \
		if ((set) >> i & 1)

struct thread;
struct run_queue;
struct pmap;
struct user_regs;
struct lock_debug;

/* Per-CPU block, reached through the segment base. The first fields are known to assembly (arch
 * asserts). */
struct cpu {
	struct cpu *self;
	uint64_t kernel_sp; /* top of the current thread's kernel stack: system-call entry loads it
			     */
	uint64_t user_sp;   /* scratch of system-call entry */
	struct thread *current;
	unsigned id;
	unsigned apic_id;
	bool online;
	bool need_resched;		  /* look at the run queue at the next defined point */
	unsigned irq_depth;		  /* > 0: in an interrupt handler */
	const struct user_regs *irq_regs; /* in the timer interrupt: what it cut short */
	struct thread *idle;
	struct run_queue *rq;
	struct pmap *loaded; /* the user table that is in CR3, NULL: the kernel's */
	uint64_t idle_ns;
	void *page_cache;		 /* mm: per-CPU lists of free frames */
	void *arch;			 /* arch-private: GDT, TSS, ... */
	uint64_t counters[CPU_COUNTERS]; /* mm/stats.h: this CPU's part; written by itself */
#ifdef QUIRE_DEBUG
	unsigned nheld; /* spinning locks held on this CPU, for the rank check */
	const void *held[16];
	const struct lock_debug *held_dbg[16];
#endif
};

/* Constant after boot. */
extern struct cpu *cpus[CPU_MAX];
unsigned cpu_count(void); /* CPUs that are online */

/*
 * The CPU that this code runs on. The answer is stale after anything that may schedule(); the asm
 * is volatile so that the compiler does not keep it across such a call. cpu_field reads one field
 * in one instruction.
 */
#ifdef QUIRE_HOST
struct cpu *this_cpu(void);
#define cpu_field(field) (this_cpu()->field)
#else
static inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(c));
	return c;
}

#define cpu_field(field)                                              \
	({                                                            \
		__typeof__(((struct cpu *)0)->field) _v;              \
		__asm__ volatile("mov %%gs:%c1, %0"                   \
				 : "=r"(_v)                           \
				 : "i"(offsetof(struct cpu, field))); \
		_v;                                                   \
	})
#endif

static inline unsigned cpu_id(void)
{
	return cpu_field(id);
}

/* Interrupts of this CPU, and the pause of a waiting loop: inline, every path takes them. */
#ifdef QUIRE_HOST
irqflags_t irq_save(void); /* interrupts off, returns what they were */
void irq_restore(irqflags_t flags);
void irq_enable(void);
void irq_disable(void);
bool irq_enabled(void);
void cpu_relax(void);
#else
#define IRQ_FLAG_ENABLED 0x200ul /* RFLAGS.IF (SDM vol. 1, 3.4.3.3) */

static inline void irq_enable(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void irq_disable(void)
{
	__asm__ volatile("cli" : : : "memory");
}

static inline irqflags_t irq_flags(void)
{
	irqflags_t flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags) : : "memory");
	return flags;
}

static inline bool irq_enabled(void)
{
	return irq_flags() & IRQ_FLAG_ENABLED;
}

static inline irqflags_t irq_save(void)
{
	irqflags_t flags = irq_flags();

	irq_disable();
	return flags;
}

static inline void irq_restore(irqflags_t flags)
{
	if (flags & IRQ_FLAG_ENABLED)
		irq_enable();
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" : : : "memory");
}
#endif
/* Interrupts on and halt until one comes, with no window between. Called with interrupts off by the
 * idle thread. */
void cpu_idle_wait(void);

/* Make another CPU pass a scheduling point (or leave idle). */
void cpu_send_reschedule(unsigned cpu);
/*
 * Run fn(arg) on every CPU of the set (this one too if in it), with interrupts off there; returns
 * when all have.
 * => interrupts on, no spinning lock held.
 */
void cpu_call(cpuset_t set, void (*fn)(void *arg), void *arg);
cpuset_t cpu_online_set(void);
/* Panic: stop every other CPU by NMI, whatever it does; returns when they stand (or do not answer).
 * Any context. */
void cpu_stop_others(void);

/*
 * Boot, in this order. machine_init: interrupt controllers, clock and timer of the boot CPU (=>
 * after kva_init; interrupts off). machine_start_cpus: the other CPUs, as many as maxcpus= allows,
 * which take work at once (=> after sched_init; interrupts on).
 */
void machine_init(void);
void machine_start_cpus(void);

/* Interrupt lines and device interrupts (I/O APIC, MSI). The handler runs with interrupts off. */
typedef void (*irq_handler_fn)(void *cookie);
/* gsi: global system interrupt (ISA overrides of the MADT are applied for gsi < 16). */
int __must_check irq_register(unsigned gsi, irq_handler_fn fn, void *cookie);
/* PCI INTx: level triggered, active low. */
int __must_check irq_register_pci(unsigned gsi, irq_handler_fn fn, void *cookie);
/* Allocates a vector for a message-signalled interrupt; *addr and *data go into the device. */
int __must_check irq_register_msi(irq_handler_fn fn, void *cookie, uint64_t *addr, uint32_t *data);

/* Port and reset access for portable drivers. */
uint8_t port_in8(uint16_t port);
uint16_t port_in16(uint16_t port);
uint32_t port_in32(uint16_t port);
void port_out8(uint16_t port, uint8_t v);
void port_out16(uint16_t port, uint16_t v);
void port_out32(uint16_t port, uint32_t v);

/* Ends the machine. machine_exit: isa-debug-exit with that code (then halt). */
__noreturn void machine_poweroff(void);
__noreturn void machine_reboot(void);
__noreturn void machine_halt(void);
__noreturn void machine_exit(unsigned code);

/* 64 bits from RDRAND/RDSEED if CPUID has them; false if not. */
bool cpu_random(uint64_t *out);
/* For the auxiliary vector: AT_HWCAP, AT_HWCAP2, AT_MINSIGSTKSZ. Constant. */
uint64_t cpu_hwcap(void);
uint64_t cpu_hwcap2(void);
size_t cpu_min_signal_stack(void);
/* Physical addresses have so many bits. */
unsigned cpu_phys_bits(void);
/* CPU name and flags for /proc/cpuinfo. */
size_t cpu_describe(unsigned cpu, char *buf, size_t size);

#endif
