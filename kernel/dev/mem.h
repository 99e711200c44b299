/* Physical memory as files: /dev/mem; the frame buffer: /dev/fb0. */
#ifndef DEV_MEM_H
#define DEV_MEM_H

void mem_device_init(void);
/* The standard adapter of QEMU and Bochs, if there is one. => after pci_init */
void bochs_fb_init(void);

#endif
