# SPDX-License-Identifier: BSD-2-Clause
#
# Pagoda's build: kernel, user programs, ISO, and the commands of every day (make help).
#
# Nothing is listed: a source file in one of the folders below is built because it is there.  All
# output goes to build/.  What is made, in order:
#
#	kernel objects --link--> pagoda.pass1 --tools/ksyms--> ksyms.o --link--> pagoda.elf
#	user/lib/*     ------->  libpagoda.a
#	user/{bin,servers,tests}/NAME.c + libpagoda.a --> user/{bin,sbin,tests}/NAME --> archive.tar
#	pagoda.elf + archive.tar + iso/grub.cfg --> pagoda.iso

## make run [SMP=n] [MEM=512M] [UEFI=1] [GUI=1]  install what is missing, build, boot to a prompt
##                                                (leave with Ctrl-A X)
## make test                      all tests; the last line is "N passed, N failed"
## make test-host                 vm/ as a host program, under the sanitizers
## make test-race [SECONDS=n] [SEED=n] [T=text]  only its threads, for any length of time
## make fuzz-model [STEPS=n] [SEED=n]   random operations on vm/ and on a model; a failure is shrunk
## make fuzz [SECONDS=n] [KEEP=1]  likewise by libFuzzer (clang); KEEP: its finds join the corpus
## make test-plants [P=text]      do host tests notice planted faults?
## make test-models [M=text]      all states of the models of the kernel's protocols, by Spin
## make test-qemu [T=pattern] [SMP=n]             boots and user programs, on 1, 2 and 4 processors
## make test-bochs                x2APIC and PCIDs, which QEMU's processors lack, in Bochs
## make torture [SECONDS=n] [SEED=n] [SMP=n]      many threads at once, random operations
## make boots [N=50] [SMP=4]      boot again and again: does each processor come, each time?
## make coverage                  what of vm/ the tests of host and machine execute
## make gdb [T="program arg ..."]  QEMU stopped at the first instruction, GDB attached
## make gdb-replay [T="program arg ..."] [CMDLINE="words for the kernel"]
##                                a recorded run under GDB, forwards and backwards
## make mutate [F=vm_fault.c]    do the host tests notice small faults in vm/?  (minutes)
## make bench [G="group ..."]     what things cost, in instructions (release kernel)
## make bench-host                what operations on maps cost, by the size of the map: table, plot
## make profile T=program [A="arguments"] [F=function] [N=operations] [L=1]
##                                where the instructions go, by function (L: and by line)
## make bench-linux [G="name ..."] the same work on Linux, for comparison (Debian only)
## make bench-smp                 two processors, here and on Linux, by the clock on the wall
## make all | kernel | user | iso build only
## make lint | format             check the sources | let clang-format lay them out
## make man [P=vm_map_protect]    the manual pages to build/man, as text and HTML | show one
## make setup | doctor            install what is missing | say what is wrong with this machine
## make clean                     remove build/
##
## Variables: BUILD=debug|release|coverage  CROSS_COMPILE=x86_64-elf-  CC=clang  V=1 (show commands)
##            JOBS=n (tests at once)

BUILD ?= debug
O     ?= build/$(BUILD)
MEM   ?= 512M
# Programs are tested with each of these numbers of processors; SMP=n: with that one.
TEST_CPUS := $(or $(SMP),1 2 4)
SMP   ?= 1
T     ?=

# --- Tools -----------------------------------------------------------------------------------

ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
ifeq ($(origin LD),default)
LD := $(CROSS_COMPILE)ld
endif
ifeq ($(origin AR),default)
AR := $(CROSS_COMPILE)ar
endif
NM           ?= $(CROSS_COMPILE)nm
OBJCOPY      ?= $(CROSS_COMPILE)objcopy
TAR          ?= tar
CLANG_FORMAT ?= clang-format
CLANG_TIDY   ?= clang-tidy
PYTHON       ?= python3
PROVE        ?= prove
JOBS         ?= $(shell nproc 2>/dev/null || echo 2)

# Asked once, and only when a recipe needs it: `make run` must work before there is a compiler.
CC_HEADERS = $(eval CC_HEADERS := $$(shell $(CC) -print-file-name=include))$(CC_HEADERS)

