# SPDX-License-Identifier: BSD-2-Clause
"""vm walk: the four storeys of the page table on the way to an address."""

import gdb

import kernel
import memory

# Of an entry that leads to a table, these bits are the processor's business alone or ours.
ORDER = ("WRITE", "USER", "ACCESSED", "DIRTY", "LARGE", "GLOBAL",
         "WIRED", "MANAGED", "DEVICE", "NO_EXECUTE")  # fmt: skip
PAGE_NAMES = {1: "page of 4 KiB", 2: "page of 2 MiB", 3: "page of 1 GiB"}


def memory_type(entry):
    """How accesses reach the memory, if not through the caches."""
    bits = entry & (memory.PTE["PTE_WRITE_THROUGH"] | memory.PTE["PTE_CACHE_DISABLE"])
    if not bits:
        return []
    return ["write-combining" if bits == memory.PTE["PTE_WRITE_THROUGH"] else "uncached"]


def describe(entry, level):
    """What an entry says, in words."""
    if not entry & memory.PRESENT:
        return "not present" + (f", the rest of it is {entry:#x}" if entry else "")
    names = [n.lower().replace("_", "-") for n in ORDER if entry & memory.PTE["PTE_" + n]]
    names += memory_type(entry)
    what = PAGE_NAMES.get(level, "?") if memory.is_leaf(entry, level) else "table"
    return f"{what} at {entry & memory.FRAME:#x}, present {' '.join(names)}"


def rights(found):
    """What the whole way allows."""
    def all_have(bit):
        return all(entry & bit for _, _, entry in found)

    text = "r" + ("w" if all_have(memory.WRITE) else "-")
    text += "-" if any(e & memory.NO_EXECUTE for _, _, e in found) else "x"
    return text + (", open to user mode" if all_have(memory.USER) else ", for the kernel only")


class VmWalk(gdb.Command):
    """Walk the page table that is loaded: vm walk ADDR

    Shows the entry of each of the four levels on the way to an address, its flags in words, and
    where the address is in physical memory.  The tables are read through the direct map, or as
    physical memory where there is none yet."""

    def __init__(self):
        super().__init__("vm walk", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    @kernel.command
    def invoke(self, argument, from_tty):
        address = kernel.argument_address(argument)
        if not kernel.paging():
            raise gdb.GdbError("paging is off: an address is a physical address")
        if not memory.canonical(address):
            print(f"{address:#x} is not canonical: bits 63 to 47 differ, no table leads there")
            return
        table = memory.root()
        found = memory.entries(address, table)
        print(f"cr3         root table at {table:#x}")
        for level, index, entry in found:
            print(f"level {level} [{index:3}] {entry:#018x}  {describe(entry, level)}")
        physical = memory.translate(address, table)
        if physical is None:
            print(f"{address:#x} is not mapped: the entry of level {found[-1][0]} is not present")
        else:
            print(f"{address:#x} is physical {physical:#x}, {rights(found)}")


VmWalk()
