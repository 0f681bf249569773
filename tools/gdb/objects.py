# SPDX-License-Identifier: BSD-2-Clause
"""vm object, vm page: memory objects, their shadow chains, page frames."""

import gdb

import kernel
import memory
import words

CHAIN_MAX = 10_000  # objects; a longer chain is a damaged one
PAGE_FLAGS = ("busy", "wanted", "valid", "unmanaged", "fixed")
PAGE_AFLAGS = ("dirty", "referenced")
RADIX = words.constants("vm/vm_radix.h")
PAGE_TAG, DIGIT_BITS = RADIX["VM_RADIX_PAGE_TAG"], RADIX["VM_RADIX_BITS"]


def chain(obj, index=0):
    """An object and those it shadows: (object, page index there)."""
    for _ in range(CHAIN_MAX):
        yield obj, index
        if not kernel.integer(obj["backing"]):
            return
        index += int(obj["backing_offset"]) >> memory.PAGE_SHIFT
        obj = obj["backing"].dereference()
    raise gdb.GdbError("the shadow chain has no end: it is damaged")


def pages(obj):
    """All resident pages of an object, by index."""
    todo = [kernel.integer(obj["pages"]["root"])]
    while todo:
        word = todo.pop()
        if word & PAGE_TAG:
            yield kernel.at(word & ~PAGE_TAG, "struct vm_page")
        elif word:
            node = kernel.at(word, "struct vm_radix_node")
            used = int(node["used"])
            slots = [s for s in range(1 << DIGIT_BITS) if used >> s & 1]
            todo += [kernel.integer(node["slot"][s]) for s in reversed(slots)]


def lookup(obj, index):
    """The page of an object with this index, or None."""
    word = kernel.integer(obj["pages"]["root"])
    while word and not word & PAGE_TAG:
        node = kernel.at(word, "struct vm_radix_node")
        digit = index >> int(node["shift"]) & ((1 << DIGIT_BITS) - 1)
        word = kernel.integer(node["slot"][digit])
    if not word:
        return None
    page = kernel.at(word & ~PAGE_TAG, "struct vm_page")
    return page if int(page["pindex"]) == index else None


def describe(obj):
    """One line of an object."""
    kind = obj["pager"]["name"].string()
    text = f"{kernel.integer(obj.address):#x} {kind}, {int(obj['resident'])} of "
    text += f"{int(obj['size'])} pages resident, {int(obj['ref_count'])} references"
    if int(obj["shadow_count"]):
        text += f", {int(obj['shadow_count'])} shadow it"
    if int(obj["charge"]):
        text += f", charged {words.size(int(obj['charge']))}"
    flags = words.flags(obj["flags"], "vm/vm_object.h", "VM_OBJECT_")
    return text + (f", {flags}" if flags != "-" else "")


def frame_count():
    """How many frames have a struct vm_page."""
    return int(kernel.evaluate("vm_page_max_pfn"))


def page_of_frame(physical):
    """The struct vm_page of a physical address."""
    number = physical >> memory.PAGE_SHIFT
    if number >= frame_count():
        raise gdb.GdbError(f"physical {physical:#x} is no memory: the last frame is "
                           f"{frame_count() - 1:#x}")  # fmt: skip
    return kernel.evaluate("vm_page_array")[number]


def frame_number(page):
    """The frame number of a struct vm_page."""
    first = kernel.integer(kernel.evaluate("vm_page_array"))
    return (kernel.integer(page.address) - first) // page.type.sizeof


def describe_page(page):
    """One line of a page."""
    number = frame_number(page)
    state = kernel.enum_word(page["state"].cast(gdb.lookup_type("enum vm_page_state")),
                             "VM_PAGE_STATE_")  # fmt: skip
    text = f"frame {number:#x} (physical {number << memory.PAGE_SHIFT:#x}), {state}"
    if state == "unknown":
        return text + ": never given out by the allocator"
    if state != "used":
        return text + f", order {int(page['order'])}"
    flags = words.flags(page["flags"], "vm/vm_page.h", "VM_PAGE_", PAGE_FLAGS)
    aflags = words.flags(page["aflags"], "vm/vm_page.h", "VM_PAGE_", PAGE_AFLAGS)
    text += f", {flags}" + (f" {aflags}" if aflags != "-" else "")
    if int(page["wire_count"]):
        text += f", wired {int(page['wire_count'])}"
    return text + (f", holds {int(page['holds'])}" if int(page["holds"]) else "")


