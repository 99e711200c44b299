/*
 * VGA text console as tty0: 80 x 25 cells of character and attribute at 0xb8000.
 *
 * Output is a small terminal that knows the ANSI escapes which shells and editors use: cursor
 * movement, erasing, colours. The state machine takes one byte at a time, so that a sequence may be
 * cut anywhere:
 *
 *	TEXT --ESC--> ESC --[--> CSI (digits ; ?) --letter--> TEXT
 *
 * Everything is guarded by the terminal's lock, with which write is called. The cursor is kept in
 * the CRT controller's registers too, which this terminal and the kernel log's console (arch/x86)
 * both read before they write: so each goes on where the other ended.
 *
 * Source: ECMA-48; IBM VGA Technical Reference (CRT controller, index 0x0e, 0x0f).
 */
#include "dev/console.h"

#include "boot_info.h"
#include "cpu.h"
#include "dev/tty_priv.h"
#include "lib/assert.h"
#include "mm/kva.h"

#define ROWS 25u
#define COLS 80u

#define VGA_MEMORY  0xb8000u
#define CRTC_INDEX  0x3d4u
#define CRTC_DATA   0x3d5u
#define CURSOR_HIGH 0x0eu
#define CURSOR_LOW  0x0fu

#define ATTR_DEFAULT 0x07u
#define PARAMS_MAX   8u

enum state { TEXT, ESCAPE, CSI };

static struct {
	volatile uint16_t *cells;  /* what is written: the screen, or the shadow */
	volatile uint16_t *screen; /* NULL: no text screen */
	unsigned row, col;
	unsigned saved_row, saved_col;
	bool wrap; /* a character was put into the last column: the next one goes to a new line */
	uint8_t fg, bg;
	bool bold, reverse;
	enum state state;
	unsigned params[PARAMS_MAX], nparams;
	bool private;
} con;

/* The text while somebody else shows something on the screen. */
static uint16_t shadow[ROWS * COLS];
static struct tty *console_tty;

static uint16_t cell(uint8_t c)
{
	uint8_t fg = con.fg | (con.bold ? 8 : 0), bg = con.bg;

	if (con.reverse)
		return (uint16_t)((unsigned)(fg & 7) << 12 | (unsigned)bg << 8 | c);
	return (uint16_t)((unsigned)bg << 12 | (unsigned)fg << 8 | c);
}

static void fill(unsigned from, unsigned to)
{
	uint16_t blank = cell(' ');

	for (unsigned i = from; i < to; i++)
		con.cells[i] = blank;
}

static void move_cells(unsigned to, unsigned from, unsigned n)
{
	if (to < from)
		for (unsigned i = 0; i < n; i++)
			con.cells[to + i] = con.cells[from + i];
	else
		while (n--)
			con.cells[to + n] = con.cells[from + n];
}

static void show_cursor(void)
{
	unsigned at = con.row * COLS + con.col;

	port_out8(CRTC_INDEX, CURSOR_HIGH);
	port_out8(CRTC_DATA, (uint8_t)(at >> 8));
	port_out8(CRTC_INDEX, CURSOR_LOW);
	port_out8(CRTC_DATA, (uint8_t)at);
}

static void line_feed(void)
{
	if (con.row + 1 < ROWS) {
		con.row++;
		return;
	}
	move_cells(0, COLS, (ROWS - 1) * COLS);
	fill((ROWS - 1) * COLS, ROWS * COLS);
}

static void put_text(uint8_t c)
{
	if (con.wrap) {
		con.wrap = false;
		con.col = 0;
		line_feed();
	}
	con.cells[con.row * COLS + con.col] = cell(c);
	if (con.col + 1 < COLS)
		con.col++;
	else
		con.wrap = true;
}

/* Parameter i, or `otherwise` when it is absent or 0. */
static unsigned param(unsigned i, unsigned otherwise)
{
	return i < con.nparams && con.params[i] ? con.params[i] : otherwise;
}

