#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Cut the difference of two directories into a series of mails.

series.py DESCRIPTION BASE FINAL OUT --signoff "Name <mail>" [--date DATE] [--context N]

BASE holds files as they are upstream, FINAL the same and new ones as they shall be.
DESCRIPTION is a directory: 00-cover.msg is the cover letter, NN-*.msg the patches in order.
A description is made of header lines, an empty line, and the text of the message:

    SPDX-License-Identifier: MIT
    Subject: drm/amdgpu: what changes
    Dir: drivers/gpu/drm/amd/amdgpu
    Files:
            amdgpu_vm.c
            amdgpu_kms.c /USERPTR_BATCH/
            amdgpu_userptr_batch.c /^#if .*DEBUG_FS/,/^#endif/

A line below Files: names a file (in Dir: unless it has a slash) and which of its changes belong
to the patch:
    FILE            all that no other line claims
    FILE /A/        the hunks in which a changed line matches A
    FILE /A/,/B/    added lines: from each one that matches A to the next that matches B, which
                    may be the same line
Everything that changes must belong to exactly one patch, and every line must claim something.
In Makefiles an object whose new source file comes later in the series is left out until then.

"Message: FILE" takes subject and text from a patch. In the cover letter, To:, Cc: and Prefix: are
those of the mails. @NAME@ in a text is replaced by what "--set NAME=VALUE" gives.

With --first DIR the patches DIR/fix-*.patch come first, as they are: a subject, an empty line,
the message, "---", and the change. Descriptions are about what is changed after them.

The series is made in a git repository of the touched files alone, applied with git am to
another one, and compared with FINAL.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path


class SeriesError(Exception):
    """What is wrong with a description, for people."""


class Message:
    """One description: header fields, claims on changes, subject and text."""

    CLAIM = re.compile(r"(?P<file>\S+)(?:\s+/(?P<start>.*?)/(?:,/(?P<end>.*)/)?)?$")

    def __init__(self, path, values):
        self.name = path.name
        head, _, text = path.read_text().partition("\n\n")
        self.fields, self.claims = {}, []
        for line in head.splitlines():
            if line[0].isspace():
                self._claim(line.strip())
                continue
            key, colon, value = line.partition(":")
            if not colon:
                raise SeriesError(f"{self.name}: not a header line: {line}")
            self.fields.setdefault(key, []).append(value.strip())
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        self.text = text.strip()
        if "Message" in self.fields:
            self._from_patch(path.parent / self.fields["Message"][0])
        if "Subject" not in self.fields or not self.text:
            raise SeriesError(f"{self.name}: no subject or no text")
        self.subject = self.fields["Subject"][0]
        left = re.search(r"@[A-Z]+@", self.text)
        if left:
            raise SeriesError(f"{self.name}: no value for {left.group()}")

    def _claim(self, line):
        m = self.CLAIM.match(line)
        if not m:
            raise SeriesError(f"{self.name}: cannot read: {line}")
        name = m["file"]
        if "/" not in name and "Dir" in self.fields:
            name = f"{self.fields['Dir'][0]}/{name}"
        self.claims.append((name, m["start"], m["end"], line))

    def _from_patch(self, path):
        mail = path.read_text()
        subject = re.search(r"^Subject: (?:\[[^]]*\] )?(.*(?:\n .*)*)$", mail, re.M)
        body = mail.partition("\n\n")[2].partition("\n---\n")[0]
        body = "\n".join(x for x in body.splitlines() if not x.startswith("Signed-off-by:"))
        self.fields["Subject"] = [re.sub(r"\n ", " ", subject[1])]
        self.text = f"{body.strip()}\n\n{self.text}".strip()


