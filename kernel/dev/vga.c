/*
 * VGA registers: four groups behind an index and a data port each, and the miscellaneous output.
 * The attribute controller has one port for both, and a flip-flop that a read of the status resets.
 *
 * Source: IBM VGA Technical Reference.
 */
#include "dev/vga.h"

#include "cpu.h"

#define ATTR_PORT   0x3c0u
#define ATTR_READ   0x3c1u
#define ATTR_ENABLE 0x20u /* in its index: the screen is shown */
#define MISC_WRITE  0x3c2u
#define SEQ_INDEX   0x3c4u
#define MISC_READ   0x3ccu
#define GFX_INDEX   0x3ceu
#define CRTC_INDEX  0x3d4u
#define STATUS	    0x3dau

#define SEQ_RESET	  0
#define SEQ_RESET_STOP	  0x01u
#define SEQ_RESET_RUN	  0x03u
#define CRTC_SYNC_END	  0x11u
#define CRTC_SYNC_PROTECT 0x80u /* registers 0 to 7 cannot be written */

static uint8_t read_indexed(uint16_t port, unsigned i)
{
	port_out8(port, (uint8_t)i);
	return port_in8((uint16_t)(port + 1));
}

static void write_indexed(uint16_t port, unsigned i, uint8_t v)
{
	port_out8(port, (uint8_t)i);
	port_out8((uint16_t)(port + 1), v);
}

void vga_save(struct vga_state *s)
{
	uint8_t crtc_index = port_in8(CRTC_INDEX);

	s->misc = port_in8(MISC_READ);
	for (unsigned i = 0; i < ARRAY_SIZE(s->seq); i++)
		s->seq[i] = read_indexed(SEQ_INDEX, i);
	for (unsigned i = 0; i < ARRAY_SIZE(s->crtc); i++)
		s->crtc[i] = read_indexed(CRTC_INDEX, i);
	for (unsigned i = 0; i < ARRAY_SIZE(s->gfx); i++)
		s->gfx[i] = read_indexed(GFX_INDEX, i);
	for (unsigned i = 0; i < ARRAY_SIZE(s->attr); i++) {
		port_in8(STATUS);
		port_out8(ATTR_PORT, (uint8_t)i);
		s->attr[i] = port_in8(ATTR_READ);
	}
	port_in8(STATUS);
	port_out8(ATTR_PORT, ATTR_ENABLE);
	port_out8(CRTC_INDEX, crtc_index);
}

void vga_restore(const struct vga_state *s)
{
	port_out8(MISC_WRITE, s->misc);
	write_indexed(SEQ_INDEX, SEQ_RESET, SEQ_RESET_STOP);
	for (unsigned i = 1; i < ARRAY_SIZE(s->seq); i++)
		write_indexed(SEQ_INDEX, i, s->seq[i]);
	write_indexed(SEQ_INDEX, SEQ_RESET, SEQ_RESET_RUN);
	write_indexed(
		CRTC_INDEX, CRTC_SYNC_END, s->crtc[CRTC_SYNC_END] & (uint8_t)~CRTC_SYNC_PROTECT);
	for (unsigned i = 0; i < ARRAY_SIZE(s->crtc); i++)
		if (i != CRTC_SYNC_END)
			write_indexed(CRTC_INDEX, i, s->crtc[i]);
	write_indexed(CRTC_INDEX, CRTC_SYNC_END, s->crtc[CRTC_SYNC_END]);
	for (unsigned i = 0; i < ARRAY_SIZE(s->gfx); i++)
		write_indexed(GFX_INDEX, i, s->gfx[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(s->attr); i++) {
		port_in8(STATUS);
		port_out8(ATTR_PORT, (uint8_t)i);
		port_out8(ATTR_PORT, s->attr[i]);
	}
	port_in8(STATUS);
	port_out8(ATTR_PORT, ATTR_ENABLE);
}
