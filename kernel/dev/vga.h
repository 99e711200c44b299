/* The registers of a VGA adapter, to come back to what it showed before. */
#ifndef DEV_VGA_H
#define DEV_VGA_H

#include "lib/base.h"

struct vga_state {
	uint8_t misc, seq[5], crtc[25], gfx[9], attr[21];
};

/* Read and write them all. => nobody else uses the adapter's index registers meanwhile */
void vga_save(struct vga_state *s);
void vga_restore(const struct vga_state *s);

#endif