class Hunk:
    """Lines of the base that go away and lines that take their place."""

    def __init__(self, name, old, added, line):
        self.name, self.old, self.added, self.line = name, old, added, line
        self.owner = [None] * len(added)
        self.old_owner = None

    def matches(self, pattern):
        return any(re.search(pattern, x) for x in self.old + self.added)

    def take(self, i, patch):
        if self.owner[i] not in (None, patch):
            raise SeriesError(f"{self.name}:{self.line + i}: claimed by patches "
                              f"{self.owner[i]} and {patch}")
        self.owner[i] = patch

    def take_rest(self, patch):
        rest = [i for i, owner in enumerate(self.owner) if owner is None]
        for i in rest:
            self.owner[i] = patch
        return bool(rest) or self._take_old(patch)

    def _take_old(self, patch):
        if self.added or self.old_owner is not None:
            return False
        self.old_owner = patch
        return True

    def take_ranges(self, start, end, patch):
        """Claim from START to END, with an empty line beside it that would be left over."""
        found, i = False, 0
        while i < len(self.added):
            if not re.search(start, self.added[i]):
                i += 1
                continue
            first = i
            while not re.search(end, self.added[i]):
                i += 1
                if i == len(self.added):
                    raise SeriesError(f"{self.name}:{self.line + first}: no end /{end}/ of "
                                      f"/{start}/ in these changes")
            i += 1
            after = self.added[i] if i < len(self.added) else ""
            if first and not self.added[first - 1] and (not after or after[0] in "#}"):
                first -= 1
            elif not first and self.line > 1 and i < len(self.added) and not after:
                i += 1
            for j in range(first, i):
                self.take(j, patch)
            found = True
        return found

    def lines(self, patch):
        """The lines after patch number PATCH."""
        old_owner = min(self.owner) if self.owner else self.old_owner
        return ((self.old if old_owner > patch else []) +
                [x for x, owner in zip(self.added, self.owner) if owner <= patch])


class ChangedFile:
    """A file with the hunks that lead from its base to its final state."""

    def __init__(self, name, base, final):
        self.name, self.new = name, not (base / name).exists()
        self.mode = (final / name).stat().st_mode & 0o755
        self.old = [] if self.new else (base / name).read_text().split("\n")
        self.final = (final / name).read_text().split("\n")
        self.parts = []
        if self.new:
            self.parts.append(Hunk(name, [], self.final[:-1], 1))
            self.tail = self.final[-1:]
        else:
            self.tail = []
            self._diff(base / name, final / name)
        self.hunks = [x for x in self.parts if isinstance(x, Hunk)]

    def _diff(self, old, new):
        # --normal's "12,13c14,16" is all that is needed
        out = subprocess.run(["diff", "-d", "--normal", old, new], text=True,
                             stdout=subprocess.PIPE, check=False).stdout
        at = 0
        for m in re.finditer(r"^(\d+)(?:,(\d+))?([acd])(\d+)(?:,(\d+))?$", out, re.M):
            o1, o2 = int(m[1]), int(m[2] or m[1])
            n1, n2 = int(m[4]), int(m[5] or m[4])
            first, last = (o1, o1) if m[3] == "a" else (o1 - 1, o2)
            added = [] if m[3] == "d" else self.final[n1 - 1:n2]
            self.parts.append(self.old[at:first])
            self.parts.append(Hunk(self.name, self.old[first:last], added, n1))
            at = last
        self.parts.append(self.old[at:])

    def first_patch(self):
        return min(min(h.owner) for h in self.hunks if h.owner)

    def claim(self, start, end, patch):
        if start is None:
            taken = [h.take_rest(patch) for h in self.hunks]
        elif end is None:
            taken = [h.matches(start) and h.take_rest(patch) for h in self.hunks]
        else:
            taken = [h.take_ranges(start, end, patch) for h in self.hunks]
        return any(taken)

    def unclaimed(self):
        for h in self.hunks:
            for i, owner in enumerate(h.owner):
                if owner is None:
                    return f"{self.name}:{h.line + i}: {h.added[i].strip()}"
            if not h.added and h.old_owner is None:
                return f"{self.name}:{h.line}: removed: {h.old[0].strip()}"
        return None

    def after(self, patch):
        """Contents after patch number PATCH, None if there is no such file yet."""
        if self.new and self.first_patch() > patch:
            return None
        lines = []
        for part in self.parts:
            lines += part.lines(patch) if isinstance(part, Hunk) else part
        return "\n".join(lines + self.tail)


