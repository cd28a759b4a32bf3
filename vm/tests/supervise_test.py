#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests host/supervise.c with a fake QEMU.

usage: supervise_test.py SUPERVISE CASE     exit status 0: the case holds
       supervise_test.py --fake CASE        the fake: what a case's QEMU does

A case is the supervisor's options, the steps of the fake, and what is to be in the report
and on stdout. A step is a pair of a name and a value, see fake().
"""
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time

FRAME_FD = 3
MONITOR_FD = 4
U32 = struct.Struct("=I")
FOR_EVER = ("sleep", 600)
HELLO = ("h", b"")
PANIC = "Kernel panic - not syncing: Attempted to kill init!\r\n"


class Case:
    def __init__(self, steps, report, options=(), out="", devices=(), program=None):
        self.steps = steps
        self.report = report        # regular expressions, one for each line
        self.options = options
        self.out = out
        self.devices = devices      # seconds that each device's process lives
        self.program = program      # instead of the fake


CASES = {
    # a frame's type, and its payload
    "status": Case([HELLO, ("s", U32.pack(7))], ["status 7"]),
    "output": Case([HELLO, ("o", b"one\n"), ("e", b"not here\n"), ("o", b"two\n"),
                    ("s", U32.pack(0))], ["status 0"], out="one\ntwo\n"),
    "notes": Case([HELLO, ("n", b"a note"), ("t", U32.pack(512)), ("s", U32.pack(0))],
                  ["note a note", "taint 512", "status 0"]),
    "refused": Case([HELLO, ("f", b"no command")], ["failed no command"]),
    # a frame may come in pieces
    "pieces": Case([HELLO, ("bytes", b"s\0\0"), ("sleep", 0.2), ("bytes", b"\0\4\0\0\0\3"),
                    ("sleep", 0.2), ("bytes", b"\0\0\0")], ["status 3"]),
    "malformed": Case([HELLO, ("bytes", b"o\0\0\0\xff\xff\xff\xff"), FOR_EVER],
                      ["lost the guest sent a malformed frame"]),
    "no-program": Case([], ["qemu /nowhere/qemu: No such file or directory"],
                       program="/nowhere/qemu"),
    "refuses-arguments": Case([("exit", 1)], ["qemu it ended with status 1 before the guest ran"]),
    "killed": Case([HELLO, ("kill", signal.SIGSEGV)], ["lost it ended without a status"]),
    "powered-off": Case([HELLO, ("exit", 0)], ["lost it ended without a status"]),
    "panic": Case([HELLO, ("console", "[    1.0] " + PANIC), ("exit", 0)],
                  ["lost Kernel panic - not syncing: Attempted to kill init!"]),
    # the first thing that is said is the cause
    "oops": Case([HELLO, ("console", "Oops: 0002 [#1] SMP\r\n" + PANIC), ("exit", 0)],
                 [r"lost Oops: 0002 \[#1\] SMP"]),
    "never-starts": Case([FOR_EVER], ["lost no sign of life for 1 s"], ["-a", "1"]),
    "hangs": Case([HELLO, FOR_EVER], ["lost no sign of life for 1 s"], ["-a", "1"]),
    "stopped": Case([HELLO, ("kill", signal.SIGSTOP)], ["lost no sign of life for 1 s"],
                    ["-a", "1"]),
    "prints-only": Case([HELLO] + [("console", "hello\n"), ("sleep", 0.2)] * 300,
                        ["lost no sign of life for 2 s"], ["-a", "2"]),
    "lives": Case([HELLO] + [("a", b""), ("sleep", 0.1)] * 60 + [("s", U32.pack(0))],
                  ["status 0"], ["-a", "5"]),
    "no-watch": Case([HELLO, ("sleep", 1), ("s", U32.pack(0))], ["status 0"], ["-a", "0"]),
    "time-limit": Case([HELLO] + [("a", b""), ("sleep", 0.2)] * 300,
                       ["lost not finished after 1 s"], ["-t", "1"]),
    # a guest that sleeps says nothing until the power button is pressed
    "sleeps": Case([HELLO, ("button", b"system_powerdown\n"), ("button", b"system_powerdown\n"),
                    ("s", U32.pack(0))], ["status 0"], ["-w", "1"]),
    "awake": Case([HELLO] + [("a", b""), ("sleep", 0.2)] * 15 + [("no-button", 0), ("s", U32.pack(0))],
                  ["status 0"], ["-w", "1"]),
    "no-button": Case([HELLO, ("sleep", 2), ("no-button", 0), ("s", U32.pack(0))], ["status 0"],
                      ["-w", "0"]),
    "second-device-ends": Case([HELLO, FOR_EVER], ["lost the virtual GPU's process ended"],
                               devices=[600, 0.5]),
    "device-ends": Case([HELLO, FOR_EVER], ["lost the virtual GPU's process ended"], devices=[0.5]),
}


def fake(steps):
    for what, value in steps:
        if what == "sleep":
            time.sleep(value)
        elif what == "exit":
            os._exit(value)
        elif what == "kill":
            os.kill(os.getpid(), value)
        elif what == "console":
            os.write(1, value.encode())
        elif what == "no-button":
            if select.select([MONITOR_FD], [], [], 0)[0]:
                os._exit(1)
        elif what == "button":
            # QEMU's monitor greets, and repeats what is typed
            os.write(MONITOR_FD, b"QEMU monitor\r\n(qemu) ")
            pressed = os.read(MONITOR_FD, len(value))
            if pressed != value:
                os._exit(1)
        elif what == "bytes":
            os.write(FRAME_FD, value)
        else:
            os.write(FRAME_FD, U32.pack(ord(what)) + U32.pack(len(value)) + value)


def run(supervise, name, case, folder):
    """Returns what is wrong."""
    report = os.path.join(folder, "report")
    args = [supervise, "-c", os.path.join(folder, "console"), "-r", report, *case.options]
    devices = [subprocess.Popen(["sleep", str(seconds)]) for seconds in case.devices]
    for device in devices:
        args += ["-d", str(device.pid)]
    args += ["--"] + ([case.program] if case.program else [sys.executable, __file__, "--fake", name])
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, timeout=60)
    for device in devices:
        device.kill()
        device.wait()
    if done.returncode:
        yield f"exit status {done.returncode}: {done.stderr}"
    if done.stdout != case.out:
        yield f"stdout: {done.stdout!r}, wanted: {case.out!r}"
    lines = open(report).read().splitlines()
    if len(lines) != len(case.report) or not all(map(re.fullmatch, case.report, lines)):
        yield f"report: {lines}, wanted: {case.report}"
    said = "".join(value for what, value in case.steps if what == "console")
    with open(os.path.join(folder, "console"), newline="") as log:
        if not said.startswith(log.read()):
            yield "the console's log is not what was printed"


def main():
    if sys.argv[1] == "--fake":
        return fake(CASES[sys.argv[2]].steps)
    with tempfile.TemporaryDirectory() as folder:
        wrong = list(run(sys.argv[1], sys.argv[2], CASES[sys.argv[2]], folder))
    for line in wrong:
        print(line)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
