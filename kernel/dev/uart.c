/*
 * 16550 serial port as ttyS0.
 *
 * Received bytes raise an interrupt and go to the terminal. Output waits for the transmit FIFO to
 * be empty and fills it, with the terminal's lock held; it does not use interrupts, so that it
 * works in any context. One of its 16 places stays free: the kernel log (arch/x86/early_console.c)
 * writes single bytes to the same port, under a lock of its own, and may have seen it empty as
 * well. A line that does not move (no clock, no carrier emulation) is given up on after ten
 * seconds, and from then on looked at once for each write until it moves; a reader at the other end
 * that has to wait for its CPU is not there yet.
 *
 * Source: National Semiconductor PC16550D data sheet.
 */
#include "dev/uart.h"

#include "cpu.h"
#include "dev/tty_priv.h"
#include "klog.h"
#include "sched/clock.h"

#define UART_BASE 0x3f8u
#define UART_IRQ  4u

#define REG_DATA 0u /* receive, transmit; divisor low */
#define REG_IER	 1u /* interrupt enable; divisor high */
#define REG_FCR	 2u
#define REG_LCR	 3u
#define REG_MCR	 4u
#define REG_LSR	 5u
#define REG_SCR	 7u

#define IER_RECEIVED 0x01u
#define FCR_ENABLE   0x07u /* FIFOs on and empty, interrupt at the first byte */
#define LCR_8N1	     0x03u
#define LCR_DIVISOR  0x80u
#define MCR_READY    0x0bu /* DTR, RTS, OUT2: interrupts reach the controller */
#define LSR_RECEIVED 0x01u
#define LSR_EMPTY    0x20u

#define FIFO_PART 15u

static struct tty *serial;
static bool stuck; /* (lock of the terminal) */

static uint8_t reg_read(unsigned reg)
{
	return port_in8((uint16_t)(UART_BASE + reg));
}

static void reg_write(unsigned reg, uint8_t v)
{
	port_out8((uint16_t)(UART_BASE + reg), v);
}

static bool wait_until_empty(void)
{
	struct patience p = {0};

	while (!(reg_read(REG_LSR) & LSR_EMPTY)) {
		if (stuck || clock_patience_ends(&p)) {
			stuck = true;
			return false;
		}
		cpu_relax();
	}
	stuck = false;
	return true;
}

static void uart_write(struct tty *tty, const char *s, size_t n)
{
	(void)tty;
	while (n && wait_until_empty()) {
		size_t part = MIN(n, (size_t)FIFO_PART);

		for (size_t i = 0; i < part; i++)
			reg_write(REG_DATA, (uint8_t)s[i]);
		s += part;
		n -= part;
	}
}

static void uart_interrupt(void *cookie)
{
	char buf[64];
	size_t n;

	(void)cookie;
	do {
		for (n = 0; n < sizeof(buf) && (reg_read(REG_LSR) & LSR_RECEIVED); n++)
			buf[n] = (char)reg_read(REG_DATA);
		if (n)
			tty_input(serial, buf, n);
	} while (n == sizeof(buf));
}

/* The scratch register keeps what is written to it, if there is a chip at all. */
static bool uart_present(void)
{
	reg_write(REG_SCR, 0x5a);
	if (reg_read(REG_SCR) != 0x5a)
		return false;
	reg_write(REG_SCR, 0xa5);
	return reg_read(REG_SCR) == 0xa5;
}

struct tty *uart_init(void)
{
	static const struct tty_driver driver = {.write = uart_write};
	irqflags_t flags;
	int err;

	if (!uart_present())
		return NULL;
	reg_write(REG_IER, 0);
	reg_write(REG_LCR, LCR_DIVISOR);
	reg_write(REG_DATA, 1); /* 115200 */
	reg_write(REG_IER, 0);
	reg_write(REG_LCR, LCR_8N1);
	reg_write(REG_FCR, FCR_ENABLE);
	reg_write(REG_MCR, MCR_READY);

	serial = tty_register("ttyS0", MKDEV(TTY_MAJOR, 64), &driver);
	err = irq_register(UART_IRQ, uart_interrupt, NULL);
	if (err) {
		klog_warn("ttyS0: no interrupt (%d): output only", -err);
		return serial;
	}
	/* Whatever came before has raised its interrupt already: take it now. */
	flags = irq_save();
	uart_interrupt(NULL);
	irq_restore(flags);
	reg_write(REG_IER, IER_RECEIVED);
	return serial;
}
