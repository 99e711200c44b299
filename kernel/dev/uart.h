/* The first serial line: a 16550 at port 0x3f8. */
#ifndef DEV_UART_H
#define DEV_UART_H

struct tty;
/* ttyS0, or NULL when there is no such chip. */
struct tty *uart_init(void);

#endif
