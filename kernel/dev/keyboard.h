/* The PS/2 keyboard. */
#ifndef DEV_KEYBOARD_H
#define DEV_KEYBOARD_H

struct tty;
/* Keys go to that terminal from now on. Does nothing when there is no controller. */
void keyboard_init(struct tty *tty);

#endif
