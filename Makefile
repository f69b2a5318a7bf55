# SPDX-License-Identifier: Apache-2.0
# slipway - one Makefile, no recursion. `make help` lists the targets.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1)

# What to build: make [DEV=1] [ASAN=1|COV=1] [STATIC=1] [CC=clang] [V=1]
prefix     ?= /usr/local
bindir     ?= $(prefix)/bin
libexecdir ?= $(prefix)/libexec/slipway
mandir     ?= $(prefix)/share/man
docdir     ?= $(prefix)/share/doc/slipway
systemddir ?= $(prefix)/lib/systemd
ifeq ($(origin CC),default)
CC := gcc
endif
PKG_CONFIG ?= pkg-config
INSTALL    ?= install
MUSL_CC    ?= musl-gcc
CFLAGS     ?= -O2 -g

variant := $(CC)$(if $(ASAN),-asan)$(if $(COV),-cov)$(if $(STATIC),-static)$(if $(FUZZ),-fuzz)
out     := build/$(variant)

# Folders from the ground up; each is one static library.
folders := base compose image netns cgroupfs runtime pod

# Programs: the folder with their main file, and the libraries they link.
# Only slipway-fetch pays for libcurl and libarchive at start-up. Libraries named
# in _archives are linked into the program: each shared object costs 50 to 100 us
# of every start. SHARED=1 links them as shared objects too. libsmartcols is loaded
# when there is a table to print (cli/table.c); nothing of libm is used by slipway.
slipway_dir        := cli
slipway_archives   := libnftnl libseccomp libcap yaml-0.1 jansson libevent_core libmd
slipway_pkgs       := libmnl
slipway-oci_dir    := runtime/oci
slipway-oci_archives := libseccomp libcap jansson
slipway-oci_pkgs   :=
slipway-fetch_dir  := image/fetch
slipway-fetch_pkgs := libcurl libarchive libcrypto libisal libzstd jansson libseccomp libcap
slipway-executor_dir := mesos
slipway-executor_archives := $(slipway_archives)
slipway-executor_pkgs := libmnl libcurl
slipway-docker_dir := mesos/docker
slipway-docker_archives := $(slipway_archives)
slipway-docker_pkgs := libmnl
programs           := $(foreach p,slipway slipway-oci slipway-fetch slipway-executor slipway-docker,$(if $(wildcard $($(p)_dir)/*.c),$(p)))
all_pkgs           := $(sort $(foreach p,$(programs),$($(p)_archives) $($(p)_pkgs)))

warnings := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wwrite-strings -Wvla -Wformat=2 -Wpointer-arith -Wundef -Wimplicit-fallthrough $(if $(DEV),-Werror)
hardening := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fPIE
override CPPFLAGS += -I. -I$(out) -D_GNU_SOURCE -DSLIPWAY_VERSION='"$(VERSION)"' \
	-DSLIPWAY_LIBEXECDIR='"$(libexecdir)"' -MMD -MP
override CFLAGS   += -std=gnu17 $(warnings)
override LDFLAGS  += $(if $(STATIC),-static,-pie) -Wl,-z,relro,-z,now -Wl,--as-needed

ifdef ASAN
override CFLAGS += -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
else ifdef COV
override CFLAGS += -O0 --coverage
else ifdef FUZZ
override CFLAGS += -O1 -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
else
override CFLAGS += $(hardening)
endif

ifneq ($(V),1)
say = @printf '  %-5s %s\n' $(1) $(2);
endif

.DELETE_ON_ERROR:
.PHONY: all demo test test-mesos test-vm check check-root bench golden fuzz tidy fmt fmt-check layers docs man install clean help
all: $(programs:%=$(out)/%) ## the programs (default)

objects = $(patsubst %.c,$(out)/%.o,$(sort $(wildcard $(1)/*.c)))
library = $(out)/lib$(1).a

$(out)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

define folder_rule
$(call library,$(1)): $(call objects,$(1))
	$$(call say,AR,$$@)rm -f $$@ && $$(AR) rcs $$@ $$^
endef
$(foreach f,$(folders),$(eval $(call folder_rule,$(f))))

# Highest first, so that each library finds what it needs to its right.
reverse = $(if $(1),$(call reverse,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
libs := $(foreach f,$(call reverse,$(folders)),$(call library,$(f)))
pkg_libs = $(if $(strip $(1)),$(shell $(PKG_CONFIG) $(if $(STATIC),--static) --libs $(1)))
archive_libs = $(if $(SHARED)$(STATIC),$(call pkg_libs,$(1)),-Wl,-Bstatic $(call pkg_libs,$(1)) -Wl,-Bdynamic)

define program_rule
$(out)/$(1): $(call objects,$($(1)_dir)) $(libs)
	$$(call say,LD,$$@)$$(CC) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$^ $$(if $($(1)_archives),$$(call archive_libs,$($(1)_archives))) $$(call pkg_libs,$($(1)_pkgs)) -lm
endef
$(foreach p,$(programs),$(eval $(call program_rule,$(p))))

# Static programs without glibc (tens of kilobytes), carried inside the others. The headers
# of the kernel are where those of glibc are, which come last.
kernel_headers := -idirafter /usr/include -idirafter /usr/include/$(shell $(CC) -print-multiarch)
init_sources := $(wildcard runtime/init/*.c) $(addprefix runtime/,capset.c hook.c mount.c rootfs.c sysctl.c user.c wire.c) \
	$(addprefix base/,err.c fd.c log.c mem.c proc.c str.c)
$(out)/slipway-pause: pod/pause/pause.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)$(MUSL_CC) -std=gnu17 -Os $(warnings) -static -s -o $@ $<
$(out)/musl/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)$(MUSL_CC) -I. -D_GNU_SOURCE $(kernel_headers) -MMD -MP -std=gnu17 -Os -ffunction-sections $(warnings) -c -o $@ $<
$(out)/slipway-init: $(init_sources:%.c=$(out)/musl/%.o)
	$(call say,LD,$@)$(MUSL_CC) -static -s -Wl,--gc-sections -o $@ $^
$(out)/runtime/program.o: $(out)/slipway-init
$(out)/runtime/program.o: override CPPFLAGS += -DSLIPWAY_INIT='"$(out)/slipway-init"'
$(out)/pod/pause.o: $(out)/slipway-pause
$(out)/pod/pause.o: override CPPFLAGS += -DSLIPWAY_PAUSE='"$(out)/slipway-pause"'

# ------------------------------------------------------------------ tests
unit_tests := $(patsubst tests/unit/%.c,$(out)/tests/unit/%,$(wildcard tests/unit/*.c))
fetch_objects := $(filter-out %/main.o,$(call objects,image/fetch))
oci_objects := $(filter-out %/main.o,$(call objects,runtime/oci))
cli_objects := $(filter-out %/main.o,$(call objects,cli))
mesos_objects := $(filter-out %/main.o,$(call objects,mesos))
$(unit_tests): %: %.o $(out)/tests/check.o $(fetch_objects) $(oci_objects) $(cli_objects) $(mesos_objects) $(libs)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(all_pkgs) check) -lm

unit: all $(unit_tests)
	prove -Q --exec '' $(unit_tests)
golden: $(out)/tests/unit/pod_plan ## rewrite tests/golden, for review
	GOLDEN=write $< projects_have_the_plans_that_were_reviewed
check: all $(unit_tests) layers ## unit and command-line tests, no root needed
	PATH=$(CURDIR)/$(out):$$PATH prove --exec '' $(unit_tests) $(wildcard tests/cli/*.bats)
check-root: all ## the tests that make namespaces, mounts and cgroups
	PATH=$(CURDIR)/$(out):$$PATH scripts/in-test-host prove --exec '' $(wildcard tests/root/*.bats)
test: ## installs what is needed, then every suite (./scripts/test)
	scripts/test
test-mesos: ## the Mesos scenarios on a real master and agent (MESOS_PREFIX=DIR, where they are installed)
	@if [ -x "$(MESOS_PREFIX)/sbin/mesos-agent" ]; then MESOS_PREFIX="$(MESOS_PREFIX)" scripts/test mesos; else \
		echo 'SKIPPED: there is no Mesos: MESOS_PREFIX should be the directory in which there is sbin/mesos-agent' >&2; \
		echo '0 passed, 0 failed, 1 skipped'; fi
test-vm: ## in a virtual machine with systemd and pure cgroup v2 (scripts/vm)
	scripts/test vm
demo: ## installs what is needed, builds, runs a real pod (./scripts/demo)
	scripts/demo
bench: all ## start latency beside whatever else is installed
	PATH=$(CURDIR)/$(out):$$PATH bench/run

fuzz_time ?= 60
fuzz_targets := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
fuzz: ## sixty seconds per target (fuzz_time=SECONDS)
	@for t in $(fuzz_targets); do \
		$(MAKE) -s CC=clang FUZZ=1 build/clang-fuzz/tests/fuzz/$$t && mkdir -p build/corpus/$$t && \
		build/clang-fuzz/tests/fuzz/$$t -max_total_time=$(fuzz_time) -timeout=10 -rss_limit_mb=2048 \
			-verbosity=0 -print_final_stats=1 build/corpus/$$t tests/fuzz/$$t.corpus || exit 1; done
$(out)/tests/fuzz/%: $(out)/tests/fuzz/%.o $(fetch_objects) $(oci_objects) $(mesos_objects) $(libs)
	$(call say,LD,$@)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(call pkg_libs,$(all_pkgs)) -lm

# ------------------------------------------------------------------ the tree
layers: ## the floor plan: who may include whom
	$(call say,CHECK,layers)scripts/check-layers
source_dirs := $(folders) cli mesos mesos/docker runtime/oci runtime/init image/fetch pod/pause tests tests/unit tests/fuzz bench
sources := $(wildcard $(addsuffix /*.[ch],$(source_dirs)))
fmt: ## format every file in place
	clang-format -i $(sources)
fmt-check:
	@clang-format --dry-run -Werror $(sources)
tidy: $(out)/slipway-pause ## clang-tidy and cppcheck
	clang-tidy --quiet $(filter-out tests/% bench/% pod/pause/% runtime/init/%,$(filter %.c,$(sources))) -- $(filter-out -MMD -MP,$(CPPFLAGS)) -std=gnu17
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 -I. -D_GNU_SOURCE --suppress=missingIncludeSystem $(filter-out tests/% bench/%,$(filter %.c,$(sources)))
docs: all ## docs/compose.md from the attribute table
	$(out)/slipway config --reference > docs/compose.md

# The pages are made by slipway itself of its tables; scdoc makes them what man reads.
SCDOC ?= $(shell command -v scdoc)
man: $(out)/slipway ## man pages, into build/.../man; needs scdoc
	@test -n '$(SCDOC)' || { echo 'man: scdoc is missing'; exit 1; }
	@mkdir -p $(out)/man
	$(call say,MAN,$(out)/man)for p in $$($(out)/slipway completion man); do \
		$(out)/slipway completion man $$p >$(out)/man/page.scd && \
		$(SCDOC) <$(out)/man/page.scd >$(out)/man/$$p || exit 1; done; rm $(out)/man/page.scd

fill = 's|@bindir@|$(bindir)|; s|@docdir@|$(docdir)|; s|@unitdir@|$(systemddir)/system|'
install: all $(if $(SCDOC),man) ## into $(DESTDIR)$(prefix)
	$(INSTALL) -d $(DESTDIR)$(bindir) $(DESTDIR)$(libexecdir)
	$(INSTALL) -m 755 $(out)/slipway $(out)/slipway-oci $(out)/slipway-executor $(out)/slipway-docker $(DESTDIR)$(bindir)
	$(INSTALL) -m 755 $(out)/slipway-fetch $(DESTDIR)$(libexecdir)
	$(if $(SCDOC),$(INSTALL) -d $(DESTDIR)$(mandir)/man1 $(DESTDIR)$(mandir)/man5)
	$(if $(SCDOC),$(INSTALL) -m 644 $(out)/man/*.1 $(DESTDIR)$(mandir)/man1)
	$(if $(SCDOC),$(INSTALL) -m 644 $(out)/man/*.5 $(DESTDIR)$(mandir)/man5)
	$(INSTALL) -d $(DESTDIR)$(docdir) $(DESTDIR)$(systemddir)/system $(DESTDIR)$(systemddir)/system-generators
	$(INSTALL) -m 644 docs/systemd.md $(DESTDIR)$(docdir)
	sed $(fill) scripts/slipway.service > $(DESTDIR)$(systemddir)/system/slipway.service
	sed $(fill) scripts/slipway-pod@.service > $(DESTDIR)$(systemddir)/system/slipway-pod@.service
	sed $(fill) scripts/slipway-generator > $(DESTDIR)$(systemddir)/system-generators/slipway-generator
	chmod 755 $(DESTDIR)$(systemddir)/system-generators/slipway-generator

clean: ## remove build/
	rm -rf build
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' Makefile

-include $(shell find $(out) -name '*.d' 2>/dev/null)
