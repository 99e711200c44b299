/*
 * The line discipline: what lies between the characters of the hardware and those that programs
 * read and write. No locks, no sleeping, no job control: tty.c has those; hence it compiles on the
 * host.
 */
#ifndef DEV_TTY_LDISC_H
#define DEV_TTY_LDISC_H

#include "abi/termios.h"
#include "lib/base.h"

#define LDISC_RING 4096u

struct tty_ldisc {
	struct ktermios2_abi t;
	/* Input: free-running indices; tail <= canon <= head. Between tail and canon: lines that
	 * can be read; from there to head: the line that is being edited. */
	uint16_t ring[LDISC_RING];
	uint32_t head, canon, tail;
	unsigned column;     /* of the cursor, as far as output tells */
	unsigned line_start; /* column where the edited line began */
	bool literal;	     /* ^V: the next character is taken as it is */
	bool stopped;	     /* ^S: output waits */
	uint32_t signals;    /* bit n: signal n is to be sent to the foreground group; the caller
				clears it */
	void (*put)(void *cookie, const char *s, size_t n); /* to the hardware */
	void *cookie;
};

void ldisc_init(
	struct tty_ldisc *l, void (*put)(void *cookie, const char *s, size_t n), void *cookie);
/* A character came from the hardware. */
void ldisc_input(struct tty_ldisc *l, uint8_t c);
/* Characters written by a program, with the output flags. */
void ldisc_output(struct tty_ldisc *l, const char *s, size_t n);
/* Bytes (canonical: of finished lines) that can be read; a line of length 0 (^D) counts as
 * readable. */
size_t ldisc_available(const struct tty_ldisc *l);
bool ldisc_readable(const struct tty_ldisc *l);
/* Take up to n bytes; canonical: of one line. *ended: the line (or, raw, what was there) ended with
 * them. */
size_t ldisc_read(struct tty_ldisc *l, char *buf, size_t n, bool *ended);
void ldisc_flush_input(struct tty_ldisc *l);
/* New flags and characters. */
void ldisc_set(struct tty_ldisc *l, const struct ktermios2_abi *t);

#endif
