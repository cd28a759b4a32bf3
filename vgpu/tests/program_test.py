# SPDX-License-Identifier: MIT
"""The vgpu program itself, and what docs/vgpu.md says of it: program_test.py VGPU SOURCES PAGE.
With --update the tables of PAGE are written afresh. Output is TAP."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

BEGIN, END = "<!-- {}: written by vgpu/tests/program_test.py --update -->", "<!-- end of {} -->"


def source_files(sources):
    """(name, text) of each C file; texts of events that have a name are in their place."""
    header = open(os.path.join(sources, "device.h"), encoding="utf-8").read()
    named = re.findall(r'#define (VGPU_COUNT_\w+)\s+("[^"]*")', header)
    for name in sorted(os.listdir(sources)):
        if name.endswith(".c"):
            text = open(os.path.join(sources, name), encoding="utf-8").read()
            for macro, string in named:
                text = text.replace(macro, string)
            yield name, text


def events(sources):
    """The table of what is counted, from the calls in the source."""
    call = re.compile(r'vgpu_count\(\s*[^,()]+(?:\([^()]*\))?[^,()]*,\s*VGPU_LOG_(\w+),\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
    names = {"ERROR": "error of the model", "GUEST": "the guest's doing",
             "UNIMP": "not modelled", "INFO": "information"}
    rows = set()
    for _, text in source_files(sources):
        for level, pieces in call.findall(text):
            event = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', pieces))
            rows.add((list(names).index(level), event))
    lines = ["| | event |", "|---|---|"]
    for level, event in sorted(rows):
        lines.append(f"| {list(names.values())[level]} | {re.sub('%[a-z0-9.]*[a-z]', '…', event)} |")
    return "\n".join(lines) + "\n", len(rows)


def sections(vgpu, sources):
    listed = subprocess.run([vgpu, "--list"], check=True, capture_output=True, text=True).stdout
    return {"list": listed, "events": events(sources)[0]}


def parts(page, name):
    begin, end = BEGIN.format(name), END.format(name)
    before, _, rest = page.partition(begin + "\n")
    inside, _, after = rest.partition(end)
    return before + begin + "\n", inside, end + after


def update(vgpu, sources, path):
    page = open(path, encoding="utf-8").read()
    for name, text in sections(vgpu, sources).items():
        before, _, after = parts(page, name)
        page = before + "\n" + text + after
    open(path, "w", encoding="utf-8").write(page)


class Failed(Exception):
    pass


def check(condition, why):
    if not condition:
        raise Failed(why)


def test_page(name):
    def run(vgpu, sources, path):
        page = open(path, encoding="utf-8").read()
        check(BEGIN.format(name) in page, f"no section {name}")
        inside = parts(page, name)[1]
        check(inside.strip() == sections(vgpu, sources)[name].strip(),
              f"{path} is not what the code says: vgpu/tests/program_test.py --update VGPU vgpu docs/vgpu.md")
    return run


def test_events(_vgpu, sources, _path):
    """Few calls escape the pattern above: those with a text that is no literal."""
    files = [text for name, text in source_files(sources) if name != "device.c"]
    calls = sum(len(re.findall(r"\bvgpu_count\(\w", text)) for text in files)
    found = sum(len(re.findall(r'vgpu_count\([^;]*?VGPU_LOG_\w+,\s*"', text)) for text in files)
    check(calls and calls == found, f"{calls} calls of vgpu_count, {found} with a text")


def test_interrupts(_vgpu, sources, _path):
    """Those that are listed are those that are raised."""
    used = {True: set(), False: set()}
    for name, text in source_files(sources):
        used[name == "trace.c"] |= set(re.findall(r"\w+__SRCID__\w+", text))
    check(used[True] == used[False], f"listed or raised only: {used[True] ^ used[False]}")


def test_usage(vgpu, *_):
    rows = [(["--help"], 0, "usage: vgpu", ""), ([], 2, "", "vgpu: nothing to do"),
            (["--nonsense"], 2, "", "vgpu: unknown option --nonsense"),
            (["--list=mes"], 0, "### MES messages", ""),
            (["--socket", "/nonexistent/s"], 1, "", "vgpu: "),
            (["--socket", "/tmp/s", "--trace", "/nonexistent/t"], 1, "",
             "vgpu: /nonexistent/t: No such file")]
    for args, status, out, err in rows:
        r = subprocess.run([vgpu, *args], capture_output=True, text=True, timeout=60)
        check(r.returncode == status, f"{args}: status {r.returncode}")
        check(out in r.stdout and err in r.stderr, f"{args}: {r.stdout[:200]} {r.stderr[:200]}")


def wait_for(what, condition):
    for _ in range(1500):
        if condition():
            return
        time.sleep(0.01)
    raise Failed(f"no {what}")


def test_files(vgpu, *_):
    """Counters at a signal and at the end, ROM and firmware, a record."""
    with tempfile.TemporaryDirectory() as d:
        at = lambda name: os.path.join(d, name)
        p = subprocess.Popen([vgpu, "--socket", at("s"), "--counters", at("c"), "--trace", at("t"),
                              "--write-rom", at("rom"), "--write-firmware", at("fw"),
                              "--record", at("rec")], stderr=subprocess.PIPE, text=True)
        try:
            wait_for("socket", lambda: os.path.exists(at("s")))
            counters = []
            for _ in range(2):
                p.send_signal(signal.SIGUSR1)
                wait_for("counters", lambda: os.path.exists(at("c")))
                counters = json.load(open(at("c")))
                os.unlink(at("c"))
            check({"level": "info", "what": "gmc: faults reported", "count": 0} in counters,
                  f"counters: {counters}")
            p.send_signal(signal.SIGTERM)
            _, said = p.communicate(timeout=60)
            check(p.returncode == 0, f"status {p.returncode}: {said}")
        finally:
            p.kill()
        check(all(set(c) == {"level", "what", "count"} for c in json.load(open(at("c")))),
              "counters at the end")
        check("gmc: faults reported" in said, f"summary: {said}")
        check(os.path.getsize(at("rom")) > 1024 and os.listdir(at("fw/amdgpu")), "ROM, firmware")
        check(os.path.exists(at("t")) and os.path.isdir(at("rec/regs")), "trace, record")
        check(not os.path.exists(at("s")), "the socket is still there")
        check(sorted(os.listdir(d)) == ["c", "fw", "rec", "rom", "t"], str(os.listdir(d)))


TESTS = {"usage": test_usage, "files": test_files, "list-in-page": test_page("list"),
         "events-in-page": test_page("events"), "events-found": test_events,
         "interrupts-listed": test_interrupts}


def main():
    args = [a for a in sys.argv[1:] if a != "--update"]
    if "--update" in sys.argv:
        update(*args)
        return 0
    bad = 0
    for i, (name, run) in enumerate(TESTS.items(), 1):
        try:
            run(*args)
            print(f"ok {i} - {name}", flush=True)
        except (Failed, OSError, subprocess.SubprocessError, ValueError) as e:
            bad += 1
            print(f"# {e}\nnot ok {i} - {name}", flush=True)
    print(f"1..{len(TESTS)}")
    return bad != 0


if __name__ == "__main__":
    sys.exit(main())
