/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of the machine, mapped by a program (contract rows DEV).
 *
 * The high-precision timer is there on every PC, the kernel does not use it, and the first register says
 * what it is.  The interrupt controllers are the kernel's own.  RAM is where the kernel is.
 */
#include <pagoda/memory.h>
#include <pagoda/tap.h>

#define TIMER	     0xfed00000ul /* high-precision event timer */
#define TIMER_ID     0		  /* registers, in bytes */
#define TIMER_CONFIG 0x10
#define TIMER_COUNT  0xf0
#define TIMER_RUN    1ul
#define VENDOR_SHIFT 16
#define VENDOR_INTEL 0x8086
#define PERIOD_SHIFT 32
#define PERIOD_MAX   0x05f5e100ul /* femtoseconds */

#define LOCAL_APIC   0xfee00000ul
#define IO_APIC	     0xfec00000ul
#define TEXT	     0xb8000ul /* memory of the text screen */
#define BIOS	     0xf0000ul /* read-only memory of the firmware */
#define RESET_VECTOR 0xfff0    /* in it: the processor's first instruction */
#define FAR_JUMP     0xea
#define KERNEL	     0x100000ul
#define LOW_RAM	     0x10000ul
#define FAR	     (1ul << 52)

#define SHARED (VM_MAP_FLAG_OBJECT | VM_MAP_FLAG_SHARED)

static int64_t
device_at(uint64_t address, uint64_t length)
{
	return object_device(HANDLE_BOOT_PHYSMEM, address, length, DEVICE_UNCACHED);
}

static int64_t
map_object(handle_t object, uint64_t length, uint32_t prot)
{
	return vm_map(HANDLE_SELF, 0, length, VM_MAP_ARGS(prot, prot, SHARED), object, 0);
}

/* map_device: pages of a device, readable and writable. */
static volatile uint8_t *
map_device(uint64_t address, uint64_t length)
{
	int64_t object = device_at(address, length), at;

	REQUIRE(object > 0);
	at = map_object((handle_t)object, length, PROT_RW);
	REQUIRE(at > 0);
	handle_close((handle_t)object);
	return (volatile uint8_t *)at;
}

static volatile uint64_t *
timer_register(volatile uint8_t *timer, unsigned offset)
{
	return (volatile uint64_t *)(timer + offset);
}

static void
timer(void)
{
	volatile uint8_t *t = map_device(TIMER, PAGE_SIZE);
	volatile uint64_t *count = timer_register(t, TIMER_COUNT);
	uint64_t id = *timer_register(t, TIMER_ID), before;

	EXPECT_EQ(id >> VENDOR_SHIFT & 0xffff, VENDOR_INTEL);
	EXPECT(id >> PERIOD_SHIFT > 0 && id >> PERIOD_SHIFT <= PERIOD_MAX);
	/* What is stored reaches the device: it counts when it is told to, and stops again. */
	*timer_register(t, TIMER_CONFIG) |= TIMER_RUN;
	before = *count;
	EXPECT_EQ(sleep_until((uint64_t)clock_now() + 1000000), 0);
	EXPECT(*count > before);
	*timer_register(t, TIMER_CONFIG) &= ~TIMER_RUN;
	before = *count;
	EXPECT_EQ(sleep_until((uint64_t)clock_now() + 1000000), 0);
	EXPECT_EQ(*count, before);
}

static void
mapping(void)
{
	int64_t object = device_at(TIMER, PAGE_SIZE), at;
	struct handle_info info;
	struct vm_region r;

	REQUIRE(object > 0);
	REQUIRE_EQ(handle_info((handle_t)object, &info), 0);
	EXPECT_EQ(info.type, HANDLE_TYPE_OBJECT);
	EXPECT_EQ(info.rights, RIGHT_READ | RIGHT_WRITE | RIGHT_DUP);
	EXPECT_EQ(object_size((handle_t)object), PAGE_SIZE);
	at = map_object((handle_t)object, PAGE_SIZE, PROT_RW);
	REQUIRE(at > 0);
	(void)*(volatile uint32_t *)at;
	REQUIRE(region_at((uint64_t)at, &r));
	EXPECT_EQ(r.inherit, INHERIT_SHARE);
	EXPECT_EQ(r.flags, VM_REGION_NOCORE);
	EXPECT_EQ(r.resident, 1);
	EXPECT_EQ(r.object_resident, 0);
	EXPECT_EQ(r.chain, 1);
	/* The processor could fetch from it, but the handle does not allow it. */
	EXPECT_EQ(map_object((handle_t)object, PAGE_SIZE, PROT_RX), -EACCES);
}

