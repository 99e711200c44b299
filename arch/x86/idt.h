/* The interrupt descriptor table: one for all CPUs. */
#ifndef X86_IDT_H
#define X86_IDT_H

void idt_init(void); /* once */
void idt_load(void); /* each CPU */

#endif