static void set_colours(void)
{
	/* ANSI's order of colours to the adapter's: red and blue are exchanged. */
	static const uint8_t colour[8] = {0, 4, 2, 6, 1, 5, 3, 7};

	if (!con.nparams)
		con.nparams = 1;
	for (unsigned i = 0; i < con.nparams; i++) {
		unsigned p = con.params[i];

		if (p == 0) {
			con.fg = 7;
			con.bg = 0;
			con.bold = con.reverse = false;
		} else if (p == 1 || p == 22) {
			con.bold = p == 1;
		} else if (p == 7 || p == 27) {
			con.reverse = p == 7;
		} else if (p >= 30 && p <= 37) {
			con.fg = colour[p - 30];
		} else if (p == 39) {
			con.fg = 7;
		} else if (p >= 40 && p <= 47) {
			con.bg = colour[p - 40];
		} else if (p == 49) {
			con.bg = 0;
		} else if (p >= 90 && p <= 97) {
			con.fg = colour[p - 90] | 8;
		}
	}
}

/* J: parts of the screen, K: parts of the line. */
static void erase(bool screen)
{
	unsigned at = con.row * COLS + con.col, how = con.nparams ? con.params[0] : 0;
	unsigned first = screen ? 0 : con.row * COLS;
	unsigned end = screen ? ROWS * COLS : first + COLS;

	if (how == 0)
		fill(at, end);
	else if (how == 1)
		fill(first, at + 1);
	else if (how == 2 || how == 3)
		fill(first, end);
}

/* L, M: insert and delete lines; @, P: characters. */
static void shift_lines(unsigned n, bool insert)
{
	unsigned at = con.row * COLS, rest;

	n = MIN(n, ROWS - con.row);
	rest = (ROWS - con.row - n) * COLS;
	if (insert) {
		move_cells(at + n * COLS, at, rest);
		fill(at, at + n * COLS);
	} else {
		move_cells(at, at + n * COLS, rest);
		fill(at + rest, ROWS * COLS);
	}
}

static void shift_chars(unsigned n, bool insert)
{
	unsigned at = con.row * COLS + con.col, rest;

	n = MIN(n, COLS - con.col);
	rest = COLS - con.col - n;
	if (insert) {
		move_cells(at + n, at, rest);
		fill(at, at + n);
	} else {
		move_cells(at, at + n, rest);
		fill(at + rest, at + rest + n);
	}
}

static void go_to(unsigned row, unsigned col)
{
	con.row = MIN(row, ROWS - 1);
	con.col = MIN(col, COLS - 1);
	con.wrap = false;
}

static void up(unsigned n)
{
	go_to(con.row - MIN(n, con.row), con.col);
}

static void left(unsigned n)
{
	go_to(con.row, con.col - MIN(n, con.col));
}

static void control_sequence(uint8_t c)
{
	if (con.private)
		return;
	switch (c) {
	case 'A':
		up(param(0, 1));
		break;
	case 'B':
		go_to(con.row + param(0, 1), con.col);
		break;
	case 'C':
		go_to(con.row, con.col + param(0, 1));
		break;
	case 'D':
		left(param(0, 1));
		break;
	case 'G':
		go_to(con.row, param(0, 1) - 1);
		break;
	case 'd':
		go_to(param(0, 1) - 1, con.col);
		break;
	case 'H':
	case 'f':
		go_to(param(0, 1) - 1, param(1, 1) - 1);
		break;
	case 'J':
		erase(true);
		break;
	case 'K':
		erase(false);
		break;
	case 'L':
	case 'M':
		shift_lines(param(0, 1), c == 'L');
		break;
	case '@':
	case 'P':
		shift_chars(param(0, 1), c == '@');
		break;
	case 'm':
		set_colours();
		break;
	case 's':
		con.saved_row = con.row;
		con.saved_col = con.col;
		break;
	case 'u':
		go_to(con.saved_row, con.saved_col);
		break;
	default:
		break;
	}
}

