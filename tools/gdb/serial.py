# SPDX-License-Identifier: BSD-2-Clause
"""log, output, type: the machine's ports, which GDB has instead of a terminal.

tools/debug names the files and the socket of the serial port in the environment.
"""

import os
import socket
import threading as host_threads

import gdb

LINES = 20
PIECE = 4096


class Log(gdb.Command):
    """The end of {what}: {name} [LINES]"""

    def __init__(self, name, what, variable):
        self.__doc__ = f"The end of {what}: {name} [LINES]"
        super().__init__(name, gdb.COMMAND_STATUS, gdb.COMPLETE_NONE)
        self.variable = variable

    def invoke(self, argument, from_tty):
        lines = int(argument) if argument.strip().isdigit() else LINES
        try:
            with open(os.environ[self.variable], encoding="utf-8", errors="replace") as f:
                text = f.read().replace("\r", "")
        except (KeyError, OSError):
            raise gdb.GdbError("it is not here: start the machine with make gdb") from None
        print("\n".join(text.splitlines()[-lines:]) or "(nothing yet)")


class Type(gdb.Command):
    """Type a line on the machine's serial port: type TEXT

    It arrives when the machine goes on.  For the prompt of make gdb without T=."""

    def __init__(self):
        super().__init__("type", gdb.COMMAND_RUNNING, gdb.COMPLETE_NONE)
        self.port = None

    def connect(self):
        """The port, whose output is taken and dropped: the log has it."""
        path = os.environ.get("PAGODA_SERIAL")
        if not path:
            raise gdb.GdbError("there is no port to type on: start the machine with make gdb")
        self.port = socket.socket(socket.AF_UNIX)
        self.port.connect(path)
        host_threads.Thread(target=self.drain, daemon=True).start()

    def drain(self):
        """A port that nobody reads would stop the machine."""
        try:
            while self.port.recv(PIECE):
                pass
        except OSError:
            pass

    def invoke(self, argument, from_tty):
        if self.port is None:
            self.connect()
        self.port.sendall(argument.encode() + b"\r")


Log("log", "the kernel's log", "PAGODA_LOG")
Log("output", "what the program of T= has written", "PAGODA_OUTPUT")
Type()
