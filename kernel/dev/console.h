/* The VGA text screen as a terminal. */
#ifndef DEV_CONSOLE_H
#define DEV_CONSOLE_H

struct tty;
/* tty0 (and tty1), or NULL when the machine has no text screen. */
struct tty *console_init(void);

#endif
