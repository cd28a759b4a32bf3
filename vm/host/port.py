#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Carry the hooks over to another kernel series, as far as that is mechanical.

port.py PROJECT TREE [OUT] [--from SERIES]

Every hook patch of the last kernel series that PROJECT knows, and the uAPI patch, is applied to
the files of TREE with as much fuzz as patch(1) has. A line is printed for each hunk that did not
fit as it was. OUT (default: PROJECT) gets drivers/gpu/drm/amd/amdgpu/hooks/linux-X.Y/ with the
patches made afresh; hunks that do not fit are in a .rej file beside them, to be worked in by hand.
A uAPI patch that needed fuzz is made afresh in OUT as well; one that fits is not written.

What applies may still be wrong: numbers of ioctls, queries and driver versions that TREE has
given to something else are looked for.

exit status: 0 all fits; 1 something is to be done by hand; 2 wrong arguments
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HOOKS = "drivers/gpu/drm/amd/amdgpu/hooks"
UAPI = "include/uapi/drm/amdgpu_drm.h"
DRV = "drivers/gpu/drm/amd/amdgpu/amdgpu_drv.c"


def run(*args, stdin=None, cwd=None):
    return subprocess.run(args, input=stdin, cwd=cwd, text=True, capture_output=True,
                          check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"})


def kernel_series(tree):
    text = (tree / "Makefile").read_text()
    number = [re.search(rf"^{k} *= *(\d+)$", text, re.M) for k in ("VERSION", "PATCHLEVEL")]
    if None in number:
        raise ValueError(f"{tree}: no VERSION and PATCHLEVEL in its Makefile")
    return "linux-" + ".".join(m[1] for m in number)


def by_number(path):
    return [int(x) for x in re.findall(r"\d+", path.name)]


class Port:
    """The state of the files after the patches so far, and what is to be said."""

    def __init__(self, tree, work):
        self.tree, self.work = tree, work
        self.hunks = self.moved = self.fuzzy = self.by_hand = 0

    def hand(self, text):
        self.by_hand += 1
        print(f"BY HAND  {text}")

    def fetch(self, patch):
        """Take the files that PATCH changes over from the tree, unless an earlier one did."""
        names = re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.M)
        for name in names:
            to = self.work / "b" / name
            to.parent.mkdir(parents=True, exist_ok=True)
            if not to.exists() and (self.tree / name).exists():
                shutil.copyfile(self.tree / name, to)
        return names

    def apply(self, patch, refresh):
        """Apply PATCH; its new text and that of what did not fit. None: no new text needed."""
        names = self.fetch(patch)
        before = self.work / "a"
        shutil.rmtree(before, ignore_errors=True)
        shutil.copytree(self.work / "b", before)
        rejects = self.work / "rejects"
        rejects.unlink(missing_ok=True)
        text = patch.read_text()
        out = run("patch", "-p1", "--verbose", "--fuzz=3", "-f", "--no-backup-if-mismatch",
                  "-r", str(rejects), stdin=text, cwd=self.work / "b").stdout
        fuzzy = self.report(patch, out)
        rejected = rejects.read_text() if rejects.exists() else ""
        if not refresh and not fuzzy and not rejected:
            return None, ""
        head = re.split(r"^--- a/", text, maxsplit=1, flags=re.M)[0]
        for name in names:
            if not (self.work / "b" / name).exists():
                continue
            diff = run("diff", "-u", "--label", f"a/{name}", "--label", f"b/{name}",
                       f"a/{name}", f"b/{name}", cwd=self.work)
            # without what patch(1) does not need, so that the patches stay easy to compare
            head += re.sub(r"^(@@ [^@]* @@).*$", r"\1", diff.stdout, flags=re.M)
        return head, rejected

    def report(self, patch, out):
        name, fuzzy = None, 0
        for line in out.splitlines():
            m = re.match(r"(?:checking|patching) file '?([^' ]+)", line)
            if m:
                name = m[1]
                continue
            if re.match(r"(can't find file|No file to patch)", line):
                self.hand(f"{patch.name}: a file is gone: {line}")
            m = re.match(r"Hunk #(\d+) (.*)", line)
            if not m:
                continue
            self.hunks += 1
            if "FAILED" in m[2] or "ignored" in m[2]:
                self.hand(f"{name}: hunk {m[1]} {m[2]}")
            elif "fuzz" in m[2]:
                self.fuzzy += 1
                fuzzy += 1
                print(f"look at  {name}: hunk {m[1]} {m[2]}")
            elif "offset" in m[2]:
                self.moved += 1
        return fuzzy

    def clashes(self):
        """Numbers that are given twice now."""
        header, drv = self.work / "b" / UAPI, self.work / "b" / DRV
        for kind, path, pattern in (
                ("ioctl number", header, r"^#define (DRM_AMDGPU_\w+)\s+(0x[0-9A-Fa-f]+)$"),
                ("query number", header, r"^#define (AMDGPU_INFO_\w+)\s+(0x[0-9A-Fa-f]+)$"),
                ("driver version", drv, r"^ \* - (\d+\.\d+\.\d+)() - .*$")):
            seen = {}
            for m in re.finditer(pattern, path.read_text() if path.exists() else "", re.M):
                value = int(m[2], 16) if m[2] else m[1]
                seen.setdefault(value, []).append(m[1] if m[2] else m[0].strip(" *"))
            for value, who in seen.items():
                # only ours: upstream has sub-queries with numbers of their own
                ours = any("USERPTR_BATCH" in x for x in who)
                if len(who) > 1 and ours:
                    self.hand(f"{path.name}: {kind} "
                              f"{hex(value) if isinstance(value, int) else value}: "
                              f"{', '.join(who)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("tree", type=Path)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--from", dest="series", help="e.g. linux-7.3 (default: the last one)")
    args = parser.parse_args()
    out = args.out or args.project

    known = sorted((args.project / HOOKS).glob("linux-*"), key=by_number)
    try:
        series = kernel_series(args.tree)
    except (OSError, ValueError) as e:
        parser.error(str(e))
    # the series itself is refreshed from itself
    start = args.series or (series if (args.project / HOOKS / series).is_dir() else known[-1].name)
    hooks = sorted((args.project / HOOKS / start).glob("*.patch"))
    if not hooks:
        parser.error(f"no hooks for {start}")
    print(f"{start} -> {series}")

    target = out / HOOKS / series
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "b").mkdir()
        port = Port(args.tree, Path(work))
        uapi = args.project / f"{UAPI}.patch"
        todo = [(p, target / p.name, True) for p in hooks] + [(uapi, out / f"{UAPI}.patch", False)]
        for old in target.glob("*.rej"):
            old.unlink()
        for patch, to, refresh in todo:
            text, rejected = port.apply(patch, refresh)
            if text is not None:
                if not refresh:
                    print(f"look at  {to.relative_to(out)}: made afresh; the series before may "
                          "not take it any more")
                to.parent.mkdir(parents=True, exist_ok=True)
                to.write_text(text)
            if rejected:
                reject = target / f"{patch.name}.rej"
                reject.write_text(rejected)
                print(f"         in {reject}")
        port.clashes()
    print(f"{port.hunks} hunks: {port.moved} moved, {port.fuzzy} with fuzz, "
          f"{port.by_hand} things by hand")
    return 1 if port.by_hand else 0


if __name__ == "__main__":
    sys.exit(main())