/* What the kernel shows on its screen is read back, and what is stored stays. */
static void
screen(void)
{
	volatile uint8_t *cell = map_device(TEXT, PAGE_SIZE);
	uint8_t old = cell[PAGE_SIZE - 2];

	cell[PAGE_SIZE - 2] = (uint8_t)(old + 1);
	EXPECT_EQ(cell[PAGE_SIZE - 2], (uint8_t)(old + 1));
	cell[PAGE_SIZE - 2] = old;
}

static void
firmware(void)
{
	volatile uint8_t *rom = map_device(BIOS, 16 * PAGE_SIZE);

	EXPECT_EQ(rom[RESET_VECTOR], FAR_JUMP);
}

static void
refused(void)
{
	EXPECT_EQ(device_at(TIMER, 0), -EINVAL);
	EXPECT_EQ(device_at(TIMER + 1, PAGE_SIZE), -EINVAL);
	EXPECT_EQ(device_at(TIMER, PAGE_SIZE + 1), -EINVAL);
	EXPECT_EQ(device_at(-PAGE_SIZE, 2 * PAGE_SIZE), -EINVAL);
	EXPECT_EQ(device_at(-PAGE_SIZE, PAGE_SIZE), -EINVAL);
	EXPECT_EQ(device_at(FAR, PAGE_SIZE), -EINVAL);
	EXPECT_EQ(device_at(FAR - PAGE_SIZE, 2 * PAGE_SIZE), -EINVAL);
	EXPECT_EQ(object_device(HANDLE_BOOT_PHYSMEM, TIMER, PAGE_SIZE, 2), -EINVAL);
	EXPECT_EQ(object_device(HANDLE_BOOT_PHYSMEM, TIMER, PAGE_SIZE, -1u), -EINVAL);
	EXPECT_EQ(device_at(KERNEL, PAGE_SIZE), -EACCES);
	EXPECT_EQ(device_at(LOW_RAM, PAGE_SIZE), -EACCES);
	EXPECT_EQ(device_at(0, 1ul << 32), -EACCES);
	EXPECT_EQ(device_at(LOCAL_APIC, PAGE_SIZE), -EACCES);
	EXPECT_EQ(device_at(IO_APIC, PAGE_SIZE), -EACCES);
	EXPECT_EQ(device_at(IO_APIC - PAGE_SIZE, 3 * PAGE_SIZE), -EACCES);
}

/* Only who was given the handle may. */
static void
without_handle(void)
{
	handle_t object = (handle_t)object_create(PAGE_SIZE);
	int64_t weak = handle_dup(HANDLE_BOOT_PHYSMEM, RIGHT_READ | RIGHT_DUP), shown;

	REQUIRE(object > 0 && weak > 0);
	EXPECT_EQ(object_device(object, TIMER, PAGE_SIZE, DEVICE_UNCACHED), -EBADF);
	EXPECT_EQ(object_device(HANDLE_SELF, TIMER, PAGE_SIZE, DEVICE_UNCACHED), -EBADF);
	shown = object_device((handle_t)weak, TIMER, PAGE_SIZE, DEVICE_UNCACHED);
	REQUIRE(shown > 0);
	EXPECT_EQ(map_object((handle_t)shown, PAGE_SIZE, PROT_RW), -EACCES);
	EXPECT(map_object((handle_t)shown, PAGE_SIZE, PROT_READ) > 0);
	weak = handle_dup(HANDLE_BOOT_PHYSMEM, 0);
	EXPECT_EQ(object_device((handle_t)weak, TIMER, PAGE_SIZE, DEVICE_UNCACHED), -EACCES);
	EXPECT_EQ(handle_close(HANDLE_BOOT_PHYSMEM), 0);
	EXPECT_EQ(device_at(TIMER, PAGE_SIZE), -EBADF);
}

static void
types(void)
{
	int64_t object = device_at(TIMER, PAGE_SIZE);

	REQUIRE(object > 0);
	EXPECT_EQ(object_device(HANDLE_BOOT_PHYSMEM, TIMER, PAGE_SIZE, DEVICE_WRITE_COMBINING),
		  -EACCES);
	EXPECT_EQ(handle_close((handle_t)object), 0);
	object = object_device(HANDLE_BOOT_PHYSMEM, TIMER, PAGE_SIZE, DEVICE_WRITE_COMBINING);
	EXPECT(object > 0);
	EXPECT_EQ(device_at(TIMER, PAGE_SIZE), -EACCES);
}

