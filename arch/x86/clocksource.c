/*
 * The clock: nanoseconds since boot, monotonic over all CPUs.
 *
 * The time-stamp counter is the clock when it runs at a constant rate (invariant TSC, or an
 * emulator whose TSC is its own clock) and the CPUs' counters agree: one instruction, a multiply
 * and a shift. Its rate comes from CPUID when a leaf says it, else it is measured for a few
 * milliseconds against a reference; the local APIC's timer is measured in the same interval.
 *
 * Reference, and the clock where the TSC is no good: the HPET, else the ACPI PM timer, else channel
 * 2 of the PIT (reference only). These counters are read as `raw & mask` and extended to 64 bits by
 * a shared last value that only moves forward; a timer reads narrow ones often enough.
 * Source: SDM vol. 3B 17.17; IA-PC HPET Specification 1.0a; ACPI 6.4, 4.8.3.3; Intel 8254.
 */
#include "clocksource.h"
#include "boot.h"
#include "apic.h"
#include "cpu.h"
#include "dev/acpi.h"
#include "insn.h"
#include "klog.h"
#include "lib/string.h"
#include "mm/kva.h"
#include "panic.h"
#include "sched/clock.h"
#include "sched/timer.h"
#include "vdso.h"

#define CALIBRATE_NS	4000000ull
#define CALIBRATE_TRIES 25
#define ERROR_SHIFT	16
#define ERROR_MAX	((1ull << ERROR_SHIFT) / 64)
#define GAP_PER_WIDTH	16 /* a gap of a quarter of the whole is as bad as a moment of a 64th */

#define PM_TIMER_HZ 3579545ull
#define PIT_HZ	    1193182ull

#define HPET_CAPABILITIES 0x00
#define HPET_CONFIG	  0x10
#define HPET_COUNTER	  0xf0
#define HPET_64BIT	  (1ul << 13)
#define HPET_ENABLE	  1ul
#define FEMTOS_PER_SEC	  1000000000000000ull
#define HPET_PERIOD_MAX	  100000000ull /* femtoseconds: 10 MHz at least (2.3.4) */

struct counter {
	const char *name;
	uint64_t (*read)(void);
	uint64_t mask, hz;
};

static volatile uint8_t *hpet;

/* What arch_clock_ns reads; written while one CPU runs, or under clocksource_distrust_tsc. */
static bool use_tsc = true;
static uint64_t tsc_base, tsc_mult; /* ns = (tsc - base) * mult >> 32 */
static uint64_t tsc_hz, apic_mult;
static struct counter shared; /* the counter that all CPUs share, hz 0: none */
static uint64_t shared_last;  /* atomic: its extended value */
static uint64_t shared_mult, shared_offset_ns;
static struct timer keep_alive;

static inline uint64_t mul_shift(uint64_t v, uint64_t mult, unsigned shift)
{
	return (uint64_t)((unsigned __int128)v * mult >> shift);
}

/* a * b / c with a product of 128 bits; the result must fit 64. */
static uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t hi, lo;

	__asm__("mulq %3" : "=a"(lo), "=d"(hi) : "a"(a), "rm"(b) : "cc");
	__asm__("divq %2" : "+a"(lo), "+d"(hi) : "rm"(c) : "cc");
	return lo;
}

