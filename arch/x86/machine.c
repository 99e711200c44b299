/*
 * The machine around the CPU: I/O ports, the ways to end it, random numbers from the CPU, idling.
 */
#include "cpu.h"
#include "dev/acpi.h"
#include "cpu_features.h"
#include "insn.h"

#define DEBUG_EXIT_PORT	 0xf4  /* isa-debug-exit: QEMU ends with (code << 1) | 1 */
#define KEYBOARD_COMMAND 0x64  /* i8042: 0xfe pulses the reset line */
#define RESET_CONTROL	 0xcf9 /* PIIX/ICH reset control register */

uint8_t port_in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

uint16_t port_in16(uint16_t port)
{
	uint16_t v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

uint32_t port_in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}

void port_out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

void port_out16(uint16_t port, uint16_t v)
{
	__asm__ volatile("outw %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

void port_out32(uint16_t port, uint32_t v)
{
	__asm__ volatile("outl %0, %1" : : "a"(v), "Nd"(port) : "memory");
}

void cpu_idle_wait(void)
{
	/* STI takes effect after the next instruction, so no interrupt comes before HLT. */
	__asm__ volatile("sti; hlt" : : : "memory");
}

void machine_halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt" : : : "memory");
}

void machine_exit(unsigned code)
{
	port_out32(DEBUG_EXIT_PORT, code);
	machine_halt();
}

void machine_reboot(void)
{
	uint16_t port;
	uint8_t value;

	irq_disable();
	if (acpi_reset_port(&port, &value))
		port_out8(port, value);
	port_out8(RESET_CONTROL, 0x02);
	port_out8(RESET_CONTROL, 0x06);
	port_out8(KEYBOARD_COMMAND, 0xfe);
	/* The last way: a trap without a table to look it up in. */
	struct {
		uint16_t limit;
		uint64_t base;
	} __packed none = {0, 0};
	__asm__ volatile("lidt %0; int3" : : "m"(none));
	machine_halt();
}

static bool rdrand_step(uint64_t *out)
{
	bool ok;

	__asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(ok));
	return ok;
}

static bool rdseed_step(uint64_t *out)
{
	bool ok;

	__asm__ volatile("rdseed %0" : "=r"(*out), "=@ccc"(ok));
	return ok;
}

bool cpu_random(uint64_t *out)
{
	/* Both may be dry for a moment (SDM vol. 1, 7.3.17: ten tries). */
	for (int i = 0; i < 10; i++) {
		if (cpu_features.rdseed && rdseed_step(out))
			return true;
		if (cpu_features.rdrand && rdrand_step(out))
			return true;
	}
	return false;
}

void machine_poweroff(void)
{
	uint16_t pm1a, value_a, pm1b, value_b;

	irq_disable();
	if (acpi_poweroff_ports(&pm1a, &value_a, &pm1b, &value_b)) {
		port_out16(pm1a, value_a);
		if (pm1b)
			port_out16(pm1b, value_b);
	}
	machine_halt();
}
