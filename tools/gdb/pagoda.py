# SPDX-License-Identifier: BSD-2-Clause
"""Pagoda for GDB 13: `gdb -x tools/gdb/pagoda.py build/debug/pagoda.elf` (make gdb does it).

    kernel.py    how to read the kernel's structures; the errors when they are not there yet
    memory.py    virtual and physical memory, the four storeys of the page table
    words.py     numbers of the headers in words
    symbols.py   the symbols of the user program that runs; a start that is safe for breakpoints
    maps.py      vm maps, vm map, vm find
    objects.py   vm object, vm page
    walk.py      vm walk
    threads.py   ps, threads
    cpus.py      cpus, locks
    printers.py  how structures are printed
    serial.py    log, output, type: the machine's ports

docs/debugging.md shows them at work.
"""

import os
import sys

import gdb

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

gdb.execute("set print pretty on")
gdb.execute("set print array-indexes on")


class Vm(gdb.Command):
    """Look at address spaces.

    vm maps             all maps: kernel_map, its submaps, each process's
    vm map [WHICH]      the entries of a map
    vm find ADDR        what an address belongs to: map, entry, object, page
    vm object ADDR      an object and what it shadows
    vm page ADDR|PFN    a page frame: whose it is, where it is mapped
    vm walk ADDR        the four storeys of the page table on the way to an address"""

    def __init__(self):
        super().__init__("vm", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)

    def invoke(self, argument, from_tty):
        """Neither of these commands."""
        gdb.execute("help vm")


if "symbols" not in sys.modules:  # not a second time: a prefix made anew has lost its commands
    Vm()
    for _module in ("symbols", "maps", "objects", "walk", "threads", "cpus", "printers", "serial"):
        __import__(_module)
