# SPDX-License-Identifier: BSD-2-Clause
"""The symbols of the user program that runs, and a start that is safe for breakpoints.

All programs are linked to the same addresses, so at any moment the symbols of one of them are
loaded: at each stop, those of the process whose address space the processor uses.  A process knows
only its program's name; if several files have it, their code is compared with the memory.

Before the kernel has turned paging on, its code cannot be read where it is linked.  GDB reads it
there when it sets a breakpoint, so until then it takes the code from the file.
"""

import glob
import os
import sys

import gdb

import kernel
import memory
import words

sys.path.insert(0, os.path.join(words.SOURCE, "tools/lib"))
from elf import PF_X, PT_LOAD, Elf  # noqa: E402

PIE_BASE = words.constants("kernel/elf.c")["ELF_PIE_BASE"]
ET_DYN = 3
SAMPLE_PAGES = 64  # how much code is compared at most


class Program:
    """The ELF file of a user program."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)
        self.elf = Elf(path)
        is_pie = int.from_bytes(self.elf.data[16:18], "little") == ET_DYN
        self.bias = PIE_BASE if is_pie else 0

    def code(self):
        """(address, bytes) of each page of code."""
        for s in self.elf.segments:
            if s.type != PT_LOAD or not s.flags & PF_X:
                continue
            for at in range(0, min(s.filesz, SAMPLE_PAGES * memory.PAGE_SIZE), memory.PAGE_SIZE):
                size = min(memory.PAGE_SIZE, s.filesz - at)
                start = s.offset + at
                yield self.bias + s.vaddr + at, self.elf.data[start : start + size]

    def is_in_memory(self):
        """Is this the code in the current address space, as far as it is there?"""
        for address, code in self.code():
            try:
                if memory.read(address, len(code)) != code:
                    return False
            except gdb.MemoryError:
                continue
        return True


class State:
    """What is loaded."""

    program = None
    found = {}  # (process id, name): Program or None


def build_dir():
    """Where the kernel lies that is debugged."""
    return os.path.dirname(os.path.abspath(gdb.objfiles()[0].filename))


def candidates(name):
    """The files of programs with this name; the one that was asked for on the host first."""
    asked = os.environ.get("PAGODA_PROGRAM", "")
    paths = sorted(glob.glob(os.path.join(build_dir(), "user", "*", glob.escape(name))))
    if asked and os.path.basename(asked) == name:
        paths = [asked] + [p for p in paths if not os.path.samefile(p, asked)]
    return paths


def program_of(proc):
    """The program of the process whose address space is loaded; None if there is no file of it."""
    name = kernel.string(proc["name"])
    key = int(proc["id"]), name
    if key not in State.found:
        programs = [Program(path) for path in candidates(name)]
        State.found[key] = next((p for p in programs if p.is_in_memory()), None)
    return State.found[key]


def load(program):
    """Have the symbols of this program, and of no other, loaded.  False if they were already."""
    if State.program and State.program.path == program.path:
        return False
    if State.program:
        gdb.execute(f'remove-symbol-file "{State.program.path}"', to_string=True)
        State.program = None
    gdb.execute(f'add-symbol-file "{program.path}" -o {program.bias:#x}', to_string=True)
    State.program = program
    print(f"[user program: {os.path.relpath(program.path)}]")
    return True


def follow(_event=None):
    """At a stop: the symbols of the program that runs."""
    try:
        up = kernel.paging()
        gdb.execute(f"set trust-readonly-sections {'off' if up else 'on'}")
        proc = kernel.current_process() if up else None
        program = program_of(proc) if proc is not None else None
        if program and load(program) and gdb.newest_frame().pc() < memory.USER_END:
            gdb.execute("frame")  # once more, now that it has a name
    except gdb.error:
        pass  # the kernel is not up, or broken: the stop itself must still be shown


def find(name):
    """The program that is meant by `stack`, `bin/stack` or a path."""
    paths = [name] if os.path.isfile(name) else []
    paths = paths or glob.glob(os.path.join(build_dir(), "user", glob.escape(name)))
    paths = paths or candidates(name)
    if len(paths) == 1:
        return Program(paths[0])
    there = sorted("/".join(p.split("/")[-2:]) for p in paths)
    raise gdb.GdbError(f"{name}: {'one of ' + ', '.join(there) if there else 'no such program'}")


class ProgramBreakpoint(gdb.Breakpoint):
    """A breakpoint in one program, though others use the same addresses."""

    def __init__(self, program, address):
        super().__init__(f"*{address:#x}")
        self.program = program

    def stop(self):
        """Only in a process of this program."""
        proc = kernel.current_process()
        return proc is not None and kernel.string(proc["name"]) == self.program.name


class ProgramCommand(gdb.Command):
    """User programs and their symbols.

    program                    which program's symbols are loaded
    program load NAME          load the symbols of a program before it runs (stack, bin/stack)
    program break NAME WHERE   a breakpoint in that program alone (main, stack.c:50)

    At each stop the symbols change by themselves to those of the program that runs.  An ordinary
    breakpoint at an address of user space stops in every program, and one by name moves along to
    the same name of the program whose symbols are loaded: use `program break` when more than one
    program runs."""

    def __init__(self):
        super().__init__("program", gdb.COMMAND_FILES, gdb.COMPLETE_NONE, True)

    @kernel.command
    def invoke(self, argument, from_tty):
        if argument:
            raise gdb.GdbError('program: load NAME, or break NAME WHERE (see "help program")')
        print(os.path.relpath(State.program.path) if State.program else "no program's symbols")


class ProgramLoad(gdb.Command):
    """Load the symbols of a user program: program load NAME"""

    def __init__(self):
        super().__init__("program load", gdb.COMMAND_FILES, gdb.COMPLETE_NONE)

    @kernel.command
    def invoke(self, argument, from_tty):
        load(find(argument.strip()))


class ProgramBreak(gdb.Command):
    """Stop in one user program only: program break NAME WHERE

    WHERE is a function or FILE:LINE of the program."""

    def __init__(self):
        super().__init__("program break", gdb.COMMAND_BREAKPOINTS, gdb.COMPLETE_LOCATION)

    @kernel.command
    def invoke(self, argument, from_tty):
        name, _, where = argument.strip().partition(" ")
        if not where:
            raise gdb.GdbError("say which program and where: program break stack main")
        program = find(name)
        load(program)
        places = [s.pc for s in gdb.decode_line(where)[1] or () if s.pc < memory.USER_END]
        if not places:
            raise gdb.GdbError(f"{where} is not in {name}")
        for address in places:
            ProgramBreakpoint(program, address)


class ProcName(gdb.Function):
    """$proc_name(): the name of the process whose address space is loaded, for conditions:
    break vm_fault if $_streq($proc_name(), "stack")"""

    def __init__(self):
        super().__init__("proc_name")

    def invoke(self):
        proc = kernel.current_process() if kernel.paging() else None
        return kernel.string(proc["name"]) if proc is not None else ""


ProgramCommand()
ProgramLoad()
ProgramBreak()
ProcName()
gdb.execute("set trust-readonly-sections on")
gdb.events.stop.connect(follow)
if asked_program := os.environ.get("PAGODA_PROGRAM"):
    load(Program(asked_program))
