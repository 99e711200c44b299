/*
 * Consoles of the kernel log: the first serial port (16550, polled) and the VGA text screen. They
 * share nothing with the terminal drivers of kernel/dev but the hardware; the log's lock keeps
 * their output whole.
 */
#include "early_console.h"
#include "boot_info.h"
#include "cpu.h"
#include "klog.h"
#include "lib/string.h"
#include "mm/physmap.h"
#include "sched/clock.h"

#define COM1		 0x3f8
#define UART_DATA	 0
#define UART_INT_ENABLE	 1
#define UART_FIFO	 2
#define UART_LINE	 3
#define UART_MODEM	 4
#define UART_LINE_STATUS 5
#define UART_TX_EMPTY	 0x20

#define VGA_TEXT  0xb8000
#define VGA_COLS  80u
#define VGA_ROWS  25u
#define VGA_ATTR  0x0700u
#define CRTC_PORT 0x3d4

#define CRTC_CURSOR_HIGH 14
#define CRTC_CURSOR_LOW	 15

static bool serial_present;
static bool serial_stuck; /* (log lock) */
static unsigned vga_row, vga_col;

/* 115200 baud, 8N1, FIFO on. A port that is not there reads as all ones. */
static void serial_init(void)
{
	port_out8(COM1 + UART_INT_ENABLE, 0);
	port_out8(COM1 + UART_LINE, 0x80);
	port_out8(COM1 + UART_DATA, 1);
	port_out8(COM1 + UART_INT_ENABLE, 0);
	port_out8(COM1 + UART_LINE, 0x03);
	port_out8(COM1 + UART_FIFO, 0x07);
	port_out8(COM1 + UART_MODEM, 0x0b);
	serial_present = port_in8(COM1 + UART_LINE_STATUS) != 0xff;
}

/* Bounded, so that a dead port cannot hang the machine; as kernel/dev/uart.c does it. */
static bool serial_wait_until_empty(void)
{
	struct patience p = {0};

	while (!(port_in8(COM1 + UART_LINE_STATUS) & UART_TX_EMPTY)) {
		if (serial_stuck || clock_patience_ends(&p)) {
			serial_stuck = true;
			return false;
		}
		cpu_relax();
	}
	serial_stuck = false;
	return true;
}

static void serial_put(char c)
{
	if (serial_wait_until_empty())
		port_out8(COM1 + UART_DATA, (uint8_t)c);
}

static void serial_write(struct klog_console *con, const char *s, size_t n)
{
	(void)con;
	if (!serial_present)
		return;
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n')
			serial_put('\r');
		serial_put(s[i]);
	}
}

static volatile uint16_t *vga_cell(unsigned row, unsigned col)
{
	return (volatile uint16_t *)phys_to_virt(VGA_TEXT) + row * VGA_COLS + col;
}

static void vga_newline(void)
{
	vga_col = 0;
	if (++vga_row < VGA_ROWS)
		return;
	vga_row = VGA_ROWS - 1;
	memmove((void *)vga_cell(0, 0), (const void *)vga_cell(1, 0),
		(VGA_ROWS - 1) * VGA_COLS * sizeof(uint16_t));
	for (unsigned col = 0; col < VGA_COLS; col++)
		*vga_cell(VGA_ROWS - 1, col) = VGA_ATTR | ' ';
}

static void vga_put(char c)
{
	if (c == '\n') {
		vga_newline();
		return;
	}
	if (c == '\r') {
		vga_col = 0;
		return;
	}
	*vga_cell(vga_row, vga_col) = (uint16_t)(VGA_ATTR | (uint8_t)c);
	if (++vga_col == VGA_COLS)
		vga_newline();
}

/* The cursor lives in the CRT controller, where the terminal driver keeps it too. */
static void vga_take_cursor(void)
{
	unsigned pos;

	port_out8(CRTC_PORT, CRTC_CURSOR_HIGH);
	pos = (unsigned)port_in8(CRTC_PORT + 1) << 8;
	port_out8(CRTC_PORT, CRTC_CURSOR_LOW);
	pos |= port_in8(CRTC_PORT + 1);
	vga_row = MIN(pos / VGA_COLS, VGA_ROWS - 1);
	vga_col = pos % VGA_COLS;
}

static void vga_set_cursor(void)
{
	unsigned pos = vga_row * VGA_COLS + vga_col;

	port_out8(CRTC_PORT, CRTC_CURSOR_HIGH);
	port_out8(CRTC_PORT + 1, (uint8_t)(pos >> 8));
	port_out8(CRTC_PORT, CRTC_CURSOR_LOW);
	port_out8(CRTC_PORT + 1, (uint8_t)pos);
}

static void vga_write(struct klog_console *con, const char *s, size_t n)
{
	(void)con;
	vga_take_cursor();
	for (size_t i = 0; i < n; i++)
		vga_put(s[i]);
	vga_set_cursor();
}

static void vga_clear(void)
{
	for (unsigned i = 0; i < VGA_ROWS * VGA_COLS; i++)
		*vga_cell(0, i) = VGA_ATTR | ' ';
	vga_set_cursor();
}

static struct klog_console serial_console = {.write = serial_write};
static struct klog_console vga_console = {.write = vga_write};

void early_console_init(void)
{
	serial_init();
	vga_clear();
	klog_register_console(&serial_console);
	klog_register_console(&vga_console);
}
