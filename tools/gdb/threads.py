# SPDX-License-Identifier: BSD-2-Clause
"""ps, threads: processes, threads, and the backtrace of one that sleeps.

A thread that does not run has its registers on its kernel stack, where context_swap (context.S) has
pushed them.  An unwinder tells GDB that the frame outside of the innermost one is the frame that
called context_swap.  So nothing in the machine is changed to look at another thread, and it works
in a recorded run too.
"""

import re

import gdb
import gdb.unwinder

import kernel
import memory

FOREVER = (1 << 64) - 1
SAVED = ("r15", "r14", "r13", "r12", "rbx", "rbp", "rip")  # as context_swap leaves them
NS_PER_MS = 1_000_000
FRAMES_MAX = 200


class FrameId:
    """What GDB wants to know a frame by."""

    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class SleepingThread(gdb.unwinder.Unwinder):
    """Goes from the innermost frame to the saved context of a thread."""

    def __init__(self):
        super().__init__("pagoda-sleeping-thread")
        self.sp = None

    def choose(self, thread):
        """Unwind this thread from now on; None: the one that runs."""
        self.sp = kernel.integer(thread["context"]["sp"]) if thread is not None else None
        gdb.invalidate_cached_frames()

    def __call__(self, pending_frame):
        if self.sp is None or pending_frame.level() != 0:
            return None
        word = gdb.lookup_type("unsigned long")
        pc = pending_frame.read_register("rip").cast(word)
        # As if it were called from there: GDB refuses an outer frame that lies below its inner one.
        info = pending_frame.create_unwind_info(FrameId(gdb.Value(self.sp).cast(word), pc))
        for i, register in enumerate(SAVED):
            value = gdb.Value(self.sp + 8 * i).cast(word.pointer()).dereference()
            info.add_saved_register(register, value)
        info.add_saved_register("rsp", gdb.Value(self.sp + 8 * len(SAVED)).cast(word))
        return info


UNWINDER = SleepingThread()
gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)


def forget(_event=None):
    """The machine goes on: what `threads frame` chose does not hold any more."""
    if UNWINDER.sp is not None:
        UNWINDER.choose(None)


gdb.events.cont.connect(forget)


def state(thread):
    """ready, running, sleeping …"""
    return kernel.enum_word(thread["state"], "THREAD_")


def waits_for(thread):
    """What a thread waits for, in words; "" if for nothing."""
    channel = kernel.integer(thread["wait_channel"])
    if state(thread) != "sleeping" or not channel:
        return ""
    symbol = gdb.execute(f"info symbol {channel:#x}", to_string=True).strip()
    place = f"{channel:#x}" if symbol.startswith("No symbol") else symbol.split(" in section")[0]
    text = f'waits for "{kernel.string(thread["wait_why"])}" ({place})'
    deadline = int(thread["wait_deadline"])
    if deadline != FOREVER:
        text += f" until {deadline / NS_PER_MS:.3f} ms"
    return text


def marks(thread):
    """Flags that change what happens to a thread next."""
    names = ("killed", "stop_pending", "preempt_pending")
    return ", ".join(name.replace("_", " ") for name in names if thread[name])


def describe(thread):
    """One line."""
    proc = thread["proc"]
    owner = kernel.proc_title(proc) if kernel.integer(proc) else "kernel"
    current = kernel.current_thread()
    here = current is not None and int(current.address) == int(thread.address)
    notes = ", ".join(filter(None, (waits_for(thread), marks(thread))))
    return (
        f"{'*' if here else ' '}{int(thread['id']):4} {kernel.string(thread['name']):16} {owner:24}"
        f" {state(thread):8} priority {int(thread['priority']):2} cpu {int(thread['cpu'])}"
        f" {int(thread['cpu_time']) / NS_PER_MS:9.3f} ms  {notes}"
    ).rstrip()


def find(text):
    """The thread with this id."""
    for thread in kernel.threads():
        if str(int(thread["id"])) == text:
            return thread
    there = ", ".join(str(int(t["id"])) for t in kernel.threads())
    raise gdb.GdbError(f"there is no thread {text}; threads: {there or 'none'}")


def space_is_loaded(thread):
    """Can the user part of a thread's stack be read now?"""
    pmap = thread["pmap"]
    if not kernel.integer(pmap):
        return False
    return memory.direct_phys(kernel.integer(pmap["root"])) == memory.root()


