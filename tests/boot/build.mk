# Boot tests: QEMU driven over the serial console as a person would type.

BOOT_NEEDS = $(B)/release/quire $(B)/debug/quire $(B)/quire.iso $(B)/initrd.ext2 $(B)/test.ext2

.PHONY: test-boot test-boot-all
test-boot:
	$(Q)tools/setup build image iso run test
	$(Q)$(MAKE) --no-print-directory all-variants test-images iso
	$(Q)tests/boot/run $(TEST)

test-boot-all:
	$(Q)tools/setup build image iso run test
	$(Q)$(MAKE) --no-print-directory all-variants test-images iso
	$(Q)tests/boot/run --all-machines
