#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The debugger: each command of tools/gdb in batch mode, and what it prints."""

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/lib"))
import debugger
import machine
import tap

COMMANDS = (
    "vm", "vm maps", "vm map", "vm find", "vm object", "vm page", "vm walk", "ps", "threads",
    "cpus", "locks", "program", "program load", "program break", "log", "output", "type",
)  # fmt: skip

STOPS = 4  # tries to find another processor in user code


def matches(said, command, pattern, name):
    """ok() if the output of a command matches; <*> stands for anything, ends of lines included."""
    found = re.search(pattern.replace("<*>", r"[\s\S]*?"), said[command], re.M)
    tap.ok(found, name, f"no {pattern!r} in what `{command}` says:\n{said[command] or said.all}")
    return found


def nothing_broke(said, name):
    """No Python traceback anywhere."""
    bad = re.search(r"Traceback|Python Exception|Error while executing Python", said.all)
    tap.ok(not bad, name, said.all)


def before_the_kernel():
    """At the first instruction nothing can be read, which is said; breakpoints can be set."""
    said = debugger.session([
        *(f"help {c}" for c in COMMANDS), "vm maps", "vm map", "vm find 0", "vm object 0x1000",
        "vm page 1", "vm walk 0", "ps", "threads", "vm nonsense", "break syscall_entry",
        "break kmain", "continue", "backtrace", "ps", "threads all", "vm map kernel_map",
        "delete 2", "continue", "x/i $pc",
    ], program=["bin/hello"])  # fmt: skip
    for command in COMMANDS:
        usage = said[f"help {command}"].strip()
        tap.ok(len(usage) > 20 and "Undefined" not in usage, f"help {command}", usage)
    for command in ("vm maps", "vm map", "vm find 0", "vm object 0x1000", "vm page 1"):
        matches(said, command, "^the kernel is not up: paging is off", f"too early for {command}")
    matches(said, "vm walk 0", "^paging is off: an address is a physical", "too early for vm walk")
    tap.contains(said["continue"], "kmain (bi=", "a breakpoint set before paging is hit")
    matches(said, "ps", r"not up<*>kernel_map is not made yet", "too early for ps, twice")
    matches(said, "threads all", "^kernel_map is not made yet", "too early for threads")
    tap.contains(said["x/i $pc"], "<syscall_entry>", "a breakpoint in assembly is hit, too")
    nothing_broke(said, "too early is never a traceback")


def growing_stack():
    """bin/stack, stopped in the kernel, where its stack is grown by a fault."""
    first = "percpu_area[0].curthread->proc->vmspace->vm_map"
    said = debugger.session([
        "break vm_map_growstack", "continue", "backtrace", "vm maps", "vm map", "vm map 1",
        "vm map stack", "vm map kernel_map", "vm map stack_map", "vm map nobody", "ps", "threads",
        "cpus",
        "threads 16", "threads all", "threads frame 16", "frame function run_supervise",
        "print p->name", "threads frame", "threads 999", "vm find $rsp", "vm find addr",
        "vm find 0x401000", "vm find 0x10000", "vm find kmain", "vm find 0x8000000000000000",
        "vm find 0xffff800000100000", f"vm object {first}.header.prev.object", "vm walk 0x401000",
        "vm walk addr", "vm walk kmain", "vm walk 0xdead000000000000", "vm page 0x401000",
        "vm page 0x100", "vm page vm_page_array", "vm object 16", f"print *{first}.header.next",
        f"print *{first}.header.prev", f"print *{first}.header.prev.object", "print proc_list",
        "print *percpu_area[0].curthread->user_frame", "print *percpu_area[0].curthread",
        "print $proc_name()", "frame function descend", "info locals", "log",
    ], program=["bin/stack"])  # fmt: skip
    walk = r"vm_map_growstack<*><signal handler called><*> descend \(w=<*>main \(argc="
    matches(said, "backtrace", walk, "a backtrace goes through the trap into the faulting function")
    check_maps(said)
    check_threads(said)
    matches(said, "cpus", r"^\*cpu  0 .* thread 17 stack  at vm_map_growstack ", "cpus: what runs")
    check_addresses(said)
    check_printers(said)
    matches(said, "info locals", "frame = ", "locals of the user function can be seen")
    matches(said, "log", "pagoda: ready", "log: what the kernel has said")
    nothing_broke(said, "a session in the kernel without a traceback")


