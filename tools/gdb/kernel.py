# SPDX-License-Identifier: BSD-2-Clause
"""How to read the kernel's structures.

Whoever debugs a kernel looks at it before it is up and when it is broken.  So every command runs
under @command, which makes a sentence of what cannot be read, and every walk along a list has an
end.
"""

import functools

import gdb

LIST_MAX = 1_000_000  # elements; a longer list is a damaged one
LONG_MASK = (1 << 64) - 1


def command(invoke):
    """For the invoke method of a command: what cannot be read becomes a sentence."""

    @functools.wraps(invoke)
    def guarded(self, argument, from_tty):
        try:
            invoke(self, argument, from_tty)
        except gdb.MemoryError as error:
            raise gdb.GdbError(f"{why_unreadable()} ({error})") from None
        except gdb.error as error:
            raise gdb.GdbError(str(error)) from None

    return guarded


def why_unreadable():
    """Why a kernel structure could not be read."""
    try:
        if not paging():
            return "the kernel is not up: paging is off; go on first (break kmain, continue)"
    except gdb.error:
        return "there is no machine: start it with make gdb"
    return "this memory cannot be read: is the kernel up, and the address right?"


def paging():
    """Is the processor in long mode with paging on?  (CR0.PG and EFER.LMA)"""
    return bool(register("cr0") >> 31 & 1 and register("efer") >> 10 & 1)


def register(name):
    """A register as it is now, whatever frame is selected."""
    return integer(gdb.newest_frame().read_register(name))


def require_maps():
    """An error unless kernel_map and the structures below it exist."""
    if not paging():
        raise gdb.GdbError(why_unreadable())
    if not integer(evaluate("kernel_map")["header"]["next"]):
        raise gdb.GdbError("kernel_map is not made yet: go on until kmain has called kmem_init")


def evaluate(expression):
    """The value of an expression of C."""
    return gdb.parse_and_eval(expression)


def integer(value):
    """A number or a pointer as an unsigned number."""
    return int(value.cast(gdb.lookup_type("unsigned long"))) & LONG_MASK


def argument_address(text, what="an address"):
    """The argument of a command as a number."""
    if not text.strip():
        raise gdb.GdbError(f"say {what}: a number or an expression of C")
    value = gdb.parse_and_eval(text)
    if value.type.code == gdb.TYPE_CODE_VOID:
        raise gdb.GdbError(f"{text} has no value")
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        value = value.address
    return integer(value)


def at(address, type_name):
    """The structure that lies at an address."""
    pointer = gdb.lookup_type(type_name).pointer()
    return gdb.Value(address).cast(pointer).dereference()


def container(link, type_name, member):
    """The structure whose member this is (container_of)."""
    kind = gdb.lookup_type(type_name)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    return at(integer(link) - offset, type_name)


def list_items(head, type_name, member):
    """The elements of a struct list, in order."""
    first = integer(head["head"].address)
    link = head["head"]["next"]
    for _ in range(LIST_MAX):
        # A list that nobody has initialised yet is empty.
        if integer(link) in (0, first):
            return
        item = container(link, type_name, member)
        yield item
        link = item[member]["next"]
    raise gdb.GdbError(f"the list of {type_name} at {first:#x} has no end: it is damaged")


def string(value):
    """The text of an array or a pointer of characters; "" for NULL."""
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR and not integer(value):
        return ""
    return value.string(errors="replace")


def enum_word(value, prefix):
    """An enumerator without its prefix, in small letters; a number if it is none of them."""
    name = str(value)
    return name[len(prefix) :].lower().replace("_", "-") if name.startswith(prefix) else name


def processes():
    """All processes that are not dead."""
    return list_items(evaluate("proc_list"), "struct proc", "all")


def threads():
    """All threads that were started and not reaped."""
    return list_items(
        evaluate("'kernel/base/sched_life.c'::threads"), "struct thread", "all_link"
    )


def cpu_id():
    """The number of the processor that GDB looks at."""
    selected = gdb.selected_thread()
    return selected.num - 1 if selected else 0


def current_thread():
    """The struct thread that runs on this processor, or None."""
    pointer = evaluate("percpu_area")[cpu_id()]["curthread"]
    return pointer.dereference() if integer(pointer) else None


def current_process():
    """The process whose address space is loaded (found by CR3), or None."""
    import memory

    root = memory.root()
    for proc in processes():
        pmap = proc_pmap(proc)
        if pmap and memory.direct_phys(integer(pmap["root"])) == root:
            return proc
    return None


def proc_map(proc):
    """The map of a process, or None if it is taken down."""
    space = proc["vmspace"]
    return space["vm_map"] if integer(space) else None


def proc_pmap(proc):
    """The pmap of a process, or None."""
    space = proc_map(proc)
    return space["pmap"] if space is not None and integer(space["pmap"]) else None


def proc_title(proc):
    """`process 3 (stack)`"""
    return f"process {int(proc['id'])} ({string(proc['name'])})"


def find_process(text):
    """The process with this id or name."""
    found = [
        p
        for p in processes()
        if text in (str(int(p["id"])), string(p["name"]))
    ]
    if len(found) == 1:
        return found[0]
    there = ", ".join(f"{int(p['id'])} {string(p['name'])}" for p in processes()) or "none"
    problem = "several processes are called" if found else "there is no process"
    raise gdb.GdbError(f"{problem} {text}; processes: {there}")
