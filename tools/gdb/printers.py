# SPDX-License-Identifier: BSD-2-Clause
"""How print, backtrace full and the like show structures.  (print/r shows them as they are.)"""

import gdb
import gdb.printing

import kernel
import maps
import objects
import threads
import words

LIST_SHOWN = 20
ADDRESSES = ("vm_offset_t", "vm_paddr_t", "vm_ooffset_t", "uintptr_t")
GENERAL = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13",
           "r14", "r15")  # fmt: skip
SYSCALL = words.constants("arch/x86_64/include/machine/trapframe.h")["TRAP_SYSCALL"]


def trap_name(vector):
    """The kernel's own name of a trap (trap.c)."""
    if vector == SYSCALL:
        return "system call"
    names = kernel.evaluate("trap_name::names")
    if vector > names.type.range()[1] or not kernel.integer(names[vector]):
        return f"interrupt {vector}"
    return f"{names[vector].string()} ({vector})"


class OneLine:
    """A structure as one line, made by a function."""

    describe = None

    def __init__(self, value):
        self.value = value

    def to_string(self):
        """The line; a sentence if the structure points to what cannot be read."""
        try:
            return type(self).describe(self.value)
        except (gdb.error, gdb.MemoryError, UnicodeError) as error:
            return f"<cannot be shown: {error}>"


class Trapframe:
    """struct trapframe: which trap, where, and the registers."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        """The trap, and where it struck."""
        vector = int(self.value["vector"])
        mode = "user" if int(self.value["cs"]) & 3 else "kernel"
        symbol = gdb.execute(f"info symbol {int(self.value['rip']):#x}", to_string=True)
        place = "" if symbol.startswith("No symbol") else f" <{symbol.split(' in section')[0]}>"
        return (
            f"{trap_name(vector)}, error {int(self.value['error']):#x}, from {mode} mode at"
            f" rip={int(self.value['rip']):#x}{place} rsp={int(self.value['rsp']):#x}"
            f" rflags={int(self.value['rflags']):#x}"
        )

    def children(self):
        """The general registers."""
        for name in GENERAL:
            yield name, f"{int(self.value[name]):#x}"


class List:
    """struct list: how many, and where they are."""

    def __init__(self, value):
        self.links = []
        link, head = value["head"]["next"], value["head"].address
        while head is not None and len(self.links) <= kernel.LIST_MAX:
            if kernel.integer(link) in (0, kernel.integer(head)):
                break
            self.links.append(link)
            link = link["next"]

    def to_string(self):
        """The number of elements."""
        return f"list of {len(self.links)}"

    def children(self):
        """The first links; container_of makes elements of them."""
        for i, link in enumerate(self.links[:LIST_SHOWN]):
            yield f"[{i}]", link

    def display_hint(self):
        """As an array is shown."""
        return "array"


class Address:
    """A number that is an address, though its type is none of a pointer."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        """In hexadecimal."""
        return f"{int(self.value):#x}"


def address_printer(value):
    """For gdb.pretty_printers, which the collection cannot do: it looks behind typedefs."""
    if value.type.unqualified().name in ADDRESSES and not value.is_optimized_out:
        return Address(value)
    return None


class Entry(OneLine):
    describe = staticmethod(maps.describe_entry)


class Object(OneLine):
    describe = staticmethod(objects.describe)


class Page(OneLine):
    describe = staticmethod(objects.describe_page)


class Map(OneLine):
    describe = staticmethod(lambda value: maps.describe_map("", value))


class Thread(OneLine):
    describe = staticmethod(threads.describe)


COLLECTION = gdb.printing.RegexpCollectionPrettyPrinter("pagoda")
for _name, _printer in (
    ("trapframe", Trapframe),
    ("list", List),
    ("vm_map_entry", Entry),
    ("vm_object", Object),
    ("vm_page", Page),
    ("vm_map", Map),
    ("thread", Thread),
):
    COLLECTION.add_printer(_name, f"^{_name}$", _printer)
gdb.printing.register_pretty_printer(None, COLLECTION, replace=True)
gdb.pretty_printers.append(address_printer)