def two_processors():
    """bin/stack on two processors, stopped where a page gets into its object."""
    said = debugger.session(
        ["break vm_map_growstack", "continue", "delete", "break vm_radix_insert_below", "continue",
         "cpus", "threads", "info threads"],
        program=["bin/stack"], smp=2,
    )  # fmt: skip
    matches(said, "cpus", r"^[* ]cpu  0 <*>^[* ]cpu  1 ", "cpus: two of them")
    matches(said, "cpus", r'thread 17 stack  at vm_radix_insert_below<*>holds "user map"'
            r'<*>taken at vm_<*>holds "vm_object"', "cpus: which locks are held")  # fmt: skip
    matches(said, "cpus", r"thread \d+ idle  at ", "cpus: the idle one")
    matches(said, "threads", r"^[* ]\s*1 idle .* running .* cpu [01]", "threads: all processors")
    matches(said, "info threads", r"1 .*CPU#0<*>2 .*CPU#1", "info threads: both")
    nothing_broke(said, "two processors without a traceback")


def four_processors():
    """One in the kernel with a spinlock held, one in a user program, the others idle."""
    # A breakpoint stops the others wherever they are, which may be in an interrupt: then again.
    for _ in range(STOPS):
        said = debugger.session(
            ["break sys_vm_unmap", "continue", "delete", "break ask if pmap->id != 0", "continue",
             "cpus", "threads", "info threads", "thread apply all backtrace", "locks"],
            program=["tests/smp", "no store is seen after unmap"], smp=4,
        )  # fmt: skip
        if " at store_for_ever " in said["cpus"]:
            break
    matches(said, "cpus", r"^\*cpu +\d .* smp  at ask  interrupts 0, spinlocks 2 deep<*>"
            r'^    holds "user map" 0x\w+, taken at vm_map_remove \+ \d+<*>'
            r'^    holds "page table" 0x\w+, taken at (pmap_table_next|table_lock) \+ \d+',
            "cpus: in the kernel, with locks")  # fmt: skip
    matches(said, "cpus", r"^ cpu +\d .* smp  at store_for_ever  interrupts 0, spinlocks 0 deep",
            "cpus: in user code")  # fmt: skip
    matches(said, "cpus", r"^ cpu +\d .* thread 1 idle ", "cpus: idle")
    lines = re.findall(r"^[* ]cpu +(\d)", said["cpus"], re.M)
    tap.equal(lines, list("0123"), "cpus: all four, in order", said["cpus"])
    running = re.findall(r" running .* cpu (\d)", said["threads"])
    tap.equal(sorted(running), list("0123"), "threads: one runs on each", said["threads"])
    for number in range(4):
        matches(said, "info threads", rf"^[* ] {number + 1} .*CPU#{number} ",
                f"info threads: {number}")  # fmt: skip
    everywhere = "thread apply all backtrace"
    matches(said, everywhere, r"#0 .*ask \(<*>pmap_shootdown<*>sys_vm_unmap<*>"
            r"<signal handler called><*>take_away \(<*>main \(",
            "backtraces: from the kernel into the program")  # fmt: skip
    matches(said, everywhere, r"#\d+ .*store_for_ever \(<*>thread_entry", "backtraces: user code")
    matches(said, everywhere, r"idle_main \(<*>sched_idle<*>smp_entered<*>boot_ap_high",
            "backtraces: an idle one, to its first instruction")  # fmt: skip
    matches(said, "locks", r"^ +\d+ page table +taken at (pmap|table)_\w+ \+ \d+,"
            r" released at (pmap|table)_\w+ \+ \d+,"
            " cpu", "locks: how long they were held")  # fmt: skip
    nothing_broke(said, "four processors without a traceback")


def late_processor():
    """One that comes when nobody waits any more; one that comes and is not heard of again."""
    said = debugger.session(
        ["break boot_ap_high", "continue", "thread 1", "set scheduler-locking on",
         "break lapic_send_init", "continue", "set scheduler-locking off", "continue", "delete",
         "break cpu_exit", "continue", "log", "thread apply 2 backtrace"],
        program=["bin/hello"], smp=2,
    )  # fmt: skip
    matches(said, "log", r"^smp: the processor with APIC 1 does not answer<*>^smp: 1 of 2 ",
            "a processor that is late is sent back")  # fmt: skip
    matches(said, "log", "hello has ended, status 0", "and the kernel goes on without it")
    said = debugger.session(
        ["break smp_entered", "continue", "set $pc = (unsigned long)&boot_ap_stay", "delete",
         "break cpu_exit", "continue", "log"],
        program=["bin/hello"], smp=2,
    )  # fmt: skip
    matches(said, "log", r"^smp: processor 1 \(APIC 1\) has come, and is not heard of any more<*>"
            r"^smp: 1 of 2 ", "a processor that is lost is named")  # fmt: skip
    matches(said, "log", "hello has ended, status 0", "and the kernel goes on without that, too")


