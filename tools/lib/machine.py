# SPDX-License-Identifier: BSD-2-Clause
"""The machine Pagoda runs on: the one place that builds a QEMU command line and judges its end.

    result = machine.boot(how="kernel", cmdline="run=bin/hello -- a b", timeout=20)
    result.kind      "done"          the kernel ended the machine in good order
                     "failed"        … and says that what it was to do failed
                     "panic"         it panicked
                     "triple-fault"  the processor gave up
                     "timeout"       the time limit came first
                     "stopped"       the machine switched off or reset for another reason
                     "qemu"          QEMU itself failed
    result.serial    text of the first serial port: the kernel's log
    result.output    bytes of the test channel: what the program of run= wrote, nothing else
    result.status    exit status of the program of run=, None if it did not end
    result.report()  all of this for a human

A dialogue with the prompt:

    with machine.Machine(how="iso") as m:
        m.expect("pagoda: ready")
        m.send("help\n")
        m.expect("vmmap")

The channels between machine and host are described in docs/running.md.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import triage

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
QEMU = os.environ.get("QEMU", "qemu-system-x86_64")

# A fixed processor, so that a newer QEMU does not change what the kernel finds.
CPU = os.environ.get(
    "PAGODA_CPU",
    "qemu64,+smep,+smap,+umip,+pdpe1gb,+rdrand,+fsgsbase,+xsave,+xsaveopt,+avx,+avx2",
)

PORT_EXIT, PORT_CONTROL, PORT_OUTPUT, PORT_COVERAGE = 0xF4, 0xE9, 0xEA, 0xEB
EXIT_KINDS = {33: "done", 35: "failed", 37: "panic"}  # (CPU_EXIT_* << 1) | 1 of <machine/cpu.h>

# The log of -d int is long; what matters for a diagnosis is its end.
LOG_KEPT = 1 << 20
LOG_ITEMS = "int,cpu_reset,guest_errors"

REPORT_SECONDS = 5  # for the kernel's last words after a time-out

CMDLINE_MAX = 900  # of BOOT_CMDLINE_MAX in boot/boot_info.h, some for the options before it

# Larger machines are not poisoned: the file would cost more than it finds.
POISON_BYTES = 512 << 20
POISON = b"\xa5"

FIRMWARE = (  # (code, variables) of the 64-bit UEFI, by distribution
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    ("/usr/share/edk2-ovmf/x64/OVMF_CODE.fd", "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd"),
    ("/opt/homebrew/share/qemu/edk2-x86_64-code.fd", "/opt/homebrew/share/qemu/edk2-i386-vars.fd"),
    ("/usr/local/share/qemu/edk2-x86_64-code.fd", "/usr/local/share/qemu/edk2-i386-vars.fd"),
)


# To be asked to end must not leave a machine behind: let `with` and `finally` do their work.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


class MachineError(Exception):
    """The machine cannot be set up as asked; the text says why."""


def build_dir():
    """Where the kernel to boot lies: of the last `make`, or of PAGODA_BUILD_DIR."""
    return os.path.join(ROOT, os.environ.get("PAGODA_BUILD_DIR", "build/debug"))


def is_debug_build():
    """Does the build directory hold a debug kernel?"""
    try:
        with open(os.path.join(build_dir(), "kernel.flags"), encoding="utf-8") as f:
            return "CONFIG_DEBUG" in f.read()
    except OSError:
        return False


def default_smp():
    return int(os.environ.get("PAGODA_SMP", "1"))


def encode_arguments(arguments):
    """Program arguments as they stand on the kernel's command line (docs/running.md)."""
    return " ".join(urllib.parse.quote(os.fsencode(a), safe="/=:+,@") or "%" for a in arguments)


def memory_bytes(text):
    """`512M`, `2G`, or a plain number of MiB, in bytes."""
    found = re.fullmatch(r"(\d+)([KMGkmg]?)", str(text))
    if not found:
        raise MachineError(f"{text}: not an amount of memory (say 512M or 2G)")
    shift = {"K": 10, "M": 20, "G": 30, "": 20}[found[2].upper()]
    return int(found[1]) << shift