def frames_to_show(skip, user):
    """How many frames from the innermost one on: at most up to user mode, unless user."""
    frame, count = gdb.newest_frame(), 0
    while frame is not None and count < FRAMES_MAX:
        if count >= skip and frame.pc() < memory.USER_END and not user:
            break
        count += 1
        frame = frame.older()
    return count


def print_frames(skip, user):
    """The backtrace without its first frames, renumbered."""
    count = frames_to_show(skip, user)
    text = gdb.execute(f"with width 0 -- backtrace {count}", to_string=True)
    for line in text.splitlines():
        found = re.match(r"#(\d+)\s+(.*)", line)
        if found and int(found[1]) >= skip:
            print(f"  #{int(found[1]) - skip:<3} {found[2]}")


def print_user(thread):
    """Where a thread's user mode goes on."""
    if kernel.integer(thread["proc"]) and kernel.integer(thread["user_frame"]):
        frame = thread["user_frame"].dereference()
        print(f"  in user mode: rip {int(frame['rip']):#x} rsp {int(frame['rsp']):#x}")


def backtrace(thread):
    """The frames of a thread, whatever it does."""
    print(describe(thread))
    if state(thread) == "running":
        selected = gdb.selected_thread()
        for candidate in gdb.selected_inferior().threads():
            if candidate.num == int(thread["cpu"]) + 1:
                candidate.switch()
                print_frames(0, True)
        selected.switch()
        return
    if state(thread) in ("embryo", "zombie"):
        print("  it has no frames")
        return
    user = space_is_loaded(thread)
    UNWINDER.choose(thread)
    try:
        print_frames(1, user)
    finally:
        UNWINDER.choose(None)
    if not user:
        print_user(thread)


class Ps(gdb.Command):
    """Processes: ps

    Id, name, state, threads, map, bytes mapped and resident, handles; * marks the process whose
    address space is loaded."""

    def __init__(self):
        super().__init__("ps", gdb.COMMAND_STATUS, gdb.COMPLETE_NONE)

    @kernel.command
    def invoke(self, argument, from_tty):
        kernel.require_maps()
        current = kernel.current_process()
        print("    id name             state    threads  mapped KiB  resident KiB  handles  map")
        for proc in kernel.processes():
            here = current is not None and int(current.address) == int(proc.address)
            print(f"{'*' if here else ' '}{self.describe(proc)}")

    def describe(self, proc):
        """One line."""
        vm_map, pmap = kernel.proc_map(proc), kernel.proc_pmap(proc)
        mapped = int(vm_map["size"]) >> 10 if vm_map is not None else 0
        resident = 0
        if pmap is not None:
            root = memory.direct_phys(kernel.integer(pmap["root"]))
            resident = memory.user_pages(root) << memory.PAGE_SHIFT >> 10
        place = f"{int(vm_map.address):#x}" if vm_map is not None else "taken down"
        return (
            f"{int(proc['id']):5} {kernel.string(proc['name']):16}"
            f" {kernel.enum_word(proc['state'], 'PROC_'):8} {int(proc['live']):7}"
            f" {mapped:11} {resident:13} {int(proc['handles']['used']):8}  {place}"
        )


class Threads(gdb.Command):
    """Threads of the kernel and of all processes.

    threads             all: id, name, process, state, priority, processor, time, what it waits for
    threads ID          one, with its backtrace
    threads all         all, with their backtraces
    threads frame ID    have backtrace, frame, info locals show that thread, until the machine goes
                        on; frame 0 stays what runs.  threads frame: back to it"""

    def __init__(self):
        super().__init__("threads", gdb.COMMAND_STATUS, gdb.COMPLETE_NONE)

    @kernel.command
    def invoke(self, argument, from_tty):
        kernel.require_maps()
        words_given = argument.split()
        if not words_given:
            for thread in kernel.threads():
                print(describe(thread))
        elif words_given[0] == "all":
            for thread in kernel.threads():
                backtrace(thread)
        elif words_given[0] == "frame":
            self.choose(words_given[1:])
        else:
            backtrace(find(words_given[0]))

    def choose(self, given):
        """threads frame [ID]"""
        if not given:
            UNWINDER.choose(None)
        else:
            thread = find(given[0])
            if state(thread) not in ("ready", "sleeping"):
                raise gdb.GdbError(f"thread {given[0]} is {state(thread)}: nothing is saved of it")
            UNWINDER.choose(thread)
        gdb.execute("frame 0" if not given else "frame 1")


Ps()
Threads()