def check_maps(said):
    for name in ("kernel_map", "kmem_map", "exec_map", "stack_map", r"process 1 \(stack\)"):
        matches(said, "vm maps", rf"^0x\w+ {name} .* entries", f"vm maps shows {name}")
    gap = r"^  0x\w+-0x\w+ ---/--- .* room for a stack rw-/rwx, guard 64 KiB, .*stack-gap"
    for command in ("vm map", "vm map 1", "vm map stack"):
        matches(said, command, gap, f"{command}: the gap of the stack with its values")
    matches(said, "vm map", r"r-x/rwx copy .* object 0x\w+ \+ 0x", "vm map: text with its object")
    matches(said, "vm map kernel_map", r"submap 0x\w+, .*is-sub-map", "vm map kernel_map: a submap")
    matches(said, "vm map stack_map", "wired 1, object", "vm map stack_map: wired stacks")
    matches(said, "vm map nobody", "^there is no process nobody; processes: 1 stack", "no such map")


def check_threads(said):
    matches(said, "ps", r"^\*\s+1 stack\s+alive\s+1 ", "ps: the process, marked as the current one")
    matches(said, "threads", r'^\s+16 start .* sleeping .*waits for "', "threads: why one waits")
    matches(said, "threads", r"^\*\s*17 stack .* running", "threads: the one that runs")
    for command in ("threads 16", "threads all"):
        matches(said, command, r"#\d+ .*proc_wait<*>run_supervise<*>start \(",
                f"{command}: the backtrace of a sleeping thread")  # fmt: skip
    matches(said, "print p->name", "\"stack\"", "threads frame: its frames can be looked into")
    matches(said, "threads frame", "^#0 .*vm_map_growstack", "threads frame: and back")
    matches(said, "threads 999", "^there is no thread 999", "no such thread")


def check_addresses(said):
    matches(said, "vm find $rsp", r"is in stack_map, entry<*>object<*>page<*>mapped: physical",
            "vm find: the kernel's stack, with object and page")  # fmt: skip
    matches(said, "vm find addr", r"is in process 1 \(stack\), entry<*>stack-gap<*>not mapped",
            "vm find: the address that made the stack grow is in its gap")  # fmt: skip
    matches(said, "vm find 0x401000", r"is in process 1<*>page 0x1 of it: frame<*>mapped: phys",
            "vm find: text of the program")  # fmt: skip
    matches(said, "vm find 0x10000", r"is in a hole of process 1", "vm find: a hole")
    matches(said, "vm find kmain", r"kernel image: kmain", "vm find: the kernel's text")
    matches(said, "vm find 0xffff800000100000", "direct map: physical 0x100000", "vm find: memory")
    matches(said, "vm find 0x8000000000000000", "not canonical", "vm find: no address at all")
    matches(said, "vm walk 0x401000", r"^level 4 \[  0\].*table<*>^level 1 \[  1\].*page of 4 KiB"
            r"<*>is physical 0x\w+, r-x, open to user mode", "vm walk: four levels")  # fmt: skip
    matches(said, "vm walk addr", r"not mapped: the entry of level \d", "vm walk: not mapped")
    matches(said, "vm walk kmain", "r-x, for the kernel only", "vm walk: the kernel's text")
    matches(said, "vm walk 0xdead000000000000", "not canonical", "vm walk: not canonical")
    matches(said, "vm page 0x401000", r"used, valid<*>of object<*>mapped at 0x401000 of process 1",
            "vm page: owner and reverse map")  # fmt: skip
    matches(said, "vm page 0x100", "frame 0x100 ", "vm page: by number")
    matches(said, "vm page vm_page_array", r"frame 0x0 ", "vm page: by its structure")
    matches(said, "vm object 16", "cannot be read", "vm object: of a wrong address")
    first = next(c for c in said if c.startswith("vm object percpu"))
    matches(said, first, r"anonymous, \d+ of \d+ pages resident, 1 references<*>resident pages: 0x",
            "vm object: counts and pages")  # fmt: skip


def check_printers(said):
    entries = [c for c in said if c.startswith("print *percpu_area[0].curthread->proc")]
    matches(said, entries[0], r"= 0x\w+-0x\w+ r--/rwx copy", "an entry is printed as one line")
    matches(said, entries[2], r"= 0x\w+ anonymous, ", "an object is printed as one line")
    matches(said, "print proc_list", "list of 1", "a list is printed with its length")
    matches(said, "print *percpu_area[0].curthread->user_frame", r"page fault \(14\), error 0x6, "
            r"from user mode at rip=0x4\w+ <descend<*>rax = 0x", "a trap frame in words")
    matches(said, "print *percpu_area[0].curthread", r"17 stack +process 1", "a thread in a line")
    matches(said, "print $proc_name()", '"stack"', "$proc_name()")


