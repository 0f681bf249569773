# SPDX-License-Identifier: BSD-2-Clause
"""Virtual and physical memory, and the four storeys of the page table.

Physical memory is read through the kernel's direct map.  Where that does not exist (yet, or any
more, which is when one wants to look most), QEMU is asked to take addresses as physical ones.
"""

import contextlib
import struct

import gdb

import kernel
import words

PARAM = words.constants("arch/x86_64/include/machine/param.h")
PTE = words.constants("arch/x86_64/pte.h")

PAGE_SHIFT = PARAM["PAGE_SHIFT"]
PAGE_SIZE = 1 << PAGE_SHIFT
DIRECT_MAP = PARAM["DIRECT_MAP_BASE"]
DIRECT_MAP_SIZE = PARAM["DIRECT_MAP_SIZE"]
USER_END = PARAM["VM_MAX_USER_ADDRESS"]
KERNEL_MAP = (PARAM["VM_MIN_KERNEL_ADDRESS"], PARAM["VM_MAX_KERNEL_ADDRESS"])
DEVICE_MAP = PARAM["DEVICE_MAP_BASE"]
DEVICE_MAP_SIZE = PARAM["DEVICE_MAP_SIZE"]
IMAGE = PARAM["KERNEL_IMAGE_BASE"]

LEVELS = PTE["PT_LEVELS"]
INDEX_BITS = PTE["PT_INDEX_BITS"]
PRESENT, WRITE, USER, LARGE = (PTE["PTE_" + n] for n in ("PRESENT", "WRITE", "USER", "LARGE"))
FRAME = PTE["PTE_FRAME"]
NO_EXECUTE = PTE["PTE_NO_EXECUTE"]


def read(address, size):
    """Bytes of the current address space."""
    return bytes(gdb.selected_inferior().read_memory(address, size))


def direct_phys(address):
    """The physical address of a place in the direct map."""
    return address - DIRECT_MAP


@contextlib.contextmanager
def physical_mode():
    """Addresses are physical ones meanwhile."""
    gdb.execute("maintenance packet Qqemu.PhyMemMode:1", to_string=True)
    gdb.execute("maintenance flush dcache", to_string=True)
    try:
        yield
    finally:
        gdb.execute("maintenance packet Qqemu.PhyMemMode:0", to_string=True)
        gdb.execute("maintenance flush dcache", to_string=True)


def read_physical(pa, size):
    """Bytes of physical memory."""
    try:
        return read(DIRECT_MAP + pa, size)
    except gdb.MemoryError:
        with physical_mode():
            return read(pa, size)


def root():
    """The physical address of the level-4 table that is loaded."""
    return kernel.register("cr3") & FRAME


def canonical(address):
    """Is this an address that the processor takes?"""
    return address >> 47 in (0, (1 << 17) - 1)


def index(address, level):
    """Which entry of a table of this level leads to an address."""
    return address >> (PAGE_SHIFT + INDEX_BITS * (level - 1)) & ((1 << INDEX_BITS) - 1)


def is_leaf(entry, level):
    """Does a present entry map memory, and not lead to a table?"""
    return level == 1 or bool(entry & LARGE)


def entries(address, table=None):
    """The entries on the way to an address: [(level, index, entry)], up to the one that maps it or
    is not present."""
    table = root() if table is None else table
    found = []
    for level in range(LEVELS, 0, -1):
        i = index(address, level)
        (entry,) = struct.unpack("<Q", read_physical(table + 8 * i, 8))
        found.append((level, i, entry))
        if not entry & PRESENT or is_leaf(entry, level):
            break
        table = entry & FRAME
    return found


def translate(address, table=None):
    """The physical address, or None."""
    level, _, entry = entries(address, table)[-1]
    if not entry & PRESENT:
        return None
    span = (1 << (PAGE_SHIFT + INDEX_BITS * (level - 1))) - 1
    return entry & FRAME & ~span | address & span


def mapped_pages(table, level=LEVELS, first=0, last=(1 << INDEX_BITS) - 1):
    """How many pages are mapped by the entries first to last of a table, which is of this level."""
    found = 0
    size = 8 * (last - first + 1)
    for (entry,) in struct.iter_unpack("<Q", read_physical(table + 8 * first, size)):
        if not entry & PRESENT:
            continue
        if is_leaf(entry, level):
            found += 1 << INDEX_BITS * (level - 1)
        else:
            found += mapped_pages(entry & FRAME, level - 1)
    return found


def user_pages(table):
    """How many pages are mapped in the user's half of the space with this level-4 table."""
    return mapped_pages(table, last=index(USER_END, LEVELS))
