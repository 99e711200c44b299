# In-kernel tests: KTAP from the booted kernel, both variants. TEST=PATTERN runs those whose name contains it.

.PHONY: test-kernel
test-kernel:
	$(Q)tools/setup build run test
	$(Q)$(MAKE) --no-print-directory all-variants
	$(Q)/usr/bin/python3 tests/kernel/run $(if $(TEST),--test '$(TEST)')
