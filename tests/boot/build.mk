# Boot tests: QEMU driven over the serial console as a person would type.

BOOT_NEEDS = $(B)/release/quire $(B)/debug/quire $(B)/quire.iso $(B)/initrd.ext2 $(B)/test.ext2

.PHONY: test-boot test-boot-all test-churn
test-boot:
	$(Q)tools/setup build image iso run test
	$(Q)$(MAKE) --no-print-directory all-variants test-images iso
	$(Q)tests/boot/run $(TEST)

test-boot-all:
	$(Q)tools/setup build image iso run test
	$(Q)$(MAKE) --no-print-directory all-variants test-images iso
	$(Q)tests/boot/run --all-machines

# A million areas of random sizes, mapped, touched and unmapped: every frame comes back, and they lie together.
test-churn:
	$(Q)$(MAKE) --no-print-directory all-variants test-images iso
	$(Q)CHURN=1000000 tests/boot/run lies_together