def firmware(directory):
    """QEMU options for UEFI, with a copy of its variables in directory."""
    for code, variables in FIRMWARE:
        if os.path.exists(code) and os.path.exists(variables):
            copy = os.path.join(directory, "uefi-variables.fd")
            shutil.copyfile(variables, copy)
            drive = "if=pflash,format=raw,unit="
            return [
                "-drive", f"{drive}0,readonly=on,file={code}", "-drive", f"{drive}1,file={copy}",
            ]  # fmt: skip
    raise MachineError("no UEFI firmware found: install ovmf (tools/setup does it)")


def poison_file(size):
    """A file of at least `size` bytes full of POISON.  It is mapped privately, so that each run
    starts from it, pays only for the pages it writes, and leaves it as it is."""
    path = os.path.join(ROOT, "build", "poison.ram")
    if os.path.exists(path) and os.path.getsize(path) >= size:
        return path
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, new = tempfile.mkstemp(dir=os.path.dirname(path), prefix="poison.")
    with os.fdopen(handle, "wb") as f:
        block = POISON * (1 << 20)
        for _ in range(size // len(block)):
            f.write(block)
    os.rename(new, path)
    return path


def image_options(how, directory, kernel, archive, program, cmdline):
    """What is booted.  The files get names without spaces or commas, which QEMU would split."""
    if how in ("iso", "uefi"):
        iso = os.path.join(directory, "pagoda.iso")
        ready = os.path.join(os.path.dirname(kernel), "pagoda.iso")
        if cmdline or program:
            make_iso(iso, kernel, archive, program, cmdline)
        elif os.path.exists(ready):
            os.symlink(os.path.abspath(ready), iso)
        else:
            raise MachineError(f"{ready} is not there: run make iso")
        options = ["-drive", f"file={iso},format=raw,media=cdrom,readonly=on"]
        return options + (firmware(directory) if how == "uefi" else [])

    modules = [("archive", archive)] + ([("run", program)] if program else [])
    for name, path in [("kernel", kernel)] + modules:
        if not os.path.exists(path):
            raise MachineError(f"{path} is not there: run make")
        os.symlink(os.path.abspath(path), os.path.join(directory, name))
    initrd = ",".join(f"{directory}/{name}" for name, _ in modules)
    return ["-kernel", f"{directory}/kernel", "-initrd", initrd, "-append", cmdline]


def make_iso(path, kernel, archive, program, cmdline):
    """An image of its own for a boot with a command line or a program of its own."""
    command = [os.path.join(ROOT, "tools/mkiso"), path, kernel, archive, cmdline]
    made = subprocess.run(
        command + ([program] if program else []), capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        raise MachineError(f"tools/mkiso failed:\n{made.stderr}")


def hardware_options(smp, mem, poison):
    """Processor, memory and the devices that every run has."""
    size = memory_bytes(mem)
    options = [
        "-accel", "tcg", "-cpu", CPU, "-smp", str(smp), "-m", f"{size >> 20}M",
        "-net", "none", "-no-reboot", "-name", "pagoda",
        "-device", f"isa-debug-exit,iobase={PORT_EXIT:#x},iosize=4",
    ]  # fmt: skip
    if poison:
        backend = f"memory-backend-file,id=ram,size={size},mem-path={poison_file(size)},share=off"
        options += ["-object", backend, "-machine", "memory-backend=ram"]
    return options


def find_program(name):
    """The name of a program for the kernel, and the host file if it is one."""
    archive = os.path.join(build_dir(), "archive.tar")
    listing = subprocess.run(["tar", "tf", archive], capture_output=True, text=True, check=False)
    programs = listing.stdout.split()
    if name in programs:
        return name, None
    if os.path.isfile(name):
        return os.path.basename(name), name
    found = [p for p in programs if os.path.basename(p) == name]
    if len(found) == 1:
        return found[0], None
    raise MachineError(
        f"{name}: neither a host file nor a program of the archive, which has: {' '.join(programs)}"
    )


def port_options(directory, serial="file"):
    """The ports of a machine under the debugger, whose logs are files in directory.  The serial
    port is also on directory/serial ("socket"), or only on this terminal ("terminal")."""
    log = f"{directory}/serial.log"
    backend = {
        "file": f"file,path={log}",
        "socket": f"socket,path={directory}/serial,server=on,wait=off,logfile={log}",
        "terminal": "stdio,signal=on",  # what a mux=on passes on is not recorded
    }[serial]
    return [
        "-display", "none", "-chardev", f"{backend},id=serial", "-serial", "chardev:serial",
        "-chardev", f"file,id=output,path={directory}/output.log",
        "-device", f"isa-debugcon,iobase={PORT_OUTPUT:#x},chardev=output",
    ]  # fmt: skip


def debug_options(directory):
    """A machine that is stopped at its first instruction and waits for GDB on directory/gdb; when
    the processor gives up, it stops there."""
    stub = f"socket,id=gdb,path={directory}/gdb,server=on,wait=off"
    return ["-S", "-chardev", stub, "-gdb", "chardev:gdb", "-action", "shutdown=pause"]


def create_replay_disk(directory):
    """The disk that holds the snapshots from which a replay goes backwards."""
    disk = os.path.join(directory, "snapshots.qcow2")
    command = ["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MachineError(f"qemu-img does not work: {error}") from error


def replay_options(directory, mode):
    """mode: "record" or "replay".  With the paravirtual APIC that QEMU has otherwise, going
    backwards blocks for ever."""
    return [
        "-icount", f"shift=auto,rr={mode},rrfile={directory}/replay.bin,rrsnapshot=start",
        "-drive", f"file={directory}/snapshots.qcow2,if=none,id=snapshots",
        "-global", "apic-common.vapic=off",
    ]  # fmt: skip


class Channel:
    """A pipe from QEMU, read by a thread of its own: all of it, or only the end if kept is given.
    Each piece is also handed to sink."""

    def __init__(self, kept=None, sink=None):
        self.data = bytearray()
        self.changed = threading.Condition()
        self.closed = False
        self._kept = kept
        self._sink = sink
        self._reader, self.writer = os.pipe()
        self._thread = threading.Thread(target=self._read, daemon=True)

    @property
    def path(self):
        """A name by which QEMU can open the writing end."""
        return f"/dev/fd/{self.writer}"

    def start(self):
        """Begin to read, once QEMU has its copy of the writing end."""
        os.close(self.writer)
        self._thread.start()

    def abandon(self):
        """QEMU did not start: nothing will come."""
        os.close(self.writer)
        os.close(self._reader)

    def finish(self):
        """Wait for the end of the data, which comes when QEMU is gone."""
        self._thread.join(timeout=10)

    def _read(self):
        while piece := os.read(self._reader, 1 << 16):
            if self._sink:
                self._sink(piece)
            with self.changed:
                self.data += piece
                if self._kept and len(self.data) > 2 * self._kept:
                    del self.data[: -self._kept]
                self.changed.notify_all()
        os.close(self._reader)
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def text(self):
        with self.changed:
            return self.data.decode("utf-8", "replace").replace("\r\n", "\n")


class Result:
    """How a run ended; see the top of this file."""

    def __init__(self, kind, **what):
        self.kind = kind
        self.serial = what["serial"]
        self.output = what["output"]
        self.control = what["control"]
        self.seconds = what["seconds"]
        self.diagnosis = what["diagnosis"]
        ends = re.findall(r"^exit (\d+)$", self.control, re.M)
        self.status = int(ends[-1]) & 255 if ends and kind == "done" else None

    @property
    def text(self):
        """The test channel as text."""
        return self.output.decode("utf-8", "replace")

    def report(self, lines=60):
        """The end in words: kind, diagnosis, the last lines of the log."""
        log = self.serial.splitlines()[-lines:]
        head = f"the machine ended as '{self.kind}' after {self.seconds:.1f} s"
        return "\n".join([head] + self.diagnosis + ["last lines of the kernel's log:"] + log)


class Machine:
    """One run of QEMU with a time limit; the arguments are those of boot()."""

    def __init__(
        self, how="kernel", cmdline="", program=None, mem="128M", smp=None, timeout=60,
        poison=None, kernel=None, archive=None, modules=True, extra=(), sink=None, log=LOG_ITEMS,
    ):  # fmt: skip
        self.kernel = kernel or os.path.join(build_dir(), "pagoda.elf")
        self.timeout = timeout
        self._directory = tempfile.mkdtemp(prefix="pagoda-")
        self._log_items = log
        self._seen = 0
        self._process = None
        try:
            archive = archive or os.path.join(build_dir(), "archive.tar")
            if poison is None:
                poison = is_debug_build() and memory_bytes(mem) <= POISON_BYTES
            self._command = [QEMU, *hardware_options(smp or default_smp(), mem, poison)]
            image = image_options(how, self._directory, self.kernel, archive, program, cmdline)
            if not modules:
                at = image.index("-initrd")
                del image[at : at + 2]
            self._command += [*image, *extra]
        except BaseException:
            shutil.rmtree(self._directory)
            raise
        self.serial, self.output, self.control = Channel(), Channel(sink=sink), Channel()
        self._log = Channel(kept=LOG_KEPT)
        self._errors = Channel()

    def _arguments(self):
        """The whole command: QEMU under an outer time limit, with its channels."""
        guard = ["timeout", "-k", "1", str(int(self.timeout) + 20)]
        command = (guard if shutil.which("timeout") else []) + self._command
        command += ["-display", "none", "-chardev", "stdio,id=serial,signal=off"]
        command += ["-serial", "chardev:serial"]
        for name, port, channel in (
            ("control", PORT_CONTROL, self.control),
            ("output", PORT_OUTPUT, self.output),
        ):
            command += ["-chardev", f"file,id={name},path={channel.path}"]
            command += ["-device", f"isa-debugcon,iobase={port:#x},chardev={name}"]
        if counts := os.environ.get("PAGODA_COVERAGE"):  # a folder; see tools/coverage
            path = os.path.join(counts, os.path.basename(self._directory))
            command += ["-chardev", f"file,id=coverage,path={path}"]
            command += ["-device", f"isa-debugcon,iobase={PORT_COVERAGE:#x},chardev=coverage"]
        command += ["-d", self._log_items, "-D", self._log.path]
        return command + ["-qmp", f"unix:{self._directory}/qmp,server=on,wait=off"]

    def start(self):
        """Switch on."""
        channels = (self.serial, self.output, self.control, self._log, self._errors)
        self._started = time.monotonic()
        try:
            self._process = subprocess.Popen(
                self._arguments(), stdin=subprocess.PIPE, stdout=self.serial.writer,
                stderr=self._errors.writer, start_new_session=True,
                pass_fds=[c.writer for c in channels],
            )  # fmt: skip
        except OSError as error:
            for channel in channels:
                channel.abandon()
            shutil.rmtree(self._directory)
            raise MachineError(f"{QEMU} does not start: {error.strerror}") from error
        for channel in channels:
            channel.start()
        return self

    def send(self, text):
        """Type on the serial line."""
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def expect(self, pattern, timeout=None):
        """Wait until the regular expression occurs on the serial line, after what earlier calls
        found; the match, or None if the time or the machine ended first."""
        deadline = self._deadline() if timeout is None else time.monotonic() + timeout
        with self.serial.changed:
            while True:
                text = self.serial.data.decode("latin-1")
                if found := re.compile(pattern, re.M).search(text, self._seen):
                    self._seen = found.end()
                    return found
                left = deadline - time.monotonic()
                if self.serial.closed or left <= 0:
                    return None
                self.serial.changed.wait(left)

    def qmp(self, command, **arguments):
        """One command to QEMU's control socket (screendump, stop …); its answer."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(os.path.join(self._directory, "qmp"))
            lines = s.makefile("rw")
            lines.readline()
            for request in (
                {"execute": "qmp_capabilities"},
                {"execute": command, "arguments": arguments},
            ):
                lines.write(json.dumps(request) + "\n")
                lines.flush()
                answer = {}
                while not {"return", "error"} & answer.keys():
                    answer = json.loads(lines.readline())
            return answer.get("return", answer.get("error"))

    def wait(self):
        """Wait for the end, the time limit included, and judge it."""
        diagnosis = []
        try:
            code = self._process.wait(max(0.0, self._deadline() - time.monotonic()))
        except subprocess.TimeoutExpired:
            code = None
            diagnosis = self._where()
            self._ask_for_report()
        return self._judge(code, diagnosis)

    def stop(self):
        """Switch off now; what was said until then."""
        return self._judge(self._process.poll(), [])

    def _deadline(self):
        return self._started + self.timeout

    def _where(self):
        """Where the processors are, for a machine that does not end."""
        try:
            text = self.qmp("human-monitor-command", **{"command-line": "info registers -a"})
            return triage.registers(str(text), self.kernel)
        except (OSError, ValueError):
            return ["QEMU itself does not answer any more"]

    def _ask_for_report(self):
        """A non-maskable interrupt makes the kernel say where it is, even if it ignores others."""
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            self.qmp("inject-nmi")
            self._process.wait(REPORT_SECONDS)

    def _kill(self):
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _judge(self, code, diagnosis):
        self._kill()
        for channel in (self.serial, self.output, self.control, self._log, self._errors):
            channel.finish()
        self._process.stdin.close()
        shutil.rmtree(self._directory, ignore_errors=True)
        kind = EXIT_KINDS.get(code)
        if code is None:
            kind = "timeout"
        elif code == 0:
            diagnosis = triage.triple_fault(self._log.text(), self.kernel)
            kind = "triple-fault" if diagnosis else "stopped"
        elif kind is None:
            kind = "qemu"
            diagnosis = [f"QEMU's exit status: {code}"] + self._errors.text().splitlines()
        return Result(
            kind, serial=self.serial.text(), output=bytes(self.output.data),
            control=self.control.text(), seconds=time.monotonic() - self._started,
            diagnosis=diagnosis,
        )  # fmt: skip

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self._process and os.path.exists(self._directory):
            self.stop()


def boot(**options):
    """Boot, wait for the end, judge it.

    how      "kernel" (directly, fast), "iso" (BIOS and GRUB) or "uefi" (UEFI and GRUB)
    cmdline  the kernel's command line
    program  a host ELF file, given to the kernel as a boot module named `run`
    mem, smp memory (128M), processors (PAGODA_SMP or 1)
    timeout  seconds
    poison   fill memory with 0xa5 first (default: in debug builds, up to 512 MiB)
    kernel, archive  other files than those of the build directory
    modules  False: give the kernel none, not even the archive (how="kernel" only)
    extra    more QEMU options
    log      what QEMU logs for the diagnosis; without `int` millions of faults go faster
    sink     called with each piece of the test channel as it comes
    """
    with Machine(**options) as machine:
        return machine.wait()


def run_cmdline(name, arguments):
    """The command line that makes the kernel run one program and end."""
    encoded = encode_arguments(arguments)
    line = f"run={encode_arguments([name])}" + (f" -- {encoded}" if encoded else "")
    if len(line) > CMDLINE_MAX:
        raise MachineError(f"the arguments take {len(line)} bytes of {CMDLINE_MAX}")
    return line