def describe_frame(physical):
    """One line of the frame of a physical address."""
    if physical >> memory.PAGE_SHIFT >= frame_count():
        return "which is beyond the memory"
    return describe_page(page_of_frame(physical))


def mappings(page):
    """[(pmap, address)] of the reverse map."""
    if not kernel.integer(page["pv_pmap"]):
        return []
    found = [(kernel.integer(page["pv_pmap"]), int(page["pv_va"]))]
    more = page["pv_more"]
    while kernel.integer(more) and len(found) < CHAIN_MAX:
        found.append((kernel.integer(more["pmap"]), int(more["va"])))
        more = more["next"]
    return found


def pmap_owner(pmap):
    """Whose page tables these are."""
    if pmap == kernel.integer(kernel.evaluate("kernel_pmap")):
        return "the kernel"
    for proc in kernel.processes():
        own = kernel.proc_pmap(proc)
        if own is not None and kernel.integer(own) == pmap:
            return kernel.proc_title(proc)
    return f"pmap {pmap:#x}"


class VmObject(gdb.Command):
    """A memory object and what it shadows: vm object ADDR

    ADDR is the address of a struct vm_object (vm map and vm find show them).  Each further line is
    the object that the one above shadows."""

    def __init__(self):
        super().__init__("vm object", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    @kernel.command
    def invoke(self, argument, from_tty):
        address = kernel.argument_address(argument, "the address of an object")
        kernel.require_maps()
        first = kernel.at(address, "struct vm_object")
        for depth, (obj, index) in enumerate(chain(first)):
            offset = f" from its page {index:#x} on" if depth else ""
            print(f"{'  ' * depth}{'shadows ' if depth else ''}{describe(obj)}{offset}")
        self.print_pages(first)

    def print_pages(self, obj):
        """Resident pages as ranges of indices, and a check of the count."""
        ranges, count = [], 0
        for page in pages(obj):
            index = int(page["pindex"])
            count += 1
            if ranges and ranges[-1][1] == index:
                ranges[-1][1] = index + 1
            else:
                ranges.append([index, index + 1])
        shown = [f"{a:#x}" if b == a + 1 else f"{a:#x}-{b - 1:#x}" for a, b in ranges]
        print(f"resident pages: {', '.join(shown) or 'none'}")
        if count != int(obj["resident"]):
            print(f"but its tree has {count} pages, not {int(obj['resident'])}")


class VmPage(gdb.Command):
    """A page frame: vm page ADDR|PFN

    A small number is the number of a frame (a physical address divided by 4096); otherwise it is
    the address of a struct vm_page, or any mapped address, whose frame is shown."""

    def __init__(self):
        super().__init__("vm page", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    @kernel.command
    def invoke(self, argument, from_tty):
        number = kernel.argument_address(argument, "the number of a frame or an address")
        kernel.require_maps()
        page = self.find(number)
        print(f"{kernel.integer(page.address):#x}: {describe_page(page)}")
        if str(page["state"].cast(gdb.lookup_type("enum vm_page_state"))).endswith("USED"):
            self.print_use(page)

    def find(self, number):
        """The struct vm_page that is meant."""
        if number < frame_count():
            return kernel.evaluate("vm_page_array")[number]
        array = kernel.evaluate("vm_page_array")
        first, size = kernel.integer(array), array.type.target().sizeof
        if first <= number < first + size * frame_count():
            return array[(number - first) // size]
        physical = memory.translate(number)
        if physical is None:
            raise gdb.GdbError(f"{number:#x} is neither a frame nor mapped")
        return page_of_frame(physical)

    def print_use(self, page):
        """Whose it is, and where it is mapped."""
        if kernel.integer(page["object"]):
            owner = describe(page["object"].dereference())
            print(f"  page {int(page['pindex']):#x} of object {owner}")
        else:
            print("  in no object: the kernel's own")
        for pmap, address in mappings(page):
            print(f"  mapped at {address:#x} of {pmap_owner(pmap)}")


VmObject()
VmPage()
