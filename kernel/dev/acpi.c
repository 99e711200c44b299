/*
 * ACPI tables: RSDP -> RSDT or XSDT -> MADT, HPET, FADT -> DSDT.
 *
 * Everything here was written by firmware and is not trusted: a table counts only when its length
 * is sane and its bytes sum up to zero, and no field is read beyond that length. AML is not
 * interpreted; the one thing that is wanted from it, the package \_S5 with the values that turn the
 * machine off, is found by its encoding. Source: ACPI Specification 6.4, chapters 5, 16 and 20.
 */
#include "dev/acpi.h"
#include "klog.h"
#include "lib/string.h"
#include "mm/kva.h"
#include "mm/physmap.h"
#include "mm/pmap.h"

#define TABLE_LEN_MAX (1u << 20)

struct rsdp {
	char signature[8]; /* "RSD PTR " */
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length; /* from here on: revision 2 */
	uint64_t xsdt;
	uint8_t checksum2;
	uint8_t reserved[3];
} __packed;
#define RSDP_V1_LEN 20

struct header {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem[6], oem_table[8];
	uint32_t oem_revision, creator, creator_revision;
} __packed;
_Static_assert(sizeof(struct header) == 36, "ACPI table header");

struct address { /* generic address structure */
	uint8_t space, width, offset, access;
	uint64_t address;
} __packed;
#define SPACE_MEMORY 0
#define SPACE_IO     1

struct madt {
	struct header h;
	uint32_t lapic_base, flags;
	uint8_t entries[];
} __packed;

struct hpet {
	struct header h;
	uint32_t block;
	struct address base;
} __packed;

struct fadt {
	struct header h;
	uint32_t facs, dsdt;
	uint8_t model, profile;
	uint16_t sci;
	uint32_t smi_cmd;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_tmr, gpe0, gpe1;
	uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_tmr_len, gpe0_len, gpe1_len, gpe1_base;
	uint8_t cst;
	uint16_t c2_lat, c3_lat, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day, month, century;
	uint16_t boot_arch;
	uint8_t reserved;
	uint32_t flags;
	struct address reset;
	uint8_t reset_value;
	uint16_t arm_boot;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
} __packed;
_Static_assert(offsetof(struct fadt, flags) == 112, "FADT");
_Static_assert(offsetof(struct fadt, x_dsdt) == 140, "FADT");
#define FADT_TMR_32BIT	   (1u << 8)
#define FADT_RESET_SUPPORT (1u << 10)
#define FADT_V1_LEN	   116

/* MADT entries (5.2.12). */
enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_ADDRESS = 5 };
#define LAPIC_ENABLED 1u

#define SLEEP_ENABLE	 (1u << 13)
#define SLEEP_TYPE_SHIFT 10

static struct acpi_info info;
static struct {
	bool off_known, reset_known;
	uint16_t pm1a_port, pm1b_port, reset_port;
	uint8_t type_a, type_b, reset_value;
} power;

const struct acpi_info *acpi_info(void)
{
	return &info;
}

static bool sums_to_zero(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t sum = 0;

	while (len--)
		sum += *b++;
	return sum == 0;
}

/* Firmware's memory as the kernel sees it: the direct map where it reaches, else a window. */
static const void *map(paddr_t pa, size_t len)
{
	vaddr_t va = PHYSMAP_BASE + pa;
	paddr_t found;

	if (!pa || pa + len < pa)
		return NULL;
	if (pmap_kernel_query(va, &found) && pmap_kernel_query(va + len - 1, &found))
		return phys_to_virt(pa);
	return kva_map_device(pa, len, 0);
}

/* The table at pa, if it is whole; signature NULL: any. */
static const struct header *table_at(paddr_t pa, const char *signature)
{
	const struct header *h = map(pa, sizeof(*h));

	if (!h || h->length < sizeof(*h) || h->length > TABLE_LEN_MAX)
		return NULL;
	if (signature && memcmp(h->signature, signature, 4) != 0)
		return NULL;
	h = map(pa, h->length);
	if (!h || !sums_to_zero(h, h->length)) {
		klog_warn("acpi: table at %#lx is damaged", pa);
		return NULL;
	}
	return h;
}

