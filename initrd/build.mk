# The root image, and the one for tests: the same plus /tests.

IMAGE_KIB      := 7168
TEST_IMAGE_KIB := 20480

INITRD_PROGS := $(patsubst %,$(USER_BIN)/stripped/%,sh $(USER_NAMES))
INITRD_ETC   := $(shell find initrd/tree -type f)
INITRD_FILES := $(foreach p,$(filter-out init,sh $(USER_NAMES)),bin/$(p)=$(USER_BIN)/stripped/$(p)) \
	sbin/init=$(USER_BIN)/stripped/init init=link:sbin/init bin/reboot=link:poweroff bin/halt=link:poweroff bin/busybox=$(B)/busybox \
	$(patsubst initrd/tree/%,%,$(foreach f,$(INITRD_ETC),$(f)=$(f))) \
	dev=dir proc=dir tmp=dir root=dir mnt=dir

.PHONY: test-images
test-images: $(B)/initrd.ext2 $(B)/test.ext2

$(B)/busybox: initrd/fetch-busybox
	@echo '  FETCH   busybox'
	$(Q)initrd/fetch-busybox $@

$(B)/initrd.ext2: $(INITRD_PROGS) $(B)/busybox $(INITRD_ETC) initrd/make-image initrd/build.mk
	@echo '  IMAGE   $@'
	$(Q)initrd/make-image $@ $(IMAGE_KIB) $(INITRD_FILES)

# TEST_FILES comes from tests/user/build.mk, which is read later: hence the second expansion.
.SECONDEXPANSION:
$(B)/test.ext2: $(INITRD_PROGS) $(B)/busybox $(INITRD_ETC) $$(TEST_FILE_SOURCES) initrd/make-image initrd/build.mk
	@echo '  IMAGE   $@'
	$(Q)initrd/make-image $@ $(TEST_IMAGE_KIB) $(INITRD_FILES) $(TEST_FILES)