def user_program():
    """Source-level stepping in a program; one that is position independent."""
    said = debugger.session(
        ["break main", "continue", "next", "step", "backtrace"],
        program=["bin/hello", "two words"],
    )
    matches(said, "continue", r"main \(argc=2", "a breakpoint at main of a program")
    matches(said, "step", r"^\d+\t.*printf", "stepping by source line in a program")
    nothing_broke(said, "a session in a program without a traceback")

    # tbreak: to go on from a breakpoint is a step, and QEMU may take none (docs/debugging.md).
    said = debugger.session(
        ["tbreak main", "continue", "break sys_proc_exit", "continue", "output", "backtrace"],
        program=["bin/hello_pie"],
    )
    matches(said, "continue", r"main \(.*hello_pie.c", "a breakpoint where a program is relocated")
    matches(said, "output", "^Hello from", "output: what the program has written")
    matches(said, "backtrace", r"<signal handler called><*>start.c", "its frames have names")


def copy_on_write():
    """A shadow chain, after a fork."""
    # From above: the stack, its gap, the four pages.
    entry = "percpu_area[0].curthread->proc->vmspace->vm_map.header.prev.prev.prev"
    said = debugger.session(
        ["break proc_end", "continue", "ps", f"vm object {entry}.object",
         f"vm find {entry}->end - 1", "vm map forkdemo", "print proc_list"],
        program=["bin/forkdemo"],
    )  # fmt: skip
    matches(said, "ps", r"^\*\s+2 forkdemo", "a fork is the current process")
    matches(said, f"vm object {entry}.object", r"^  shadows 0x\w+ anonymous", "vm object: chain")
    matches(said, f"vm find {entry}->end - 1", "shadows, 1 down,<*>of it: frame", "vm find: chain")
    matches(said, "vm map forkdemo", "several processes are called forkdemo", "an ambiguous name")
    matches(said, "print proc_list", "list of 2", "both are on the list")
    nothing_broke(said, "a session with a fork without a traceback")


def device():
    """A program that has mapped a timer's registers: uncached, and without a page of memory."""
    said = debugger.session([
        "break sys_sleep_until", "continue", "frame function timer", "vm walk t", "vm find t",
        "vm page t", "vm walk 0xffff8000fed00000", "vm walk 0xffff8000000b8000",
    ], program=["tests/device", "-n", "is read"])  # fmt: skip
    level1 = r"^level 1 <*>page of 4 KiB at 0xfed00000, present write user <*>device<*>uncached$"
    matches(said, "vm walk t", level1, "DEV-03: a device's page table entry says uncached")
    matches(said, "vm walk t", r"^0x\w+ is physical 0xfed00000, rw-", "its frame is the timer's")
    matches(said, "vm find t", r"\bdevice\b", "find: the object is a device")
    matches(said, "vm page t", "^physical 0xfed00000 is no memory", "page: there is none")
    for address in ("0xffff8000fed00000", "0xffff8000000b8000"):
        said_of = said[f"vm walk {address}"]
        tap.contains(said_of, "is not mapped", f"no device in the direct map: {address}")
    nothing_broke(said, "a session on a device without a traceback")


def prompt():
    """The session of the prompt: symbols follow what runs."""
    said = debugger.session([
        "break uart_input_init", "continue", "finish", "delete", "program load stack",
        "program break bin/hello main", "program break bin/sh command_exit", "type hello typed",
        "continue", "program", "print argc", "log 3", "ps", "clear *$pc", "type exit", "continue",
        "program",
    ])  # fmt: skip
    matches(said, "program load stack", r"one of bin/stack, tests/stack", "program: two of a name")
    matches(said, "print argc", "= 2", "program break stops in that program only")
    matches(said, "log 3", "hello typed", "type reaches the prompt")
    matches(said, "program", r"bin/hello<*>bin/sh", "the symbols follow what runs")
    matches(said, "ps", r"init <*>sh <*>hello ", "ps: all of them")
    nothing_broke(said, "a session at the prompt without a traceback")


def triple_fault():
    """The processor gives up: GDB stops where it did."""
    said = debugger.session(["continue", "backtrace"], cmdline="debug.fault=triple")
    matches(said, "continue", "SIGQUIT", "a triple fault stops in the debugger")
    matches(said, "backtrace", "fault_triple", "at the instruction, with a backtrace")


if not debugger.is_here(debugger.GDB):
    tap.skip("the debugger", "gdb is not installed")
elif not machine.is_debug_build():
    tap.skip("the debugger", "the functions named here are inlined in a release kernel")
else:
    before_the_kernel()
    growing_stack()
    two_processors()
    four_processors()
    late_processor()
    user_program()
    copy_on_write()
    device()
    prompt()
    triple_fault()
tap.done()