static bool rsdp_valid(const struct rsdp *r)
{
	return r && memcmp(r->signature, "RSD PTR ", 8) == 0 && sums_to_zero(r, RSDP_V1_LEN);
}

static const struct rsdp *rsdp_search(paddr_t start, paddr_t end)
{
	const uint8_t *p = map(start, end - start);

	for (size_t i = 0; p && i + sizeof(struct rsdp) <= end - start; i += 16)
		if (rsdp_valid((const struct rsdp *)(p + i)))
			return (const struct rsdp *)(p + i);
	return NULL;
}

/* Where the firmware has to leave it on a PC: first KiB of the EBDA, or the BIOS area (5.2.5.1). */
static const struct rsdp *rsdp_find(paddr_t given)
{
	const uint16_t *ebda_segment = map(0x40e, sizeof(*ebda_segment));
	const struct rsdp *r = given ? map(given, sizeof(*r)) : NULL;

	if (rsdp_valid(r))
		return r;
	r = NULL;
	if (ebda_segment && *ebda_segment >= 0x8000)
		r = rsdp_search((paddr_t)*ebda_segment << 4, ((paddr_t)*ebda_segment << 4) + 1024);
	return r ? r : rsdp_search(0xe0000, 0x100000);
}

static void madt_isa_override(const uint8_t *e)
{
	uint32_t gsi;
	uint16_t flags;

	memcpy(&gsi, e + 4, sizeof(gsi));
	memcpy(&flags, e + 8, sizeof(flags));
	if (e[2] != 0 || e[3] >= ACPI_ISA_IRQS)
		return;
	info.isa[e[3]].gsi = gsi;
	info.isa[e[3]].flags = flags;
}

static void madt_ioapic(const uint8_t *e)
{
	struct acpi_ioapic *io = &info.ioapics[info.nioapics];
	uint32_t base;

	if (info.nioapics == ACPI_IOAPICS_MAX)
		return;
	memcpy(&base, e + 4, sizeof(base));
	memcpy(&io->gsi_base, e + 8, sizeof(io->gsi_base));
	io->base = base;
	info.nioapics++;
}

static void madt_entry(const uint8_t *e)
{
	uint64_t address;

	switch (e[0]) {
	case MADT_LAPIC:
		if (e[1] >= 8 && e[4] & LAPIC_ENABLED && info.ncpus < CPU_MAX)
			info.apic_ids[info.ncpus++] = e[3];
		break;
	case MADT_IOAPIC:
		if (e[1] >= 12)
			madt_ioapic(e);
		break;
	case MADT_OVERRIDE:
		if (e[1] >= 10)
			madt_isa_override(e);
		break;
	case MADT_LAPIC_ADDRESS:
		if (e[1] >= 12) {
			memcpy(&address, e + 4, sizeof(address));
			info.lapic_base = address;
		}
		break;
	}
}

static void parse_madt(const struct header *h)
{
	const struct madt *m = (const struct madt *)h;
	const uint8_t *e, *end = (const uint8_t *)h + h->length;

	if (h->length < sizeof(*m))
		return;
	info.lapic_base = m->lapic_base;
	for (e = m->entries; end - e >= 2 && e[1] >= 2 && e[1] <= end - e; e += e[1])
		madt_entry(e);
}

static void parse_hpet(const struct header *h)
{
	const struct hpet *t = (const struct hpet *)h;

	if (h->length >= sizeof(*t) && t->base.space == SPACE_MEMORY)
		info.hpet_base = t->base.address;
}

/* An integer of AML in a package: ZeroOp, OneOp, BytePrefix (20.2.3). */
static const uint8_t *aml_small_int(const uint8_t *p, const uint8_t *end, uint8_t *value)
{
	if (p >= end)
		return NULL;
	if (*p == 0x00 || *p == 0x01) {
		*value = *p;
		return p + 1;
	}
	if (*p == 0x0a && end - p >= 2) {
		*value = p[1];
		return p + 2;
	}
	return NULL;
}

