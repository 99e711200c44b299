#ifndef _SYS_SYSMACROS_H
#define _SYS_SYSMACROS_H

#define major(d) ((unsigned int)((((d) >> 32) & 0xfffff000) | (((d) >> 8) & 0xfff)))
#define minor(d) ((unsigned int)((((d) >> 12) & 0xffffff00) | ((d)&0xff)))
#define makedev(ma, mi)                                                                      \
	((((ma)&0xfffff000UL) << 32) | (((ma)&0xfffUL) << 8) | (((mi)&0xffffff00UL) << 12) | \
		((mi)&0xffUL))

#endif