def leave_out(makefile, text, objects):
    """TEXT of a Makefile without OBJECTS."""
    lines, out = text.split("\n"), []
    while lines:
        logical = [lines.pop(0)]
        while logical[-1].endswith("\\") and lines:
            logical.append(lines.pop(0))
        words = " ".join(x.rstrip("\\") for x in logical).split()
        kept = [w for w in words if w not in objects]
        if kept == words:
            out += logical
        elif len(kept) < 2:
            raise SeriesError(f"{makefile}: cannot leave objects out of: {' '.join(words)}")
        elif kept[-1] not in ("=", "+=", ":="):
            out += textwrap.wrap(" ".join(kept), 76, subsequent_indent="\t",
                                 break_long_words=False, break_on_hyphens=False)
            for i in range(-1, -1 - len(out), -1):
                if not out[i].startswith("\t"):
                    break
                out[i - 1] += " \\"
    return "\n".join(out)


def precedence(claim):
    """Lines first, then hunks, then the rest of a file."""
    return 0 if claim[3] is not None else 1 if claim[2] is not None else 2


class Series:
    """Descriptions and changes, matched with each other."""

    def __init__(self, description, base, final, values):
        self.base, self.final = base, final
        paths = sorted(description.glob("[0-9][0-9]-*.msg"))
        if len(paths) < 2 or not paths[0].name.startswith("00-"):
            raise SeriesError(f"{description}: no cover letter or no patches")
        self.cover, *self.messages = [Message(p, values) for p in paths]
        names = sorted(str(p.relative_to(final)) for p in final.rglob("*") if p.is_file())
        self.files = {n: ChangedFile(n, base, final) for n in names
                      if not (base / n).exists() or
                      (base / n).read_bytes() != (final / n).read_bytes()}
        self._match()

    def _match(self):
        claims = [(i, *c) for i, m in enumerate(self.messages, 1) for c in m.claims]
        whole = {}
        for i, name, start, end, line in sorted(claims, key=precedence):
            where = self.messages[i - 1].name
            if name not in self.files:
                raise SeriesError(f"{where}: {name} does not change or does not exist")
            if start is None and whole.setdefault(name, i) != i:
                raise SeriesError(f"{where}: {name} is claimed by patch {whole[name]} as well")
            if not self.files[name].claim(start, end, i):
                raise SeriesError(f"{where}: claims nothing: {line}")
        for f in self.files.values():
            left = f.unclaimed()
            if left:
                raise SeriesError(f"no patch claims {left}")

    def after(self, patch):
        """Name and contents of every file after patch number PATCH."""
        state = {n: f.after(patch) for n, f in self.files.items()}
        late = {}
        for name, f in self.files.items():
            if f.new and name.endswith(".c") and state[name] is None:
                late.setdefault(os.path.dirname(name), set()).add(
                    os.path.basename(name)[:-2] + ".o")
        for name, text in state.items():
            objects = late.get(os.path.dirname(name))
            if os.path.basename(name) == "Makefile" and text and objects:
                state[name] = leave_out(name, text, objects)
        return state


