#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes tables, a JSON file of medians and ratios, and a plot of what bench measured.

usage: report.py SAMPLES [NOTE]

SAMPLES is the file that bench wrote. Beside it are put bench.json, bench.svg and bench.md;
the contents of bench.md are printed, too. NOTE is what should be known about the machine.
Fails if a case has neither rounds at a size nor a reason why not.
"""
import json
import math
import os
import statistics
import sys

import plot

FORMAT = 1

# What every round has measured, whatever the case
ALWAYS = ("yardstick", "bare-all", "bare-mprotect", "bare-mmap", "register", "unregister",
          "create", "map", "list", "first", "submit", "submit-done", "mprotect", "mmap",
          "one", "one-submit", "one-done", "all", "all-submit", "all-done", "each",
          "each-submit", "teardown")

# Sums, and differences from the same round without any BO
SUMS = {
    "setup": ("create and map", ("arrange", "create", "map")),
    # The page tables of a userptr are written by the first submission, those of a batch before
    "ready": ("create, map and first submission", ("arrange", "create", "map", "first")),
    "end": ("teardown", ("teardown", "release")),
}
DIFFERENCES = {
    "all-extra": ("drop all in one call, beyond what it takes without a BO", "all", "bare-all"),
}


class BadSamples(Exception):
    """The file is not what bench writes, or not complete."""


def load(path):
    """Returns the file's contents, checked, with sums and differences in each row."""
    try:
        with open(path, encoding="utf-8") as f:
            data = json.load(f)
    except (OSError, ValueError) as e:
        raise BadSamples(f"{path}: {e}") from None
    if data.get("format") != FORMAT:
        raise BadSamples(f"{path}: format {data.get('format')}, not {FORMAT}")
    check(data)
    for row in data["rows"]:
        us = row["us"]
        for name, (_, parts) in SUMS.items():
            us[name] = sum(us.get(p, 0) for p in parts)
        for name, (_, a, b) in DIFFERENCES.items():
            us[name] = us[a] - us[b]
    data["costs"].update({k: v[0] for k, v in {**SUMS, **DIFFERENCES}.items()})
    return data


def check(data):
    """Everything that was asked for was measured, or there is a reason."""
    have = {(r["case"], r["ranges"]) for r in data["rows"]}
    have |= {(h["case"], h["ranges"]) for h in data["not_run"] if h["why"]}
    missing = [f"{c} with {n} ranges" for c in data["cases"] for n in data["sizes"]
               if (c, n) not in have]
    if missing or not data["cases"] or not data["sizes"]:
        raise BadSamples("neither measured nor a reason why not: " + (", ".join(missing) or "all"))
    for r in data["rows"]:
        if r["present"] < 0:
            raise BadSamples(f"{r['case']} with {r['ranges']} ranges: {r['present']} pages present")
        for cost in ALWAYS:
            us = r["us"].get(cost)
            if us is None or not math.isfinite(us) or us < 0:
                raise BadSamples(f"{r['case']} with {r['ranges']} ranges, round {r['pass']}: "
                                 f"{cost} is {us}")


def quartiles(values):
    """Returns the quartiles of a list, None of an empty one."""
    if not values:
        return None
    if len(values) == 1:
        return [values[0]] * 3
    return statistics.quantiles(values, n=4, method="inclusive")


class Samples:
    """The rounds, to be asked for medians and ratios."""

    def __init__(self, data):
        self.data = data
        self.sizes = data["sizes"]
        self.rounds = {}
        for r in data["rows"]:
            self.rounds.setdefault((r["case"], r["ranges"]), {})[r["pass"]] = r["us"]
        self.why = {(h["case"], h["ranges"]): h["why"] for h in data["not_run"]}

    def values(self, case, n, cost):
        """One value a round."""
        rounds = self.rounds.get((case, n), {})
        return [us[cost] for us in rounds.values() if cost in us]

    def time(self, case, n, cost):
        """Quartiles in microseconds, or None."""
        return quartiles(self.values(case, n, cost))

    def present(self, case, n):
        """Quartiles of the pages that are present after a restore, or None."""
        return quartiles([r["present"] for r in self.data["rows"]
                          if (r["case"], r["ranges"]) == (case, n) and r["present"]])

    def ratio(self, over, under, n, cost, under_cost=None):
        """Quartiles of the ratio of rounds that were neighbours in time, or None."""
        a = self.rounds.get((over, n), {})
        b = self.rounds.get((under, n), {})
        under_cost = under_cost or cost
        return quartiles([a[p][cost] / b[p][under_cost] for p in a
                          if p in b and cost in a[p] and b[p].get(under_cost, 0) > 0])


