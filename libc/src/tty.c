/* Terminals. */
#include "syscall.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int tcgetattr(int fd, struct termios *tio)
{
	return (int)SYS(ioctl, fd, TCGETS, tio);
}

int tcsetattr(int fd, int action, const struct termios *tio)
{
	if (action < TCSANOW || action > TCSAFLUSH) {
		errno = EINVAL;
		return -1;
	}
	return (int)SYS(ioctl, fd, TCSETS + action, tio);
}

int tcdrain(int fd)
{
	return (int)SYS(ioctl, fd, TCSBRK, 1);
}

int tcflow(int fd, int action)
{
	return (int)SYS(ioctl, fd, TCXONC, action);
}

int tcflush(int fd, int queue)
{
	return (int)SYS(ioctl, fd, TCFLSH, queue);
}

int tcsendbreak(int fd, int duration)
{
	(void)duration;
	return (int)SYS(ioctl, fd, TCSBRK, 0);
}

pid_t tcgetpgrp(int fd)
{
	pid_t pgrp;

	return SYS(ioctl, fd, TIOCGPGRP, &pgrp) < 0 ? -1 : pgrp;
}

int tcsetpgrp(int fd, pid_t pgrp)
{
	return (int)SYS(ioctl, fd, TIOCSPGRP, &pgrp);
}

pid_t tcgetsid(int fd)
{
	pid_t sid;

	return SYS(ioctl, fd, TIOCGSID, &sid) < 0 ? -1 : sid;
}

void cfmakeraw(struct termios *tio)
{
	tio->c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	tio->c_oflag &= ~OPOST;
	tio->c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	tio->c_cflag = (tio->c_cflag & ~(CSIZE | PARENB)) | CS8;
	tio->c_cc[VMIN] = 1;
	tio->c_cc[VTIME] = 0;
}

speed_t cfgetospeed(const struct termios *tio)
{
	return tio->c_cflag & CBAUD;
}

speed_t cfgetispeed(const struct termios *tio)
{
	return cfgetospeed(tio);
}

int cfsetospeed(struct termios *tio, speed_t speed)
{
	if (speed & ~(speed_t)CBAUD) {
		errno = EINVAL;
		return -1;
	}
	tio->c_cflag = (tio->c_cflag & ~CBAUD) | speed;
	return 0;
}

int cfsetispeed(struct termios *tio, speed_t speed)
{
	return speed ? cfsetospeed(tio, speed) : 0;
}

int isatty(int fd)
{
	struct termios tio;

	return tcgetattr(fd, &tio) == 0;
}

/* => 0 or the error number. The kernel knows the name of every open file. */
int ttyname_r(int fd, char *buf, size_t len)
{
	char link[32];
	ssize_t n;

	if (!isatty(fd))
		return errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, len);
	if (n < 0)
		return errno;
	if ((size_t)n == len)
		return ERANGE;
	buf[n] = 0;
	return 0;
}

char *ttyname(int fd)
{
	static char buf[TTY_NAME_MAX];
	int err = ttyname_r(fd, buf, sizeof(buf));

	if (!err)
		return buf;
	errno = err;
	return NULL;
}

char *ctermid(char *buf)
{
	static char own[] = "/dev/tty";

	return buf ? strcpy(buf, own) : own;
}