class Repository:
    """A git repository that knows nothing of the user's configuration but the author."""

    def __init__(self, path, signoff, date):
        name, _, mail = signoff.rstrip(">").partition(" <")
        self.path = path
        self.env = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", HOME=str(path.parent),
                        XDG_CONFIG_HOME=str(path.parent), LC_ALL="C.UTF-8", TZ="UTC",
                        GIT_AUTHOR_NAME=name, GIT_AUTHOR_EMAIL=mail,
                        GIT_COMMITTER_NAME=name, GIT_COMMITTER_EMAIL=mail)
        if date:
            self.env.update(GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
        path.mkdir()
        self.git("init", "-q", "-b", "series")
        self.git("config", "core.autocrlf", "false")

    def git(self, *args, stdin=None):
        run = subprocess.run(["git", *args], cwd=self.path, env=self.env, input=stdin,
                             text=True, capture_output=True, check=False)
        if run.returncode:
            raise SeriesError(f"git {args[0]}: {run.stdout}{run.stderr}")
        return run.stdout

    def write(self, name, text, mode):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def commit(self, message):
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--cleanup=verbatim", "-F", "-", stdin=message)


def read_fix(path):
    """Message and change of a patch that comes as it is."""
    message, dashes, change = path.read_text().partition("\n---\n")
    if not dashes or "\n\n" not in message:
        raise SeriesError(f"{path.name}: no subject, no message or no ---")
    message = message.strip() + "\n"
    # tags stand together
    last = message.splitlines()[-1]
    return message + ("" if re.match(r"[A-Z][a-z-]+: ", last) else "\n"), change.lstrip()


def fixed_base(work, args):
    """BASE with what comes first."""
    if not args.fixes:
        return args.base
    repo = Repository(work / "fixed", args.signoff, args.date)
    shutil.copytree(args.base, repo.path, dirs_exist_ok=True)
    for _, change in args.fixes:
        repo.git("apply", "-", stdin=change)
    shutil.rmtree(repo.path / ".git")
    return repo.path


def make(series, work, args):
    """Commit the series, write it as mails to OUT."""
    repo = Repository(work / "made", args.signoff, args.date)
    shutil.copytree(args.base, repo.path, dirs_exist_ok=True)
    repo.git("add", "-A", "-f")
    repo.git("commit", "-q", "--allow-empty", "-m", "base")
    repo.git("tag", "base")
    for message, change in args.fixes:
        repo.git("apply", "-", stdin=change)
        repo.commit(f"{message}Signed-off-by: {args.signoff}\n")
    before = series.after(0)
    for i, m in enumerate(series.messages, 1):
        state = series.after(i)
        if state == before:
            raise SeriesError(f"{m.name}: changes nothing")
        for name, text in state.items():
            if text is not None:
                repo.write(name, text, series.files[name].mode)
        repo.commit(f"{m.subject}\n\n{m.text}\n\nSigned-off-by: {args.signoff}\n")
        before = state

    cover = series.cover
    repo.git("config", "branch.series.description", f"{cover.subject}\n\n{cover.text}\n")
    options = [f"--{key.lower()}={value}" for key in ("To", "Cc")
               for value in cover.fields.get(key, [])]
    prefix = cover.fields.get("Prefix", ["PATCH"])[0]
    repo.git("format-patch", "-q", "--cover-letter", "--cover-from-description=subject",
             "--no-signature", "-n", f"--subject-prefix={prefix}", f"-U{args.context}", "-o",
             str(args.out), *options, "base")


def check(series, work, args):
    """git am on fresh files must end in FINAL."""
    repo = Repository(work / "applied", args.signoff, args.date)
    shutil.copytree(args.base, repo.path, dirs_exist_ok=True)
    repo.git("add", "-A", "-f")
    repo.git("commit", "-q", "--allow-empty", "-m", "base")
    patches = sorted(str(p) for p in args.out.glob("*.patch"))[1:]
    repo.git("am", "-q", "--whitespace=error", *patches)
    for path in series.final.rglob("*"):
        name = path.relative_to(series.final)
        if path.is_file() and (repo.path / name).read_bytes() != path.read_bytes():
            raise SeriesError(f"{name}: the series does not end in the file that was tested")
    return len(patches)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("description", "base", "final", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--signoff", required=True, help='"Name <mail>"')
    parser.add_argument("--date", default="", help="of all mails (default: now)")
    parser.add_argument("--context", type=int, default=3, help="lines of context")
    parser.add_argument("--first", type=Path, metavar="DIR", help="where fix-*.patch are")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    args.out = args.out.resolve()
    if not re.fullmatch(r"[^<>]+ <[^<> ]+@[^<> ]+>", args.signoff):
        parser.error('--signoff is "Name <mail>"')

    values = dict(x.split("=", 1) for x in args.set)
    with tempfile.TemporaryDirectory() as work:
        work = Path(work).resolve()
        try:
            args.fixes = [read_fix(p) for p in sorted(args.first.glob("fix-*.patch"))] \
                if args.first else []
            series = Series(args.description, fixed_base(work, args), args.final, values)
            args.out.mkdir(parents=True, exist_ok=True)
            for old in args.out.glob("*.patch"):
                old.unlink()
            make(series, work, args)
            n = check(series, work, args)
        except SeriesError as e:
            print(f"{args.description}: {e}", file=sys.stderr)
            return 1
    print(f"{args.out}: {n} patches, applied with git am")
    return 0


if __name__ == "__main__":
    sys.exit(main())