def short(x):
    """A number in three digits."""
    if x is None:
        return "-"
    if abs(x) >= 100:
        return f"{x:.0f}"
    return f"{x:.{max(0, 2 - math.floor(math.log10(abs(x))))}f}" if abs(x) >= 0.001 else f"{x:.4f}"


def spread(q, scale=1.0):
    """Median and quartiles."""
    if q is None:
        return "-"
    return f"{short(q[1] * scale)} ({short(q[0] * scale)}-{short(q[2] * scale)})"


def median(q, scale=1.0):
    return "-" if q is None else short(q[1] * scale)


def table(head, rows):
    """A Markdown table, its columns aligned for those who read it as text."""
    width = [max(len(str(r[i])) for r in [head] + rows) for i in range(len(head))]

    def line(cells):
        return "| " + " | ".join(str(c).ljust(w) if i == 0 else str(c).rjust(w)
                                 for i, (c, w) in enumerate(zip(cells, width))) + " |"
    rule = "|" + "|".join("-" * (w + 1) + ("-" if i == 0 else ":")
                          for i, w in enumerate(width)) + "|"
    return "\n".join([line(head), rule] + [line(r) for r in rows])


LIFE = ("setup", "ready", "submit", "one-submit", "all-submit", "each-submit", "end")
THREE = ("batch", "singles", "contiguous")


def life(s):
    """The three ways through their life."""
    out = ["## One batch, N userptrs, one contiguous userptr", "",
           "Milliseconds, median (quartiles) over the rounds. The ratios are medians of the "
           "ratios of neighbouring rounds."]
    for cost in LIFE:
        rows = []
        for n in s.sizes:
            rows.append([n] + [spread(s.time(c, n, cost), 1e-3) for c in THREE] +
                        [spread(s.ratio("singles", "batch", n, cost)),
                         spread(s.ratio("batch", "contiguous", n, cost))])
        out += ["", f"### {s.data['costs'][cost].capitalize()}", "",
                table(["ranges", "batch", "N userptrs", "one contiguous",
                       "N userptrs / batch", "batch / contiguous"], rows)]
    return out


def per_range(s):
    """What a range of a batch costs, from few to many."""
    costs = (("create and map", "setup"), ("create without pages: notifier, arrays", "register"),
             ("close that: notifier", "unregister"), ("create with pages", "create"),
             ("drop all in one call, no batch", "bare-all"),
             ("drop all in one call", "all"), ("drop all, a call each", "each"),
             ("submission after all were dropped", "all-submit"), ("teardown", "end"))
    rows = [[text] + [spread(s.time("batch", n, c), 1 / n) for n in s.sizes]
            for text, c in costs]
    out = ["## Cost per range of a batch", "", "Microseconds per range.", "",
           table(["ranges"] + [str(n) for n in s.sizes], rows)]
    flat = [(n, s.time("batch", n, "setup")) for n in s.sizes if n >= 16]
    if len(flat) > 1:
        (a, qa), (b, qb) = flat[0], flat[-1]
        if qa and qb:
            out += ["", f"Creating and mapping costs {short(qb[1] / b)} µs per range with {b} ranges, "
                    f"{short(qa[1] / a)} µs with {a}: {short(qb[1] / b / (qa[1] / a))} times as much."]
    return out


SHAPES = (("batch", "every 2nd page"), ("batch-touching", "every page"),
          ("batch-sparse", "every 16th page"), ("batch-vmas", "a mapping each"),
          ("batch-memfd", "memfd, every 2nd page"))


