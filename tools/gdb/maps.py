# SPDX-License-Identifier: BSD-2-Clause
"""vm maps, vm map, vm find: address maps and their entries."""

import gdb

import kernel
import memory
import objects
import words

HEADER = "vm/vm_map.h"
IS_SUB_MAP = words.constants(HEADER)["VM_ENTRY_IS_SUB_MAP"]
STACK_GAP = words.constants(HEADER)["VM_ENTRY_STACK_GAP"]
GUARD = words.constants(HEADER)["VM_ENTRY_GUARD"]
MAP_FLAGS = ("system", "is-sub-map", "wirefuture", "wxorx", "busy-wakeup")
ENTRY_MAX = 1_000_000  # a longer list is a damaged one
DEPTH_MAX = 64  # of a tree


def entries(vm_map):
    """The entries of a map, by address."""
    header = kernel.integer(vm_map["header"].address)
    entry = vm_map["header"]["next"]
    for _ in range(ENTRY_MAX):
        if kernel.integer(entry) in (0, header):
            return
        yield entry.dereference()
        entry = entry["next"]
    raise gdb.GdbError(f"the entries of the map at {int(vm_map.address):#x} have no end")


def is_sub_map(entry):
    """Is it an entry behind which there is a map?"""
    return bool(int(entry["eflags"]) & IS_SUB_MAP)


def system_maps():
    """[(name, map)]: kernel_map, and the submaps that its entries lead to."""
    names = {}
    for name in ("kernel_map", "kmem_map", "exec_map", "stack_map"):
        names[kernel.integer(kernel.evaluate(name))] = name
    found, todo = [], [kernel.evaluate("kernel_map").dereference()]
    while todo:
        vm_map = todo.pop(0)
        found.append((names.get(kernel.integer(vm_map.address), "submap"), vm_map))
        todo += [e["sub_map"].dereference() for e in entries(vm_map) if is_sub_map(e)]
    return found


def all_maps():
    """[(name, map)] of the kernel and of every process."""
    kernel.require_maps()
    found = system_maps()
    for proc in kernel.processes():
        space = kernel.proc_map(proc)
        if space is not None:
            found.append((kernel.proc_title(proc), space))
    return found


def current_map():
    """(name, map) of the process whose address space is loaded."""
    kernel.require_maps()
    proc = kernel.current_process()
    if proc is None or kernel.proc_map(proc) is None:
        raise gdb.GdbError("no process's address space is loaded: say which map (vm maps)")
    return kernel.proc_title(proc), kernel.proc_map(proc)


def find_map(text):
    """(name, map) by the name of a system map, the id or name of a process, or an address."""
    if not text:
        return current_map()
    kernel.require_maps()
    for name, vm_map in system_maps():
        if name == text:
            return name, vm_map
    if text.startswith(("0x", "$", "&", "*")):
        address = kernel.argument_address(text)
        for name, vm_map in all_maps():
            if int(vm_map.address) == address:
                return name, vm_map
        raise gdb.GdbError(f"there is no map at {address:#x} (vm maps shows them)")
    proc = kernel.find_process(text)
    space = kernel.proc_map(proc)
    if space is None:
        raise gdb.GdbError(f"the address space of {kernel.proc_title(proc)} is taken down")
    return kernel.proc_title(proc), space


def bounds(vm_map):
    """(min, max): the header's end and start."""
    return int(vm_map["header"]["end"]), int(vm_map["header"]["start"])


def describe_map(name, vm_map):
    """One line."""
    low, high = bounds(vm_map)
    flags = words.flags(vm_map["flags"], HEADER, "VM_MAP_", MAP_FLAGS)
    return (
        f"{int(vm_map.address):#018x} {name:24} {low:#018x}-{high:#018x}"
        f" {int(vm_map['nentries']):7} entries {int(vm_map['size']) >> 10:10} KiB  {flags}"
    )


def backing(entry):
    """What is behind an entry: an object, a submap, the stack to come, or nothing."""
    eflags = int(entry["eflags"])
    if eflags & IS_SUB_MAP:
        return f"submap {kernel.integer(entry['sub_map']):#x}"
    if eflags & STACK_GAP:
        prot, most = (words.prot(entry[f]) for f in ("gap_protection", "gap_max_protection"))
        return f"room for a stack {prot}/{most}, guard {words.size(int(entry['gap_guard']))}"
    if eflags & GUARD:
        return "nothing"
    if not kernel.integer(entry["object"]):
        return "zeroes, no object yet"
    return f"object {kernel.integer(entry['object']):#x} + {int(entry['offset']):#x}"


def describe_entry(entry):
    """One line: range, rights now/at most, inheritance, wirings, flags, what is behind it."""
    start, end = int(entry["start"]), int(entry["end"])
    wired = f" wired {int(entry['wired_count'])}" if int(entry["wired_count"]) else ""
    flags = words.flags(entry["eflags"], HEADER, "VM_ENTRY_")
    return (
        f"{start:#018x}-{end:#018x} {words.prot(entry['protection'])}/"
        f"{words.prot(entry['max_protection'])} {words.inherit(entry['inheritance'])}"
        f" {words.size(end - start)}{wired}, {backing(entry)}, {flags}"
    )


