/* The VGA text screen as a terminal. */
#ifndef DEV_CONSOLE_H
#define DEV_CONSOLE_H

struct tty;
/* tty0 (and tty1), or NULL when the machine has no text screen. */
struct tty *console_init(void);
/* Somebody else shows something on the screen; it is text again, as the terminal left it. Nothing
 * happens when there is no text screen. */
void console_hide(void);
void console_show(void);

#endif