ifneq ($(findstring clang,$(notdir $(CC))),)
CC_TARGET := --target=x86_64-unknown-none-elf
endif

# --- Flags -----------------------------------------------------------------------------------

# A call in place of a return would hide the caller from a backtrace.
CONFIG_debug   := -DCONFIG_DEBUG -fno-optimize-sibling-calls
# GCC alone would call many small functions of the fault path (docs/decisions.md, Speed).
CONFIG_release := $(if $(CC_TARGET),,-finline-limit=400)
CONFIG_coverage := $(CONFIG_debug) -DCONFIG_COVERAGE
SANITIZE_debug := -fsanitize=undefined
# As the source says it, without what the optimiser makes of it: branches are counted as well.
COUNT_coverage = -O0 -Wframe-larger-than=4096 --coverage -fprofile-info-section
COUNTER_coverage = $(if $(CC_TARGET),$(error BUILD=coverage is for gcc),$(shell \
	$(CC) -print-file-name=libgcov.a))

ifeq ($(filter undefined,$(origin CONFIG_$(BUILD))),undefined)
$(error BUILD=$(BUILD) is not a kind of build; there are debug, release and coverage)
endif

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wundef -Wvla -Wwrite-strings -Wpointer-arith

# Only the compiler's own headers (stdint.h, stddef.h …): what the host has must not leak in.
COMMON_FLAGS = $(CC_TARGET) -std=gnu11 -ffreestanding -nostdinc -isystem $(CC_HEADERS) \
	-O2 -g -fno-stack-protector -fcf-protection=none -fno-omit-frame-pointer \
	-fno-strict-aliasing -fno-common $(WARNINGS) $(CONFIG_$(BUILD))

KERNEL_INCLUDES := -I. -Iarch/x86_64/include -Iuser/include
KERNEL_FLAGS = $(COMMON_FLAGS) $(KERNEL_INCLUDES) -DPAGODA_KERNEL -fno-pic -fno-pie \
	-mcmodel=kernel -mno-red-zone -mgeneral-regs-only -Wframe-larger-than=2048
KERNEL_LDFLAGS := -nostdlib -static -z max-page-size=4096 -z noexecstack --build-id=none \
	--fatal-warnings -T linker.ld

USER_INCLUDES := -Iuser/include -I.
USER_FLAGS = $(COMMON_FLAGS) $(USER_INCLUDES) -ffunction-sections -fdata-sections
USER_LDFLAGS := -nostdlib -z max-page-size=4096 -z separate-code -z noexecstack \
	--build-id=none --gc-sections -u _start -e _start

# --- Sources ---------------------------------------------------------------------------------

KERNEL_SRCS := $(sort $(wildcard boot/*.[cS] arch/x86_64/*.[cS] kernel/base/*.c kernel/*.c vm/*.c))
KERNEL_OBJS := $(KERNEL_SRCS:%=$(O)/obj/%.o)

LIB_SRCS := $(sort $(wildcard user/lib/*.[cS]))
LIB_OBJS := $(LIB_SRCS:%=$(O)/obj/%.o)

PROGRAM_SRCS := $(sort $(wildcard user/bin/*.c user/servers/*.c user/tests/*.c))
# A program of several files has the others in a folder of its name.
PART_SRCS    := $(sort $(wildcard user/bin/*/*.c))
PROGRAM_OBJS := $(PROGRAM_SRCS:%=$(O)/obj/%.o) $(PART_SRCS:%=$(O)/obj/%.o)
PROGRAMS     := $(sort $(patsubst user/bin/%.c,bin/%,$(patsubst user/servers/%.c,sbin/%, \
	$(patsubst user/tests/%.c,tests/%,$(PROGRAM_SRCS)))))


# --- Building --------------------------------------------------------------------------------

.PHONY: all kernel user iso
all: $(O)/pagoda.elf $(O)/archive.tar
kernel: $(O)/pagoda.elf
user: $(O)/archive.tar
iso: $(O)/pagoda.iso

.DELETE_ON_ERROR:
.SECONDARY:
.SUFFIXES:
Q = $(if $(V),,@)
say = @printf '  %-8s%s\n' '$(1)' '$(2)'

