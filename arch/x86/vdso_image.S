/* The vDSO's file, as the kernel hands it out (VDSO_SO: kernel/build.mk). */
	.section .rodata
	.balign 4096
	.globl vdso_image_start, vdso_image_end
vdso_image_start:
	.incbin VDSO_SO
vdso_image_end:
