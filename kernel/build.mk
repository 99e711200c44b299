# The kernel: every .c and .S below kernel/ and arch/x86/ belongs to it.

KERNEL_SRC := $(sort $(shell find kernel arch/x86 tests/kernel tests/contract -name '*.c' -o -name '*.S' 2>/dev/null))
KOBJ       := $(B)/$(VARIANT)/obj
KERNEL_OBJ := $(patsubst %,$(KOBJ)/%.o,$(KERNEL_SRC))

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
KCFLAGS  := -std=gnu17 -O2 -g -ffreestanding -nostdinc -isystem $(shell gcc -print-file-name=include) -Ikernel -Iarch/x86 \
	-m64 -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie -fno-stack-protector -fno-strict-aliasing \
	-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-common -fcf-protection=none -ffunction-sections \
	-fno-delete-null-pointer-checks $(WARNINGS)
ifeq ($(DEBUG),1)
KCFLAGS += -DQUIRE_DEBUG -fsanitize=undefined -fno-sanitize=alignment
endif

$(KOBJ)/%.o: %
	@mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)gcc $(KCFLAGS) -MMD -MP -MF $(@:.o=.d) -c -o $@ $<

-include $(KERNEL_OBJ:.o=.d)

.PHONY: kernel
kernel: $(B)/$(VARIANT)/quire
