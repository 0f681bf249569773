# SPDX-License-Identifier: BSD-2-Clause
"""The other emulator: Bochs, whose processors have what those of QEMU's emulation lack, x2APIC and
PCIDs (but it forgets what has a tag at each load of CR3).  The one place that configures it and
judges its end.

    result = bochs.boot(cmdline="run=tests/smp", smp=4, timeout=60)
    result.kind      "done"          the kernel switched the machine off in good order
                     "panic"         it panicked
                     "triple-fault"  a processor gave up
                     "timeout"       the time limit came first
                     "bochs"         Bochs itself failed
    result.serial    the kernel's log and what the program of run= wrote: there is no test channel
    result.status, result.report()   as machine.Result has them

All processors are emulated in turn by one thread.  Time in the machine is counted in instructions,
IPS of them are a second, so a run does not depend on the host's speed.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

import machine
import triage

BOCHS = os.environ.get("BOCHS", "bochs")
FOLDERS = (os.environ.get("BXSHARE"), "/usr/share/bochs", "/usr/local/share/bochs")

# Has both features, SMAP and INVPCID.  Later ones say in CPUID how fast their clock is, which is
# not true here.
MODEL = "broadwell_ult"

IPS = 10_000_000  # the firmware waits by the clock: the fewer, the sooner it is done

# Text only: when it has set a graphics mode of this VGA BIOS, GRUB 2.06 jumps into nowhere.  The
# display (VNC, from port 5900 on) is the one that needs no other package; nobody looks at it.
CONFIGURATION = """\
config_interface: textconfig
display_library: rfb, options="timeout=0"
cpu: model={model}, count={smp}, ips={ips}, quantum=32, reset_on_triple_fault=0
clock: sync=none
memory: guest={mem}, host={mem}
romimage: file="{folder}/BIOS-bochs-latest"
vgaromimage: file="{folder}/VGABIOS-lgpl-latest"
vga: extension=none
ata0-master: type=cdrom, path="{iso}", status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev={serial}
port_e9_hack: enabled=1
sound: driver=dummy
log: {log}
logprefix: %e%d
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""

OFF = "soft power off"  # how Bochs calls it; to it the end of the machine is a panic
GAVE_UP = "exception with no resolution"
PANIC = re.compile(r"^panic: ", re.M)
CHATTER = re.compile(r"\d+i\[")  # lines of its log that are information only

# Said by the display of one that starts at the same moment as another: both bind the first free
# port, as neither listens yet; then only one can listen, and the other's socket is bound already.
NO_PORT = "RFB could not bind any port"
STARTS = 10

REPORT_SECONDS = 5  # for the kernel's last words after a panic, or Bochs' after a time-out


def folder():
    """Where the firmware lies."""
    if not shutil.which(BOCHS):
        raise machine.MachineError(f"{BOCHS} is not installed: run tools/setup, or set BOCHS")
    files = ("BIOS-bochs-latest", "VGABIOS-lgpl-latest")
    for path in filter(None, FOLDERS):
        if all(os.path.exists(os.path.join(path, name)) for name in files):
            return path
    raise machine.MachineError(f"no folder with {' and '.join(files)}: run tools/setup")


class Bochs:
    """One run."""

    def __init__(self, cmdline, program, smp, mem, model, timeout, sink):
        self.kernel = os.path.join(machine.build_dir(), "pagoda.elf")
        self.timeout = timeout
        firmware = folder()
        self._directory = tempfile.mkdtemp(prefix="pagoda-")
        try:
            iso = os.path.join(self._directory, "pagoda.iso")
            archive = os.path.join(machine.build_dir(), "archive.tar")
            machine.make_iso(iso, self.kernel, archive, program, cmdline)
        except BaseException:
            shutil.rmtree(self._directory)
            raise
        # Said by the kernel; the program's status, and what Bochs says at its end; Bochs' log.
        self._channels = machine.Channel(sink=sink), machine.Channel(), machine.Channel()
        self._serial, self._said, self._log = self._channels
        with open(os.path.join(self._directory, "bochsrc"), "w", encoding="utf-8") as f:
            f.write(CONFIGURATION.format(
                model=model, smp=smp, ips=IPS, mem=machine.memory_bytes(mem) >> 20,
                folder=firmware, iso=iso, serial=self._serial.path, log=self._log.path,
            ))  # fmt: skip

    def run(self):
        """Switch on, wait for the end, judge it."""
        started = time.monotonic()
        try:
            with self._start() as process:
                try:
                    kind = self._wait(process, started + self.timeout)
                finally:
                    if process.poll() is None:
                        os.killpg(process.pid, signal.SIGKILL)
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)
        for channel in self._channels:
            channel.finish()
        said = self._said.text()
        if kind is None:
            kind = "done" if OFF in said else "triple-fault" if GAVE_UP in said else "bochs"
        return machine.Result(
            kind, serial=self._serial.text(), output=b"", control=said,
            seconds=time.monotonic() - started,
            diagnosis=[] if kind == "done" else self._diagnosis(said),
        )  # fmt: skip

    def _start(self):
        guard = ["timeout", "-k", "1", str(int(self.timeout) + 20)]
        command = (guard if shutil.which("timeout") else []) + [BOCHS, "-q", "-f", "bochsrc"]
        try:
            process = subprocess.Popen(
                command, cwd=self._directory, stdin=subprocess.PIPE, stdout=self._said.writer,
                stderr=subprocess.STDOUT, start_new_session=True,
                pass_fds=[c.writer for c in self._channels],
            )  # fmt: skip
        except OSError as error:
            for channel in self._channels:
                channel.abandon()
            raise machine.MachineError(f"{BOCHS} does not start: {error.strerror}") from error
        for channel in self._channels:
            channel.start()
        # One that was built with its debugger begins there: "continue".
        process.stdin.write(b"c\n")
        process.stdin.flush()
        return process

    def _wait(self, process, deadline):
        """Wait for the end: how it ended, or None if Bochs did so by itself."""
        kind = "timeout"
        while kind == "timeout" and time.monotonic() < deadline:
            try:
                process.wait(1)
                return None
            except subprocess.TimeoutExpired:
                if PANIC.search(self._serial.text()):
                    kind = "panic"
                    deadline = time.monotonic() + REPORT_SECONDS
        if kind == "panic":
            time.sleep(REPORT_SECONDS)
        # To the debugger, which then finds no more commands and ends, but first says where all are.
        process.stdin.close()
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(REPORT_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        return kind

    def _diagnosis(self, said):
        """Where each processor is, and the last words of Bochs."""
        where = {}
        for cpu, rip in re.findall(r"^\((\d+)\)\..*? [0-9a-f]+:([0-9a-f]+) \(", said, re.M):
            where[int(cpu)] = f"RIP={rip}"
        lines = triage.registers("\n".join(where[cpu] for cpu in sorted(where)), self.kernel)
        words = (self._log.text() + said).splitlines()
        return lines + ["last lines of Bochs:"] + [w for w in words if not CHATTER.match(w)][-30:]


def boot(cmdline="", program=None, smp=1, mem="128M", model=MODEL, timeout=60, sink=None):
    """Boot the image by BIOS and GRUB, wait for the end, judge it.

    model    of the processors, as Bochs calls it
    sink     called with each piece of the log as it comes
    The others are those of machine.boot.
    """
    for _ in range(STARTS):
        result = Bochs(cmdline, program, smp, mem, model, timeout, sink).run()
        if NO_PORT not in result.control:
            break
    return result