# $(call record,TEXT): write TEXT to the target if it is not there already.  What depends on the
# target is rebuilt when a flag or the list of sources changes, and only then.
record = @mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(1))' | cmp -s - $@ || \
	printf '%s\n' '$(subst ','\'',$(1))' > $@

.PHONY: FORCE
$(O)/kernel.flags: FORCE | compiler
	$(call record,$(CC) $(KERNEL_FLAGS) $(SANITIZE_$(BUILD)) $(COUNT_$(BUILD)))
$(O)/user.flags: FORCE | compiler
	$(call record,$(CC) $(USER_FLAGS))
$(O)/kernel.list: FORCE
	$(call record,$(LD) $(KERNEL_LDFLAGS) $(KERNEL_OBJS))
$(O)/user.list: FORCE
	$(call record,$(LD) $(USER_LDFLAGS) $(LIB_OBJS) $(PROGRAMS))

.PHONY: compiler
compiler:
	@tools/check-compiler '$(CC) $(CC_TARGET)' '$(LD)'

# What BUILD=coverage counts in.
$(O)/obj/vm/%.c.o: COUNT = $(COUNT_$(BUILD))

# The sanitizer's runtime must not call itself.
$(O)/obj/kernel/base/ubsan.c.o: SANITIZE_$(BUILD) :=

$(O)/obj/user/%.c.o: user/%.c $(O)/user.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(USER_FLAGS) $(USER_PIC) -MMD -MP -c -o $@ $<

$(O)/obj/user/%.S.o: user/%.S $(O)/user.flags
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(USER_FLAGS) $(USER_PIC) -MMD -MP -c -o $@ $<

$(O)/obj/%.c.o: %.c $(O)/kernel.flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_FLAGS) $(SANITIZE_$(BUILD)) $(COUNT) -MMD -MP -c -o $@ $<

$(O)/obj/%.S.o: %.S $(O)/kernel.flags
	$(call say,AS,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(KERNEL_FLAGS) -MMD -MP -c -o $@ $<

-include $(KERNEL_OBJS:.o=.d) $(LIB_OBJS:.o=.d) $(PROGRAM_OBJS:.o=.d)

# The kernel is linked twice: with an empty symbol table, and with the table made from that link.
$(O)/obj/ksyms-empty.S: tools/ksyms
	@mkdir -p $(@D)
	$(Q)tools/ksyms < /dev/null > $@

$(O)/pagoda.pass1: $(KERNEL_OBJS) $(O)/obj/ksyms-empty.o linker.ld $(O)/kernel.list
	$(call say,LD,$@)
	$(Q)$(LD) $(KERNEL_LDFLAGS) -o $@ $(KERNEL_OBJS) $(O)/obj/ksyms-empty.o $(COUNTER_$(BUILD))

$(O)/obj/ksyms-table.S: $(O)/pagoda.pass1 tools/ksyms
	$(Q)$(NM) -n $< | tools/ksyms > $@

$(O)/obj/ksyms-%.o: $(O)/obj/ksyms-%.S
	$(Q)$(CC) $(CC_TARGET) -c -o $@ $<

$(O)/pagoda.elf: $(O)/pagoda.pass1 $(O)/obj/ksyms-table.o tools/check-image
	$(call say,LD,$@)
	$(Q)$(LD) $(KERNEL_LDFLAGS) -o $@ $(KERNEL_OBJS) $(O)/obj/ksyms-table.o $(COUNTER_$(BUILD))
	$(Q)tools/check-image $< $@

# User programs are static; one named *_pie is position independent and relocates itself, so the
# library serves both kinds.
$(LIB_OBJS) $(filter %_pie.c.o,$(PROGRAM_OBJS)): USER_PIC := -fpie
$(filter-out %_pie.c.o,$(PROGRAM_OBJS)): USER_PIC := -fno-pic -fno-pie
$(O)/user/%_pie: USER_LINK := -pie --no-dynamic-linker -z text
USER_LINK := -static
# It reads the clock in its very first instruction.
$(O)/user/bin/bench: USER_LINK := -static -e bench_entry

$(O)/libpagoda.a: $(LIB_OBJS) $(O)/user.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(LIB_OBJS)

define link_program
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LD) $(USER_LDFLAGS) $(USER_LINK) -o $@ $(filter %.o,$^) $(O)/libpagoda.a
endef
$(foreach src,$(PART_SRCS),$(eval $(O)/$(patsubst %/,%,$(dir $(src))): $(O)/obj/$(src).o))
$(O)/user/bin/%: $(O)/obj/user/bin/%.c.o $(O)/libpagoda.a
	$(link_program)
