# The GRUB ISO: the kernel by Multiboot2, the root image as its module, both consoles on the serial line.

ISO_DIR := $(B)/iso

$(B)/quire.iso: $(B)/release/quire $(B)/initrd.ext2 arch/x86/grub.cfg arch/x86/iso.mk
	@echo "  ISO     $@"
	$(Q)rm -rf $(ISO_DIR) && mkdir -p $(ISO_DIR)/boot/grub
	$(Q)strip --strip-debug -o $(ISO_DIR)/boot/quire $(B)/release/quire
	$(Q)cp $(B)/initrd.ext2 $(ISO_DIR)/boot/initrd.ext2
	$(Q)cp arch/x86/grub.cfg $(ISO_DIR)/boot/grub/grub.cfg
	$(Q)grub-mkrescue -d /usr/lib/grub/i386-pc --fonts= --locales= --themes= -o $@ $(ISO_DIR) >$(B)/iso.log 2>&1 || \
		{ cat $(B)/iso.log; rm -f $@; exit 1; }

.PHONY: iso
iso: $(B)/quire.iso