static void
not_copied(void)
{
	int64_t object = device_at(TIMER, PAGE_SIZE), at;
	uint64_t private = VM_MAP_ARGS(PROT_RW, PROT_RW, VM_MAP_FLAG_OBJECT);

	REQUIRE(object > 0);
	EXPECT_EQ(vm_map(HANDLE_SELF, 0, PAGE_SIZE, private, (handle_t)object, 0), -EINVAL);
	at = map_object((handle_t)object, PAGE_SIZE, PROT_RW);
	REQUIRE(at > 0);
	EXPECT_EQ(vm_inherit(HANDLE_SELF, (uint64_t)at, PAGE_SIZE, INHERIT_COPY), -EINVAL);
	EXPECT_EQ(vm_inherit(HANDLE_SELF, (uint64_t)at, PAGE_SIZE, INHERIT_NONE), 0);
	EXPECT_EQ(vm_inherit(HANDLE_SELF, (uint64_t)at, PAGE_SIZE, INHERIT_SHARE), 0);
}

static void
read_id(void *arg)
{
	volatile uint8_t *t = arg;

	EXPECT_EQ(*timer_register(t, TIMER_ID) >> VENDOR_SHIFT & 0xffff, VENDOR_INTEL);
}

static void
forked(void)
{
	volatile uint8_t *t = map_device(TIMER, PAGE_SIZE);
	struct proc_status status = tap_run(read_id, (void *)(uintptr_t)t);

	EXPECT_EQ(status.how, PROC_EXITED);
	EXPECT_EQ(status.value, 0);
}

static void
wired(void)
{
	volatile uint8_t *t = map_device(TIMER, 4 * PAGE_SIZE);
	struct vm_region r;

	EXPECT_EQ(vm_wire(HANDLE_SELF, ADDR(t), 4 * PAGE_SIZE), 0);
	REQUIRE(region_at(ADDR(t), &r));
	EXPECT_EQ(r.resident, 4);
	EXPECT_EQ(r.wired, 1);
	EXPECT_EQ(vm_unwire(HANDLE_SELF, ADDR(t), PAGE_SIZE), 0);
	EXPECT_EQ(vm_unmap(HANDLE_SELF, ADDR(t), 4 * PAGE_SIZE), 0);
}

static void
touch_at(void *addr)
{
	touch(ADDR(addr));
}

static void
beyond(void)
{
	int64_t object = device_at(TIMER, PAGE_SIZE);
	int64_t at = map_object((handle_t)object, 2 * PAGE_SIZE, PROT_RW);

	REQUIRE(at > 0);
	EXPECT_FAULT(touch_at, at + PAGE_SIZE, FAULT_OBJERR, at + PAGE_SIZE);
}

/* The kernel would have to go through a mapping of its own, and has none. */
static void
not_through_another(void)
{
	volatile uint8_t *rom = map_device(BIOS, 16 * PAGE_SIZE);
	uint8_t byte = 0;

	EXPECT_EQ(vm_read(HANDLE_SELF, ADDR(rom), &byte, 1), -EFAULT);
	EXPECT_EQ(vm_write(HANDLE_SELF, ADDR(rom), &byte, 1), -EFAULT);
	/* But a call takes its arguments from wherever the program can. */
	EXPECT_EQ(vm_write(HANDLE_SELF, ADDR(&byte), (const void *)(rom + RESET_VECTOR), 1), 1);
	EXPECT_EQ(byte, FAR_JUMP);
}

static void
nothing_left(void)
{
	struct system_info before;

	for (int i = 0; i < 4; i++) {
		if (i == 1) {
			tap_counts(&before); /* the first round warms up the kernel's slabs */
		}
		volatile uint8_t *t = map_device(TIMER, 4 * PAGE_SIZE);
		read_id((void *)(uintptr_t)t);
		EXPECT_EQ(vm_unmap(HANDLE_SELF, ADDR(t), 4 * PAGE_SIZE), 0);
	}
	tap_no_leak(&before, 2);
}

static const struct tap_test tests[] = {
    {"DEV-01: what is no device, RAM and the kernel's registers are refused", refused},
    {"DEV-01: only who was given the handle makes devices, with its rights", without_handle},
    {"DEV-02: one place has one memory type", types},
    {"DEV-03: a timer is read, told to run, and runs", timer},
    {"DEV-03: what a mapping of a device looks like", mapping},
    {"DEV-03: the memory of the text screen", screen},
    {"DEV-03: the firmware's memory", firmware},
    {"DEV-03: beyond the end of the object", beyond},
    {"DEV-03: nothing is left behind", nothing_left},
    {"DEV-04: private mappings and copies are refused", not_copied},
    {"DEV-04: a fork shares it", forked},
    {"DEV-05: wired and unwired", wired},
    {"DEV-06: it is not reached through the space of another", not_through_another},
};

TAP_MAIN(tests)