$(O)/user/sbin/%: $(O)/obj/user/servers/%.c.o $(O)/libpagoda.a
	$(link_program)
$(O)/user/tests/%: $(O)/obj/user/tests/%.c.o $(O)/libpagoda.a
	$(link_program)

# Stripped on the way in: the machine may have 32 MiB.  The debugger reads build/…/user.
$(O)/archive/%: $(O)/user/%
	@mkdir -p $(@D)
	$(Q)$(OBJCOPY) --strip-all $< $@

$(O)/archive.tar: $(PROGRAMS:%=$(O)/archive/%) $(O)/user.list
	$(call say,TAR,$@)
	@mkdir -p $(O)/archive
	$(Q)$(TAR) --format=ustar --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=0755 \
		-C $(O)/archive -cf $@ $(if $(PROGRAMS),$(PROGRAMS),-T /dev/null)

$(O)/pagoda.iso: $(O)/pagoda.elf $(O)/archive.tar iso/grub.cfg tools/mkiso
	$(call say,ISO,$@)
	$(Q)OBJCOPY='$(OBJCOPY)' tools/mkiso $@ $(O)/pagoda.elf $(O)/archive.tar

# --- Running and testing ---------------------------------------------------------------------

# These commands build with all processors, unless -j says otherwise.
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))
MACHINE := --build-dir $(O) --smp $(SMP) --mem $(MEM)

.PHONY: run gdb gdb-replay setup doctor
run: setup
	@$(SUBMAKE) iso
	@tools/qemu $(MACHINE) $(if $(filter-out 0,$(UEFI)),--uefi,--iso) $(if $(GUI),--gui)

gdb: setup
	@$(SUBMAKE) all
	@tools/debug $(MACHINE) --cmdline '$(CMDLINE)' $(T)

# QEMU records machines of one processor only.
gdb-replay: setup
	@$(SUBMAKE) all
	@tools/debug $(MACHINE) --cmdline '$(CMDLINE)' --replay $(T)

setup:
	@tools/setup

doctor:
	@command -v python3 >/dev/null || { echo 'doctor: python3 is not installed: run tools/setup'; \
		exit 1; }
	@tools/doctor

.PHONY: test test-host test-race test-plants test-models test-qemu test-bochs test-behaviours
test: setup
	@tools/test-all $(SUBMAKE) -- \
		test-host test-plants test-models test-qemu test-bochs test-behaviours

test-host:
	@$(SUBMAKE) -C tests/host O=$(abspath build)/host test

# A million a quarter of a minute, roughly.  Without SEED a new one each time.
.PHONY: fuzz-model fuzz
fuzz-model: setup
	@$(SUBMAKE) -C tests/host O=$(abspath build)/host property
	@build/host/property run $(or $(STEPS),1000000) \
		$(or $(SEED),$(shell od -An -N4 -tu4 /dev/urandom))

fuzz:
	@tools/setup fuzz test
	@tools/fuzz $(or $(SECONDS),60) $(if $(filter-out 0,$(KEEP)),keep)

test-plants:
	@$(SUBMAKE) -C tests/host O=$(abspath build)/host plants