def shapes(s):
    """The same batch over memory that is laid out in other ways."""
    out = ["## Layout of the memory", "",
           "Microseconds per range of a batch. \"Walk\" is the difference between creating with and "
           "without pages."]
    for title, cost, minus in (("Create: walk", "create", "register"), ("Notifiers", "register", None),
                               ("Submission after all were dropped", "all-submit", None)):
        rows = []
        for n in s.sizes:
            cells = [n]
            for case, _ in SHAPES:
                a, b = s.time(case, n, cost), s.time(case, n, minus) if minus else None
                if a is None:
                    cells.append("-")
                else:
                    cells.append(short((a[1] - (b[1] if b else 0)) / n))
            rows.append(cells)
        out += ["", f"### {title}", "", table(["ranges"] + [t for _, t in SHAPES], rows)]
    return out


def memory(s):
    """What a restore brings into memory."""
    rows = [[n] + [short(q[1] / n) if (q := s.present(c, n)) else "-" for c in s.data["cases"]]
            for n in s.sizes]
    return ["## What a restore brings into memory", "",
            "Pages that are present, from the lowest to the highest range, when all were dropped and a "
            "submission has brought the ranges back; per range. Ideally 1: what lies between the ranges was "
            "not there before and nobody asked for it.", "",
            table(["ranges"] + list(s.data["cases"]), rows)]


def bystanders(s):
    """What the rest of the process pays."""
    rows = []
    for n in s.sizes:
        for op in ("mprotect", "mmap"):
            q = [s.time(c, n, op) for c in ("batch", "singles", "span", "alias")]
            rows.append([f"{n}, {s.data['costs'][op]}", spread(s.time("batch", n, "bare-" + op))] +
                        [spread(x) for x in q] + [spread(s.ratio("batch", "batch", n, op, "bare-" + op))])
    return ["## What the rest of the process pays", "",
            "Microseconds for changes of memory that no range is part of, and the ratio of rounds with "
            "and without a batch.", "",
            table(["ranges", "without a BO", "batch", "N userptrs", "span", "alias",
                   "batch / without"], rows)]


def span(s):
    """One wide notifier against one a range."""
    rows = []
    for n in s.sizes:
        if s.time("span", n, "gap-submit") is None:
            continue
        rows.append([n] + [spread(s.time("batch", n, "bare-gap"))] +
                    [spread(s.time(c, n, cost)) for cost in ("gap", "gap-submit") for c in ("batch", "span")] +
                    [spread(s.ratio("span", "batch", n, "gap-submit"))])
    return ["## A change between the ranges", "",
            "A page that lies between two ranges is dropped and touched again; then a submission. "
            "The span is one GEM_USERPTR from the lowest to the highest range: one notifier over all, which "
            "every change in between hits. Microseconds.", "",
            table(["ranges", "change, no BO", "change, batch", "change, span", "submission, batch",
                   "submission, span", "span / batch"], rows)]


def alias(s):
    """The linear alias in user space."""
    rows, notes = [], []
    for cost, text in (("setup", "alias + create + map"), ("ready", "the same + first submission"),
                       ("submit", None), ("one-submit", None),
                       ("all", None), ("all-submit", None), ("each", None), ("end", "teardown")):
        for n in s.sizes:
            rows.append([f"{text or s.data['costs'][cost]}, {n}"] +
                        [spread(s.time(c, n, cost), 1e-3) for c in ("batch-memfd", "alias")] +
                        [spread(s.ratio("alias", "batch-memfd", n, cost))])
    for n in s.sizes:
        if s.time("alias", n, "mremap"):
            notes.append(f"{n}: {median(s.time('alias', n, 'arrange'), 1 / n)} by mmap, "
                         f"{median(s.time('alias', n, 'mremap'), 1 / n)} by mremap")
    return ["## A linear alias made in user space", "",
            "Pages of a memfd, as one batch, and mapped a second time side by side below one GEM_USERPTR. "
            "Milliseconds. Dropping is punching holes into the file.", "",
            table(["cost, ranges", "batch", "alias", "alias / batch"], rows), "",
            "Making the alias, µs per range: " + "; ".join(notes) + "."]


def holes(s):
    """What is not in the tables, and why."""
    if not s.why:
        return []
    return ["## Not run", ""] + [f"- {case}, {n} ranges: not run: {why}" for (case, n), why in s.why.items()]


