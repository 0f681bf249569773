# SPDX-License-Identifier: BSD-2-Clause
"""cpus, locks: what the processors do, and how long spinlocks were held."""

import gdb

import kernel


def code(pc):
    """A place in the kernel's text, by its function."""
    symbol = gdb.execute(f"info symbol {int(pc):#x}", to_string=True).strip()
    return symbol.split(" in section")[0]


class Cpus(gdb.Command):
    """Processors: cpus

    What each runs and where, how deep it is in interrupts and spinlocks, the space it has loaded,
    and which locks the running thread holds (debug builds note them); * marks the one GDB looks
    at."""

    def __init__(self):
        super().__init__("cpus", gdb.COMMAND_STATUS, gdb.COMPLETE_NONE)

    @kernel.command
    def invoke(self, argument, from_tty):
        kernel.require_maps()
        area = kernel.evaluate("percpu_area")
        first, last = area.type.range()
        for i in range(first, last + 1):
            if i == first or area[i]["online"]:
                self.describe(i, area[i])

    def describe(self, number, cpu):
        """A line, and one for each lock held."""
        thread = cpu["curthread"].dereference()
        here = "*" if number == kernel.cpu_id() else " "
        print(
            f"{here}cpu {number:2}  APIC {int(cpu['apic_id']):3}  thread {int(thread['id'])}"
            f" {kernel.string(thread['name'])}  at {self.place(number)}"
            f"  interrupts {int(cpu['irq_depth'])}, spinlocks {int(cpu['spin_depth'])} deep"
            f"  pmap {kernel.integer(cpu['loaded_pmap']):#x}"
        )
        order = thread["lockorder"]
        for i in range(int(order["count"])):
            held = order["held"][i]
            how, where = ("waits for", "wanted") if held["waited_for"] else ("holds", "taken")
            print(
                f'    {how} "{kernel.string(held["name"])}" {kernel.integer(held["lock"]):#x},'
                f" {where} at {code(held['pc'])}"
            )

    def place(self, number):
        """Where a processor is, by the name of the function."""
        selected = gdb.selected_thread()
        for candidate in gdb.selected_inferior().threads():
            if candidate.num != number + 1:
                continue
            candidate.switch()
            frame = gdb.newest_frame()
            name = frame.name() or f"{frame.pc():#x}"
            selected.switch()
            return name
        return "?"


class Locks(gdb.Command):
    """Spinlocks: locks

    The longest hold of each so far, in ns (under -icount shift=0: in instructions), where it began
    and where it ended, the longest first.  Locks of one name are one.  Debug builds measure it."""

    def __init__(self):
        super().__init__("locks", gdb.COMMAND_STATUS, gdb.COMPLETE_NONE)

    @kernel.command
    def invoke(self, argument, from_tty):
        kernel.require_maps()
        table = kernel.evaluate("lock_classes")
        first, last = table.type.range()
        known = [table[i] for i in range(first, last + 1) if int(table[i]["longest"])]
        for one in sorted(known, key=lambda c: -int(c["longest"])):
            print(
                f"{int(one['longest']):12} {kernel.string(one['name']):16} taken at"
                f" {code(one['taken'])}, released at {code(one['released'])}, cpu {int(one['cpu'])}"
            )


Cpus()
Locks()