static void put_control(uint8_t c)
{
	switch (c) {
	case '\n':
	case '\v':
	case '\f':
		con.wrap = false;
		line_feed();
		break;
	case '\r':
		go_to(con.row, 0);
		break;
	case '\b':
		left(1);
		break;
	case '\t':
		go_to(con.row, (con.col | 7) + 1);
		break;
	case 0x1b:
		con.state = ESCAPE;
		break;
	default:
		break;
	}
}

static void put_csi(uint8_t c)
{
	if (c >= '0' && c <= '9') {
		unsigned *p = &con.params[con.nparams ? con.nparams - 1 : 0];

		if (!con.nparams)
			con.nparams = 1;
		*p = MIN(*p * 10 + (c - '0'), 9999u);
	} else if (c == ';') {
		con.nparams = MIN(MAX(con.nparams, 1u) + 1, PARAMS_MAX);
	} else if (c == '?' || c == '>' || c == '=') {
		con.private = true;
	} else if (c >= '@' && c <= '~') {
		con.state = TEXT;
		control_sequence(c);
	}
}

static void put_char(uint8_t c)
{
	if (c < ' ' && c != 0) {
		put_control(c);
	} else if (con.state == TEXT) {
		if (c && c != 0x7f)
			put_text(c);
	} else if (con.state == CSI) {
		put_csi(c);
	} else if (c == '[') {
		con.state = CSI;
		con.nparams = 0;
		con.private = false;
		for (unsigned i = 0; i < PARAMS_MAX; i++)
			con.params[i] = 0;
	} else {
		con.state = TEXT;
	}
}

static unsigned read_cursor(void)
{
	unsigned at;

	port_out8(CRTC_INDEX, CURSOR_HIGH);
	at = (unsigned)port_in8(CRTC_DATA) << 8;
	port_out8(CRTC_INDEX, CURSOR_LOW);
	return at | port_in8(CRTC_DATA);
}

static void console_write(struct tty *tty, const char *s, size_t n)
{
	unsigned at = con.cells == shadow ? con.row * COLS + con.col : read_cursor();

	(void)tty;
	/* The kernel log may have moved it. */
	if (at != con.row * COLS + con.col)
		go_to(at / COLS, at % COLS);
	for (size_t i = 0; i < n; i++)
		put_char((uint8_t)s[i]);
	if (con.cells != shadow)
		show_cursor();
}

/* Go on in other cells with what these show. */
static void change_cells(volatile uint16_t *to)
{
	irqflags_t flags;

	if (!con.screen)
		return;
	flags = spin_lock_irqsave(&console_tty->lock);
	for (unsigned i = 0; i < ROWS * COLS; i++)
		to[i] = con.cells[i];
	con.cells = to;
	if (to == con.screen)
		show_cursor();
	spin_unlock_irqrestore(&console_tty->lock, flags);
}

void console_hide(void)
{
	change_cells(shadow);
}

void console_show(void)
{
	change_cells(con.screen);
}

struct tty *console_init(void)
{
	static const struct tty_driver driver = {.write = console_write};
	struct tty *tty;
	unsigned at = read_cursor();

	/* A framebuffer instead of text, or no adapter at all: nothing answers. */
	if (boot_info.fb_base || at == 0xffff)
		return NULL;
	con.cells = kva_map_device(VGA_MEMORY, ROWS * COLS * 2, VM_CACHE_DISABLED);
	if (!con.cells)
		return NULL;
	con.fg = ATTR_DEFAULT;
	go_to(at / COLS, at % COLS);
	tty = tty_register("tty0", MKDEV(TTY_MAJOR, 0), &driver);
	tty_register_alias(tty, "tty1", MKDEV(TTY_MAJOR, 1));
	tty_set_winsize(tty, ROWS, COLS);
	console_tty = tty;
	con.screen = con.cells;
	return tty;
}
