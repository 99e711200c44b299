/*
 * PS/2 keyboard, US layout: scan codes of set 1 (what the controller translates to) into the bytes
 * that a terminal gets: characters, control characters, escape sequences for the other keys.
 *
 * Everything runs in the interrupt handler; one keyboard, one handler, no lock.
 *
 * Source: IBM PC AT Technical Reference (8042, scan code set 1); console_codes(4) for the
 * sequences.
 */
#include "dev/keyboard.h"

#include "cpu.h"
#include "dev/tty.h"
#include "klog.h"
#include "lib/string.h"

#define KBD_DATA   0x60u
#define KBD_STATUS 0x64u
#define KBD_IRQ	   1u

#define STATUS_OUTPUT 0x01u /* a byte to read */
#define STATUS_AUX    0x20u /* it is the mouse's */

#define KEY_EXTENDED 0xe0u
#define KEY_RELEASE  0x80u
#define KEY_CTRL     0x1du
#define KEY_LSHIFT   0x2au
#define KEY_RSHIFT   0x36u
#define KEY_ALT	     0x38u
#define KEY_CAPS     0x3au

static const char plain[] =
	"\0\0331234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shifted[] =
	"\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";

static struct tty *target;
static bool shift, ctrl, alt, caps, extended;

/* Keys that send an escape sequence: with the 0xe0 prefix, or of the number pad without it. */
static const char *sequence_of(uint8_t code)
{
	switch (code) {
	case 0x48:
		return "\033[A";
	case 0x50:
		return "\033[B";
	case 0x4d:
		return "\033[C";
	case 0x4b:
		return "\033[D";
	case 0x47:
		return "\033[1~";
	case 0x4f:
		return "\033[4~";
	case 0x49:
		return "\033[5~";
	case 0x51:
		return "\033[6~";
	case 0x52:
		return "\033[2~";
	case 0x53:
		return "\033[3~";
	default:
		return NULL;
	}
}

static void send(const char *s, size_t n)
{
	if (n)
		tty_input(target, s, n);
}

static void send_char(char c)
{
	char buf[2];
	size_t n = 0;

	if (ctrl) {
		if (c >= 'a' && c <= 'z')
			c -= 'a' - 1;
		else if (c >= '@' && c <= '_')
			c &= 0x1f;
		else if (c == ' ')
			c = 0;
	}
	/* Alt is Escape in front. */
	if (alt)
		buf[n++] = '\033';
	buf[n++] = c;
	send(buf, n);
}

static void key_pressed(uint8_t code, bool ext)
{
	const char *seq = sequence_of(code);
	char c;

	if (seq) {
		send(seq, strlen(seq));
		return;
	}
	if (ext) {
		/* Enter and / of the number pad. */
		if (code == 0x1c)
			send_char('\r');
		else if (code == 0x35)
			send_char('/');
		return;
	}
	if (code >= sizeof(plain) - 1)
		return;
	c = shift ? shifted[code] : plain[code];
	if (caps && c >= 'a' && c <= 'z')
		c -= 'a' - 'A';
	else if (caps && c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (c)
		send_char(c);
}

static void scan_code(uint8_t byte)
{
	bool release = byte & KEY_RELEASE, ext = extended;
	uint8_t code = byte & ~KEY_RELEASE;

	if (byte == KEY_EXTENDED) {
		extended = true;
		return;
	}
	extended = false;
	switch (code) {
	case KEY_CTRL:
		ctrl = !release;
		return;
	case KEY_LSHIFT:
	case KEY_RSHIFT:
		/* With the prefix it is not a key but the controller faking one. */
		if (!ext)
			shift = !release;
		return;
	case KEY_ALT:
		alt = !release;
		return;
	case KEY_CAPS:
		caps ^= !release;
		return;
	default:
		if (!release)
			key_pressed(code, ext);
	}
}

static void keyboard_interrupt(void *cookie)
{
	uint8_t status;

	(void)cookie;
	while ((status = port_in8(KBD_STATUS)) & STATUS_OUTPUT) {
		uint8_t byte = port_in8(KBD_DATA);

		if (!(status & STATUS_AUX))
			scan_code(byte);
	}
}

void keyboard_init(struct tty *tty)
{
	int err;

	/* Without a controller the bus reads as ones. */
	if (port_in8(KBD_STATUS) == 0xff)
		return;
	target = tty;
	/* What is in the buffer would keep the next key from raising an interrupt. */
	for (unsigned i = 0; i < 32 && (port_in8(KBD_STATUS) & STATUS_OUTPUT); i++)
		port_in8(KBD_DATA);
	err = irq_register(KBD_IRQ, keyboard_interrupt, NULL);
	if (err)
		klog_warn("keyboard: no interrupt (%d)", -err);
}
