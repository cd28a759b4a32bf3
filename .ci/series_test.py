#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Tests of vm/host/series.py: a tiny tree, a series of three patches, and what is refused."""

import subprocess
import sys
import tempfile
from pathlib import Path

TOOL = Path(__file__).parent.parent / "vm/host/series.py"

BASE = {
    "d/Makefile": "obj-y += old.o\n",
    "d/old.c": "int a;\n\nint b;\n\nint c;\n\nint d;\n",
}
FINAL = {
    "d/Makefile": "obj-y += old.o\nobj-m += one.o \\\n\ttwo.o\n",
    "d/old.c": "int a;\nint one;\n\nint b;\n\nint c;\n\nint changed;\nint two;\n",
    "d/one.c": "int one_c;\n\n#if DEBUG\nint debug;\n#endif\n\nint last;\n",
    "d/two.c": "int two_c;\n",
}
HEAD = "SPDX-License-Identifier: MIT\nSubject: {}\n"
SERIES = {
    "00-cover.msg": HEAD.format("all of it") + "\nText of @WHO@.\n",
    "01-one.msg": HEAD.format("one") +
    "Dir: d\nFiles:\n\tone.c\n\tMakefile\n\told.c /int one/\n\nOne.\n",
    "02-two.msg": HEAD.format("two") + "Dir: d\nFiles:\n\ttwo.c\n\told.c\n\nTwo.\n",
    "03-debug.msg": HEAD.format("debug") + "Files:\n\td/one.c /^#if/,/^#endif/\n\nDebug.\n",
}
# what is in the files after each patch, as it is in no other state
STATES = {
    1: {"d/Makefile": "obj-y += old.o\nobj-m += one.o\n",
        "d/old.c": "int a;\nint one;\n\nint b;\n\nint c;\n\nint d;\n",
        "d/one.c": "int one_c;\n\nint last;\n"},
    2: {"d/Makefile": FINAL["d/Makefile"], "d/old.c": FINAL["d/old.c"]},
    3: {"d/one.c": FINAL["d/one.c"]},
}
# name, file, old text, new text, what must be said
REFUSED = (
    ("a new file that nobody names", "02-two.msg", "\ttwo.c\n", "", "no patch claims d/two.c:1"),
    ("a hunk that nobody names", "02-two.msg", "\told.c\n", "", "no patch claims d/old.c:"),
    ("a file that does not change", "02-two.msg", "\ttwo.c\n", "\ttwo.c\n\tthree.c\n",
     "d/three.c does not change"),
    ("a pattern that fits nothing", "01-one.msg", "/int one/", "/int none/", "claims nothing"),
    ("a hunk for two patches", "02-two.msg", "\told.c\n", "\told.c\n\told.c /int one/\n",
     "claims nothing"),
    ("lines for two patches", "02-two.msg", "\ttwo.c\n", "\ttwo.c\n\tone.c /^#if/,/debug/\n",
     "claimed by patches"),
    ("a file for two patches", "02-two.msg", "\ttwo.c\n", "\ttwo.c\n\tone.c\n", "as well"),
    ("lines without an end", "03-debug.msg", "/^#endif/", "/^#fi/", "no end"),
    ("no text", "03-debug.msg", "Debug.\n", "", "no subject or no text"),
    ("a value that is not given", "00-cover.msg", "@WHO@", "@WHOM@", "no value for @WHOM@"),
)


def write(top, files):
    for name, text in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(top, messages):
    for name in ("base", "final", "series"):
        (top / name).mkdir(parents=True)
    write(top / "base", BASE)
    write(top / "final", FINAL)
    write(top / "series", messages)
    return subprocess.run(
        [sys.executable, "-B", TOOL, "series", "base", "final", "out", "--signoff",
         "Some One <one@example.org>", "--set", "WHO=somebody"],
        cwd=top, text=True, capture_output=True, check=False)


def git(repo, *args):
    config = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", *config, *args], cwd=repo, check=True, capture_output=True)


def states(top):
    """Apply the mails one by one; the first difference from STATES, if any."""
    repo = top / "repo"
    repo.mkdir()
    write(repo, BASE)
    git(repo, "init", "-q")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "base")
    for number, files in STATES.items():
        mail = next((top / "out").glob(f"{number:04}-*.patch"))
        if "Signed-off-by: Some One <one@example.org>" not in mail.read_text():
            return f"{mail.name}: not signed"
        git(repo, "am", "-q", mail)
        for name, text in files.items():
            if (repo / name).read_text() != text:
                return f"{name} after patch {number}:\n{(repo / name).read_text()}"
    cover = (top / "out/0000-cover-letter.patch").read_text()
    return None if "Text of somebody." in cover else f"cover letter:\n{cover}"


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as tmp:
        top = Path(tmp)
        result = run(top / "good", SERIES)
        wrong = result.stderr if result.returncode else states(top / "good")
        if wrong:
            print(f"the series: {wrong}")
            failed += 1
        for i, (what, name, old, new, said) in enumerate(REFUSED):
            if old not in SERIES[name]:
                raise ValueError(f"{what}: {name} has no {old}")
            messages = dict(SERIES, **{name: SERIES[name].replace(old, new)})
            result = run(top / str(i), messages)
            if result.returncode != 1 or said not in result.stderr:
                print(f"{what}: status {result.returncode}: {result.stderr}")
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