test-models:
	@$(PROVE) --jobs $(JOBS) --failures --comments --exec tools/test-models \
		$(or $(wildcard tests/models/*$(M)*.pml),$(error no model is called like '$(M)'))

test-race:
	@$(SUBMAKE) -C tests/host O=$(abspath build)/host race

test-qemu: all iso
	@PAGODA_BUILD_DIR=$(O) PAGODA_SMP=$(SMP) PAGODA_CPUS='$(TEST_CPUS)' JOBS=$(JOBS) \
		tools/test-qemu '$(T)'

test-bochs: all
	@PAGODA_BUILD_DIR=$(O) JOBS=$(JOBS) $(PROVE) --failures --comments --exec '' tests/bochs/*.t

torture: all
	@tools/run --smp $(or $(filter-out 1,$(SMP)),4) --timeout $$(( $(or $(SECONDS),60) * 3 + 60 )) \
		bin/torture $(or $(SECONDS),60) $(SEED)

.PHONY: boots
boots: all
	@PAGODA_BUILD_DIR=$(O) tools/boots -n $(or $(N),50) -s $(or $(filter-out 1,$(SMP)),4)

# What the others left in build/tap, against the table of behaviours.
test-behaviours:
	@$(PROVE) --failures --comments --exec '' tools/check-behaviours :: build/tap

# All that boots the kernel that was built, but for what needs the code of a debug build.
COVERAGE := build/coverage
COVERED  := /archive/tests/|(boot|machines|rare)\.t$$

.PHONY: coverage
coverage:
	@tools/setup run test coverage
	@rm -rf $(COVERAGE)/counts && mkdir -p $(COVERAGE)/counts
	@find $(COVERAGE) -name '*.gcda' -delete
	@$(SUBMAKE) -C tests/host COVERAGE=1 O=$(abspath $(COVERAGE)/host) test
	@$(SUBMAKE) BUILD=coverage O=$(COVERAGE)/kernel all iso
	@PAGODA_COVERAGE=$(abspath $(COVERAGE)/counts) PAGODA_BUILD_DIR=$(COVERAGE)/kernel \
		JOBS=$(JOBS) tools/test-qemu '$(COVERED)'
	@tools/coverage $(COVERAGE)

# The score of each file, and what no test noticed.
.PHONY: mutate
mutate:
	@tools/setup run test mutate
	@tests/mutate/selftest
	@JOBS=$(JOBS) tools/mutate $(if $(F),-f '$(F)')

# --- Measuring -------------------------------------------------------------------------------

# Always the release kernel, in its own folder unless the command line names one.
MEASURED = $(if $(filter file,$(origin O)),build/release,$(O))

.PHONY: bench bench-host profile bench-linux bench-smp
bench: setup
	@$(SUBMAKE) BUILD=release O=$(MEASURED) all
	@PAGODA_BUILD_DIR=$(MEASURED) JOBS=$(JOBS) tools/bench $(G)

bench-host:
	@tools/setup run test plot
	@$(SUBMAKE) -C tests/host O=$(abspath build/host) $(abspath build/host)/bench_map
	@build/host/bench_map build/bench-host.dat
	@gnuplot -e "data='build/bench-host.dat'; out='build/bench-host.svg'" tests/host/bench/plot.gp
	@echo 'plot: build/bench-host.svg'

profile: setup
	@$(SUBMAKE) BUILD=release O=$(MEASURED) all
	@PAGODA_BUILD_DIR=$(MEASURED) tools/profile $(if $(F),-f $(F)) $(if $(N),-n $(N)) \
		$(if $(L),-l) $(or $(T),$(error say which program: make profile T=bin/bench)) $(A)

bench-linux:
	@tests/bench/run-linux.sh build/bench-linux $(G)

# Both systems one after the other on two processors, by the clock on the wall.
bench-smp: setup
	@$(SUBMAKE) BUILD=release O=$(MEASURED) all
	@PAGODA_BUILD_DIR=$(MEASURED) tools/bench --linux build/bench-linux smp

# --- Housekeeping ----------------------------------------------------------------------------

.PHONY: lint format man clean help
lint:
	@CLANG_FORMAT='$(CLANG_FORMAT)' CLANG_TIDY='$(CLANG_TIDY)' PYTHON='$(PYTHON)' JOBS=$(JOBS) \
		KERNEL_FLAGS='$(KERNEL_INCLUDES) -DPAGODA_KERNEL $(CONFIG_debug)' \
		USER_FLAGS='$(USER_INCLUDES) $(CONFIG_debug)' tools/lint

format:
	@CLANG_FORMAT='$(CLANG_FORMAT)' tools/lint format

man:
	@tools/setup man
	@tools/man build/man $(P)

clean:
	rm -rf build

help:
	@sed -n 's/^## \{0,1\}//p' Makefile