def head(s):
    """Where and when."""
    d = s.data
    yard = quartiles([r["us"]["yardstick"] for r in d["rows"]])
    rounds = ", ".join(f"{len(s.rounds.get(('batch', n), {}))} of {n}" for n in s.sizes)
    out = ["# Figures", "", f"GPU: {d['gpu']}. Kernel: {d.get('kernel')}. CPUs: {d['cpus']}. "
           f"vm.max_map_count: {d['max_map_count']}. Took {d['seconds']:.0f} s."]
    if d.get("note"):
        out.append(d["note"])
    out += [f"Rounds: {rounds} ranges.",
            f"A fixed piece of work, done before each round, took {spread(yard, 1e-3)} ms: how much the machine "
            "itself was disturbed.", ""]
    return out + [f"- {name}: {text}" for name, text in d["cases"].items()]


def results(s):
    """What goes into the JSON file."""
    d = s.data
    times = [{"case": c, "ranges": n, "cost": k, "rounds": len(s.values(c, n, k)),
              "us": dict(zip(("q1", "median", "q3"), s.time(c, n, k)))}
             for c in d["cases"] for n in s.sizes for k in d["costs"] if s.values(c, n, k)]
    present = [{"case": c, "ranges": n, **dict(zip(("q1", "median", "q3"), q))}
               for c in d["cases"] for n in s.sizes if (q := s.present(c, n))]
    ratios = []
    for over, under in (("singles", "batch"), ("batch", "contiguous"), ("span", "batch"),
                        ("alias", "batch-memfd")):
        for n in s.sizes:
            for k in d["costs"]:
                # of a difference that may be noise there is no ratio
                q = None if k in DIFFERENCES else s.ratio(over, under, n, k)
                if q:
                    ratios.append({"over": over, "under": under, "ranges": n, "cost": k,
                                   "q1": q[0], "median": q[1], "q3": q[2]})
    keep = ("gpu", "kernel", "cpus", "max_map_count", "note", "seconds", "sizes", "cases", "costs", "not_run")
    return {"format": FORMAT, **{k: d[k] for k in keep if k in d}, "times": times, "present": present,
            "ratios": ratios}


def rounded(x):
    """Four digits are more than was measured."""
    if isinstance(x, float):
        return float(f"{x:.4g}")
    if isinstance(x, dict):
        return {k: rounded(v) for k, v in x.items()}
    return x


def as_json(top):
    """JSON with one line for each element of a list of objects."""
    out = []
    for k, v in top.items():
        if isinstance(v, list) and v and isinstance(v[0], dict):
            v = "[\n  " + ",\n  ".join(json.dumps(rounded(e)) for e in v) + "\n ]"
        else:
            v = json.dumps(v)
        out.append(f" {json.dumps(k)}: {v}")
    return "{\n" + ",\n".join(out) + "\n}\n"


PANELS = (("setup", "create and map"), ("submit", "submission, nothing changed"),
          ("one-submit", "submission, one range dropped"),
          ("all-submit", "submission, all dropped"), ("each", "drop all ranges, a call each"),
          ("end", "teardown"))
LINES = (("batch", "one batch"), ("singles", "N userptrs"), ("contiguous", "one contiguous userptr"))


def picture(s):
    """The plot of the three ways."""
    panels = [(title, [(name, [(n, s.time(case, n, cost)) for n in s.sizes if s.time(case, n, cost)])
                       for case, name in LINES]) for cost, title in PANELS]
    return plot.svg(panels, "ranges of 4 KiB", "milliseconds, median and quartiles", 1e-3)


def main(argv):
    if len(argv) not in (2, 3) or argv[1] in ("-h", "--help"):
        print(__doc__, file=sys.stderr)
        return 2
    where = os.path.dirname(os.path.abspath(argv[1]))
    try:
        s = Samples(load(argv[1]))
    except (BadSamples, KeyError, TypeError) as e:
        print(f"report: {argv[1]}: {e}", file=sys.stderr)
        return 1
    if len(argv) == 3:
        s.data["note"] = argv[2]
    text = []
    for part in (head, life, per_range, shapes, memory, bystanders, span, alias, holes):
        text += part(s) + [""]
    text = "\n".join(text).rstrip() + "\n"
    for name, contents in (("bench.json", as_json(results(s))),
                           ("bench.svg", picture(s)),
                           ("bench.md", "<!-- SPDX-License-Identifier: MIT -->\n" + text)):
        with open(os.path.join(where, name), "w", encoding="utf-8") as f:
            f.write(contents)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