/* The shared counter without wrap-around. A reader that was overtaken sees the later value. */
static uint64_t shared_read(void)
{
	uint64_t last = READ_ONCE(shared_last), next;

	do {
		uint64_t ahead = (shared.read() - last) & shared.mask;

		if (ahead > shared.mask / 2)
			return last;
		next = last + ahead;
	} while (!__atomic_compare_exchange_n(
		&shared_last, &last, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return next;
}

uint64_t arch_clock_ns(void)
{
	if (likely(use_tsc))
		return mul_shift(tsc_read() - tsc_base, tsc_mult, 32);
	return mul_shift(shared_read(), shared_mult, 32) + shared_offset_ns;
}

static uint64_t hpet_read(void)
{
	return *(volatile uint64_t *)(hpet + HPET_COUNTER);
}

static bool hpet_init(void)
{
	uint64_t caps, period;

	if (!acpi_info()->hpet_base)
		return false;
	hpet = kva_map_device(acpi_info()->hpet_base, 1024, VM_CACHE_DISABLED);
	if (!hpet)
		return false;
	caps = *(volatile uint64_t *)(hpet + HPET_CAPABILITIES);
	period = caps >> 32;
	if (!period || period > HPET_PERIOD_MAX)
		return false;
	*(volatile uint64_t *)(hpet + HPET_CONFIG) |= HPET_ENABLE;
	shared = (struct counter){"hpet", hpet_read, caps & HPET_64BIT ? UINT64_MAX : UINT32_MAX,
		FEMTOS_PER_SEC / period};
	return true;
}

static uint64_t pm_timer_read(void)
{
	return port_in32(acpi_info()->pm_timer_port);
}

static bool pm_timer_init(void)
{
	if (!acpi_info()->pm_timer_port)
		return false;
	shared = (struct counter){"acpi_pm", pm_timer_read,
		acpi_info()->pm_timer_32bit ? UINT32_MAX : 0xffffff, PM_TIMER_HZ};
	return true;
}

/* Channel 2 counts down from 0xffff once its gate opens; as an up counter of 16 bits. */
static uint64_t pit_read(void)
{
	uint8_t lo, hi;

	port_out8(0x43, 0x80); /* latch channel 2 */
	lo = port_in8(0x42);
	hi = port_in8(0x42);
	return 0xffffu - (unsigned)(hi << 8 | lo);
}

static struct counter pit_init(void)
{
	port_out8(0x61, (port_in8(0x61) & ~2u) | 1u); /* gate on, speaker off */
	port_out8(0x43, 0xb0);			      /* channel 2, both bytes, mode 0 */
	port_out8(0x42, 0xff);
	port_out8(0x42, 0xff);
	return (struct counter){"pit", pit_read, 0xffff, PIT_HZ};
}

/* A counter and the TSC at the same moment, give or take half of `width` (in TSC ticks). */
struct moment {
	uint64_t tsc, raw, width;
};

/* Of a few tries the one that was interrupted least. */
static struct moment read_moment(uint64_t (*read)(void))
{
	struct moment best = {.width = UINT64_MAX};

	for (unsigned i = 0; i < 5; i++) {
		uint64_t before = tsc_read(), raw = read(), width = tsc_read() - before;

		if (width < best.width)
			best = (struct moment){before + width / 2, raw, width};
	}
	return best;
}

/* The local APIC's timer as an up counter; it stands still at UINT32_MAX. */
static uint64_t apic_read(void)
{
	return UINT32_MAX - apic_timer_count();
}

/* What a try has measured; `error`: how far off it may be, of 2^ERROR_SHIFT. */
struct rates {
	uint64_t tsc_hz, apic_mult, error;
};

/*
 * Let CALIBRATE_NS go by between two moments. Returns the longest time (TSC) between two looks at
 * the reference: it may have wrapped around in one that is most of the whole.
 */
static uint64_t pass_reference(const struct counter *ref, struct moment r[2])
{
	uint64_t want = ref->hz * CALIBRATE_NS / NSEC_PER_SEC, gap = 0, last, now, raw;

	r[0] = read_moment(ref->read);
	last = r[0].tsc;
	do {
		cpu_relax();
		raw = ref->read();
		now = tsc_read();
		gap = MAX(gap, now - last);
		last = now;
	} while (((raw - r[0].raw) & ref->mask) < want);
	r[1] = read_moment(ref->read);
	return MAX(gap, r[1].tsc - last);
}

/*
 * Rates of the TSC and of the APIC timer. False: there is none, or the wait was so long that the
 * APIC timer ran out. What goes by within a moment makes the rates wrong by itself, a gap only by a
 * wrap.
 */
static bool calibrate_once(const struct counter *ref, struct rates *found)
{
	uint64_t ns, tsc, apic_ns, width;
	struct moment r[2], a[2];

	apic_timer_set(UINT32_MAX);
	a[0] = read_moment(apic_read);
	width = pass_reference(ref, r) / GAP_PER_WIDTH;
	a[1] = read_moment(apic_read);
	apic_timer_set(0);

	ns = mul_div((r[1].raw - r[0].raw) & ref->mask, NSEC_PER_SEC, ref->hz);
	tsc = r[1].tsc - r[0].tsc;
	if (!ns || !tsc || a[1].raw == UINT32_MAX)
		return false;
	apic_ns = mul_div(a[1].tsc - a[0].tsc, ns, tsc);
	if (!apic_ns)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		width = MAX(width, r[i].width);
		width = MAX(width, a[i].width);
	}
	*found = (struct rates){
		.tsc_hz = mul_div(tsc, NSEC_PER_SEC, ns),
		.apic_mult = ((a[1].raw - a[0].raw) << 32) / apic_ns,
		.error = (width << ERROR_SHIFT) / tsc,
	};
	return true;
}

/*
 * A machine with other work stops a virtual CPU at any time: a disturbed measurement does not
 * count, unless all are; then the least disturbed does.
 */
static void calibrate(const struct counter *ref)
{
	struct rates best = {.error = UINT64_MAX}, r;

	for (unsigned i = 0; i < CALIBRATE_TRIES && best.error > ERROR_MAX; i++) {
		if (calibrate_once(ref, &r) && r.error < best.error)
			best = r;
	}
	apic_mult = best.apic_mult;
	if (!tsc_hz)
		tsc_hz = best.tsc_hz;
}

/* CPUID 15h: TSC = crystal * ebx / eax. Hypervisors: leaf 40000010h, eax in kHz (VMware, KVM). */
static uint64_t tsc_hz_from_cpuid(void)
{
	struct cpuid_regs r;

	if (cpuid(0, 0).eax >= 0x15) {
		r = cpuid(0x15, 0);
		if (r.eax && r.ebx && r.ecx)
			return (uint64_t)r.ecx * r.ebx / r.eax;
	}
	if (cpuid(1, 0).ecx >> 31 && cpuid(0x40000000, 0).eax >= 0x40000010)
		return cpuid(0x40000010, 0).eax * 1000ull;
	return 0;
}

/* Does the TSC run at a constant rate, also when the CPU sleeps? */
static bool tsc_constant(void)
{
	struct cpuid_regs r;

	if (!(cpuid(1, 0).edx >> 4 & 1))
		return false;
	if (cpuid(0x80000000, 0).eax >= 0x80000007 && cpuid(0x80000007, 0).edx >> 8 & 1)
		return true;
	if (!(cpuid(1, 0).ecx >> 31)) /* no hypervisor */
		return false;
	r = cpuid(0x40000000, 0);
	return memcmp(&r.ebx, "TCGT", 4) == 0 || memcmp(&r.ebx, "KVMK", 4) == 0;
}

void clocksource_init(void)
{
	struct counter ref;

	tsc_base = boot_entry_tsc; /* time begins at the entry into the kernel */
	ref = hpet_init() || pm_timer_init() ? shared : pit_init();
	tsc_hz = tsc_hz_from_cpuid();
	calibrate(&ref);
	if (!apic_mult || !tsc_hz)
		panic("clock: the reference %s stands still", ref.name);
	tsc_mult = (NSEC_PER_SEC << 32) / tsc_hz;
	if (shared.hz)
		shared_mult = mul_div(NSEC_PER_SEC, 1ull << 32, shared.hz);
	vdso_set_clock(true, tsc_base, tsc_mult);
	if (!tsc_constant())
		clocksource_distrust_tsc();
	klog_info("clock: %s, TSC %lu kHz by %s, APIC timer %lu kHz", use_tsc ? "tsc" : shared.name,
		tsc_hz / 1000, ref.name, (unsigned long)(apic_mult * (NSEC_PER_SEC / 1000) >> 32));
}

void clocksource_distrust_tsc(void)
{
	uint64_t now = arch_clock_ns();

	if (!use_tsc || !shared.hz)
		return;
	shared_last = shared.read() & shared.mask;
	shared_offset_ns = now - mul_shift(shared_last, shared_mult, 32);
	STORE_RELEASE(use_tsc, false);
	vdso_set_clock(false, 0, 0);
	klog_info("clock: the TSC is not reliable, %s instead", shared.name);
}

static void keep_alive_fire(struct timer *t)
{
	timer_start(t, arch_clock_ns() + NSEC_PER_SEC);
}

void clocksource_start(void)
{
	if (use_tsc || shared.mask == UINT64_MAX)
		return;
	timer_init(&keep_alive, keep_alive_fire);
	timer_start(&keep_alive, arch_clock_ns() + NSEC_PER_SEC);
}

uint64_t clocksource_apic_mult(void)
{
	return apic_mult;
}

uint64_t clocksource_tsc_hz(void)
{
	return tsc_hz;
}

uint64_t clocksource_tsc(void)
{
	return tsc_read();
}