/* NameOp "_S5_" PackageOp PkgLength NumElements SLP_TYPa SLP_TYPb ... (7.4.2, 20.2.5.4) */
static bool find_s5(const struct header *dsdt)
{
	const uint8_t *p = (const uint8_t *)dsdt + sizeof(*dsdt);
	const uint8_t *end = (const uint8_t *)dsdt + dsdt->length;

	for (; end - p >= 8; p++) {
		const uint8_t *q = p + 5;

		if (memcmp(p, "_S5_\x12", 5) != 0)
			continue;
		if (p[-1] != 0x08 && !(p[-1] == '\\' && p[-2] == 0x08))
			continue;
		q += 1 + (*q >> 6); /* PkgLength: the top bits say how many bytes follow */
		q += 1;		    /* NumElements */
		q = aml_small_int(q, end, &power.type_a);
		return q && aml_small_int(q, end, &power.type_b);
	}
	return false;
}

static void parse_fadt(const struct header *h)
{
	const struct fadt *f = (const struct fadt *)h;
	const struct header *dsdt;
	paddr_t dsdt_pa;

	if (h->length < FADT_V1_LEN)
		return;
	info.pm_timer_port = f->pm_tmr_len >= 4 ? (uint16_t)f->pm_tmr : 0;
	info.pm_timer_32bit = f->flags & FADT_TMR_32BIT;
	if (h->length >= offsetof(struct fadt, arm_boot) && f->flags & FADT_RESET_SUPPORT &&
		f->reset.space == SPACE_IO) {
		power.reset_known = true;
		power.reset_port = (uint16_t)f->reset.address;
		power.reset_value = f->reset_value;
	}
	dsdt_pa = f->dsdt;
	if (h->length >= sizeof(*f) && f->x_dsdt)
		dsdt_pa = f->x_dsdt;
	dsdt = table_at(dsdt_pa, "DSDT");
	power.pm1a_port = (uint16_t)f->pm1a_cnt;
	power.pm1b_port = (uint16_t)f->pm1b_cnt;
	power.off_known = dsdt && power.pm1a_port && find_s5(dsdt);
}

static void parse_table(paddr_t pa)
{
	static const struct {
		const char *signature;
		void (*parse)(const struct header *h);
	} kinds[] = {{"APIC", parse_madt}, {"HPET", parse_hpet}, {"FACP", parse_fadt}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const struct header *h = map(pa, sizeof(*h));

		if (!h || memcmp(h->signature, kinds[i].signature, 4) != 0)
			continue;
		h = table_at(pa, kinds[i].signature);
		if (h)
			kinds[i].parse(h);
	}
}

/* Visit all tables of the RSDT (32-bit addresses) or XSDT (64-bit). */
static void parse_root(const struct header *root, size_t entry_size)
{
	const uint8_t *p = (const uint8_t *)root + sizeof(*root);
	size_t n = (root->length - sizeof(*root)) / entry_size;

	for (size_t i = 0; i < n; i++) {
		uint64_t pa = 0;

		memcpy(&pa, p + i * entry_size, entry_size);
		parse_table(pa);
	}
}

void acpi_init(paddr_t rsdp_pa)
{
	const struct rsdp *r = rsdp_find(rsdp_pa);
	const struct header *root = NULL;

	for (unsigned i = 0; i < ACPI_ISA_IRQS; i++)
		info.isa[i].gsi = i;
	if (!r) {
		klog_warn("acpi: no tables");
		return;
	}
	if (r->revision >= 2 && r->xsdt)
		root = table_at(r->xsdt, "XSDT");
	if (root) {
		parse_root(root, 8);
	} else {
		root = table_at(r->rsdt, "RSDT");
		if (root)
			parse_root(root, 4);
	}
	info.present = root != NULL;
}

bool acpi_poweroff_ports(
	uint16_t *pm1a_port, uint16_t *pm1a_value, uint16_t *pm1b_port, uint16_t *pm1b_value)
{
	*pm1a_port = power.pm1a_port;
	*pm1b_port = power.pm1b_port;
	*pm1a_value = (uint16_t)(power.type_a << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
	*pm1b_value = (uint16_t)(power.type_b << SLEEP_TYPE_SHIFT | SLEEP_ENABLE);
	return power.off_known;
}

bool acpi_reset_port(uint16_t *port, uint8_t *value)
{
	*port = power.reset_port;
	*value = power.reset_value;
	return power.reset_known;
}
