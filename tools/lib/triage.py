# SPDX-License-Identifier: BSD-2-Clause
"""Why did the machine stop?  Turns addresses and QEMU's log into lines a human can use."""

import bisect
import os
import re
import shutil
import subprocess

from elf import Elf

VECTORS = {
    0x00: "divide error", 0x01: "debug", 0x02: "NMI", 0x03: "breakpoint", 0x04: "overflow",
    0x05: "bound range", 0x06: "invalid opcode", 0x07: "device not available",
    0x08: "double fault", 0x0A: "invalid TSS", 0x0B: "segment not present",
    0x0C: "stack fault", 0x0D: "general protection", 0x0E: "page fault", 0x10: "x87 error",
    0x11: "alignment check", 0x12: "machine check", 0x13: "SIMD error",
}  # fmt: skip

# A line of -d int:  "12: v=0e e=0002 i=0 cpl=0 IP=0008:ffff... pc=ffff... SP=0010:... CR2=..."
EXCEPTION = re.compile(
    r"v=([0-9a-f]+) e=([0-9a-f]+) .*?cpl=(\d) IP=[0-9a-f]+:([0-9a-f]+) .*?"
    r"SP=[0-9a-f]+:([0-9a-f]+)(?:.*?CR2=([0-9a-f]+))?"
)
KERNEL_HALF = 0xFFFF800000000000
MAX_CPUS = 16  # MACHINE_MAX_CPUS of <machine/param.h>


class Symbols:
    """Names for addresses of one ELF file."""

    def __init__(self, path):
        self.path = path
        self.functions = Elf(path).functions()

    def name(self, address):
        """`function+0x12 (file.c:34)`, as much of it as is known."""
        at = bisect.bisect_right(self.functions, (address, "\xff")) - 1
        if at < 0:
            return f"{address:#x}"
        start, function = self.functions[at]
        return f"{address:#x} {function}+{address - start:#x}{self._line(address)}"

    def _line(self, address):
        tool = shutil.which(os.environ.get("CROSS_COMPILE", "") + "addr2line")
        if not tool:
            return ""
        command = [tool, "-s", "-e", self.path, hex(address)]
        line = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        return "" if not line or line.startswith("??") else f" ({line})"


def triple_fault(log, kernel):
    """Lines about the first fault of the chain that ended in a triple fault; [] if none did."""
    end = log.rfind("Triple fault")
    if end < 0:
        return []
    lines = ["triple fault: an exception could not be delivered, nor could its double fault"]
    before = log.rfind("Triple fault", 0, end)
    fault = _first_of_chain(list(EXCEPTION.finditer(log, max(before, 0), end)))
    if not fault:
        return lines + _reset_state(log[end:], kernel)
    vector, error, cpl, ip, sp, cr2 = fault.groups()
    vector = int(vector, 16)
    name = VECTORS.get(vector, "interrupt")
    lines.append(f"first fault: vector {vector} ({name}), error code 0x{error}, ring {cpl}")
    gs = re.compile(r"^GS =\w+ ([0-9a-f]+)", re.M).search(log, fault.end(), end)
    lines += _processor(int(gs[1], 16), kernel) if gs and cpl == "0" else []
    lines.append(f"  rip {_symbolised(int(ip, 16), kernel)}")
    lines.append(f"  rsp 0x{sp}" + (f", cr2 0x{cr2}" if cr2 and vector == 0x0E else ""))
    return lines


def _first_of_chain(faults):
    """What could not be delivered: the last one before the double fault, at the same place.  Those
    of other processors lie between."""
    last = [f for f in faults if f[1] == "08"][-1:]
    others = [f for f in faults if f[1] != "08"]
    chain = [f for f in others if last and f.group(4, 5) == last[0].group(4, 5)]
    return (chain or others or [None])[-1]


def _processor(gs, kernel):
    """Whose struct percpu the base of GS points to."""
    area = Elf(kernel).variable("percpu_area") if os.path.exists(kernel) else None
    if not area or not area[0] <= gs < area[0] + area[1]:
        return []
    return [f"  on processor {(gs - area[0]) // (area[1] // MAX_CPUS)}"]


def _reset_state(text, kernel):
    """What the register dump of the reset says, when the log has no exceptions."""
    rip = re.search(r"\b[RE]IP=([0-9a-f]+)", text)
    cr2 = re.search(r"CR2=([0-9a-f]+)", text)
    if not rip:
        return []
    return [f"  rip {_symbolised(int(rip[1], 16), kernel)}, cr2 0x{cr2[1] if cr2 else '?'}"]


def registers(text, kernel):
    """One line for each processor of the monitor's `info registers -a`: where it is."""
    lines = []
    for number, rip in enumerate(re.findall(r"\b[RE]IP=([0-9a-f]+)", text)):
        lines.append(f"processor {number} is at {_symbolised(int(rip, 16), kernel)}")
    return lines


def _symbolised(address, kernel):
    if not os.path.exists(kernel) or address < 0x100000:
        return f"{address:#x}"
    if 0x1000000 <= address < KERNEL_HALF:
        return f"{address:#x} (a user program)"
    return Symbols(kernel).name(address)