class VmMaps(gdb.Command):
    """All address maps: vm maps

    kernel_map, its submaps, and the map of each process: address of the struct vm_map, name, range,
    number of entries, bytes mapped (guards not counted), flags."""

    def __init__(self):
        super().__init__("vm maps", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    @kernel.command
    def invoke(self, argument, from_tty):
        for name, vm_map in all_maps():
            print(describe_map(name, vm_map))


class VmMap(gdb.Command):
    """The entries of a map: vm map [WHICH]

    WHICH is the id or the name of a process, kernel_map, kmem_map, exec_map, stack_map, or the
    address of a struct vm_map; without it, the process whose address space is loaded.  An entry's
    line: range, rights/rights at most, inheritance on fork, size, wirings, what is behind it,
    flags."""

    def __init__(self):
        super().__init__("vm map", gdb.COMMAND_DATA, gdb.COMPLETE_NONE)

    @kernel.command
    def invoke(self, argument, from_tty):
        name, vm_map = find_map(argument.strip())
        print(describe_map(name, vm_map))
        for entry in entries(vm_map):
            print("  " + describe_entry(entry))


def lookup(vm_map, address):
    """(map, entry) that holds an address, submaps followed; entry is None in a hole.  By the tree:
    a map may have very many entries."""
    pointer = vm_map["root"]
    for _ in range(DEPTH_MAX):
        if not kernel.integer(pointer):
            return vm_map, None
        entry = pointer.dereference()
        if address < int(entry["start"]):
            pointer = entry["child"][0]
        elif address >= int(entry["end"]):
            pointer = entry["child"][1]
        elif is_sub_map(entry):
            return lookup(entry["sub_map"].dereference(), address)
        else:
            return vm_map, entry
    raise gdb.GdbError(f"the tree of the map at {int(vm_map.address):#x} has no end: it is damaged")


def outside_maps(address):
    """What an address of the kernel's half is that no map knows; None if kernel_map has it."""
    if memory.KERNEL_MAP[0] <= address < memory.KERNEL_MAP[1]:
        return None
    if memory.DIRECT_MAP <= address < memory.DIRECT_MAP + memory.DIRECT_MAP_SIZE:
        physical = memory.direct_phys(address)
        return f"the direct map: physical {physical:#x}, {objects.describe_frame(physical)}"
    if memory.DEVICE_MAP <= address < memory.DEVICE_MAP + memory.DEVICE_MAP_SIZE:
        return "the window of device registers (pmap_map_device)"
    if address >= memory.IMAGE:
        symbol = gdb.execute(f"info symbol {address:#x}", to_string=True).strip()
        return f"the kernel image: {symbol.split(' of ')[0]}"
    return "nothing the kernel uses"


def print_contents(entry, address):
    """The object and the page that an address of this entry shows."""
    if int(entry["eflags"]) & GUARD or not kernel.integer(entry["object"]):
        return
    index = (int(entry["offset"]) + address - int(entry["start"])) >> memory.PAGE_SHIFT
    first = entry["object"].dereference()
    for depth, (obj, at) in enumerate(objects.chain(first, index)):
        page = objects.lookup(obj, at)
        where = "object" if depth == 0 else f"shadows, {depth} down,"
        print(f"  {where} {objects.describe(obj)}")
        if page is not None:
            print(f"  page {at:#x} of it: {objects.describe_page(page)}")
            return
    print(f"  page {index:#x} of it is not resident: a touch makes it")


class VmFind(gdb.Command):
    """What an address of the current address space belongs to: vm find ADDR

    Shows the map and the entry, the object (and what it shadows, down to the one that has the
    page), the page, and whether the page table maps it."""

    def __init__(self):
        super().__init__("vm find", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    @kernel.command
    def invoke(self, argument, from_tty):
        address = kernel.argument_address(argument)
        kernel.require_maps()
        if not memory.canonical(address):
            print(f"{address:#x} is not canonical: it cannot belong to anything")
            return
        known = outside_maps(address) if address >> 63 else None
        if known:
            print(f"{address:#x} is in {known}")
        else:
            self.find(address)
        physical = memory.translate(address)
        print("  not mapped in the page table" if physical is None
              else f"  mapped: physical {physical:#x}")  # fmt: skip

    def find(self, address):
        """In kernel_map, or the current process's map."""
        if address >> 63:
            name, vm_map = "kernel_map", kernel.evaluate("kernel_map").dereference()
        else:
            name, vm_map = current_map()
        holder, entry = lookup(vm_map, address)
        names = {int(m.address): n for n, m in all_maps()}
        name = names.get(int(holder.address), name)
        if entry is None:
            print(f"{address:#x} is in a hole of {name}")
            return
        print(f"{address:#x} is in {name}, entry {int(entry.address):#x}")
        print(f"  {describe_entry(entry)}")
        print_contents(entry, address)


VmMaps()
VmMap()
VmFind()
