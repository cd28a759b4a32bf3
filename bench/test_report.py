# SPDX-License-Identifier: MIT
"""Tests of report.py with samples whose figures are known."""
import json
import os
import re
import sys
import tempfile
import unittest
import xml.etree.ElementTree as tree
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import plot  # noqa: E402
import report  # noqa: E402

CASES = ("batch", "singles", "contiguous", "span", "batch-touching", "batch-sparse", "batch-vmas",
         "batch-memfd", "alias")


def samples(sizes=(1, 16, 256), passes=3):
    """Every cost of a case is FACTOR * ranges * (1 + pass) microseconds."""
    factor = {c: 10.0 if c == "singles" else 2.0 for c in CASES}
    costs = report.ALWAYS + ("bare-gap", "gap", "gap-submit")
    rows = [{"case": c, "ranges": n, "pass": p, "present": 2 * n if c == "span" else n,
             "us": {k: factor[c] * n * (1 + p) for k in costs}}
            for p in range(passes) for n in sizes for c in CASES]
    for r in rows:
        r["us"]["bare-all"] /= 2
        if r["case"] == "alias":
            r["us"].update(arrange=1.0, mremap=1.0, release=1.0)
    return {"format": report.FORMAT, "gpu": "none", "kernel": "0", "cpus": 1, "max_map_count": 65530,
            "seconds": 1.0, "sizes": list(sizes), "costs": {k: k for k in costs},
            "cases": {c: c for c in CASES}, "rows": rows, "not_run": []}


def without(d, case, n):
    d["rows"] = [r for r in d["rows"] if (r["case"], r["ranges"]) != (case, n)]
    return d


class Bench(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.dir.name, "samples.json")
        self.out, self.err = StringIO(), StringIO()

    def tearDown(self):
        self.dir.cleanup()

    def report(self, data, *args):
        with open(self.path, "w", encoding="utf-8") as f:
            f.write(data if isinstance(data, str) else json.dumps(data))
        with redirect_stdout(self.out), redirect_stderr(self.err):
            return report.main(["report.py", self.path, *args])

    def read(self, name):
        with open(os.path.join(self.dir.name, name), encoding="utf-8") as f:
            return f.read()

    def test_figures(self):
        self.assertEqual(self.report(samples(), "a note"), 0)
        d = json.loads(self.read("bench.json"))
        self.assertEqual(d["note"], "a note")
        ratio = {(r["over"], r["under"], r["ranges"], r["cost"]): r for r in d["ratios"]}
        self.assertEqual(ratio["singles", "batch", 256, "submit"]["median"], 5.0)
        time = {(t["case"], t["ranges"], t["cost"]): t for t in d["times"]}
        self.assertEqual(time["batch", 16, "submit"]["us"], {"q1": 48.0, "median": 64.0, "q3": 80.0})
        self.assertEqual(time["batch", 16, "submit"]["rounds"], 3)
        # create and map; the alias has a third part
        self.assertEqual(time["batch", 16, "setup"]["us"]["median"], 128.0)
        self.assertEqual(time["alias", 16, "setup"]["us"]["median"], 129.0)
        self.assertEqual(time["batch", 16, "ready"]["us"]["median"], 192.0)
        self.assertEqual(time["batch", 16, "all-extra"]["us"]["median"], 32.0)
        present = {(p["case"], p["ranges"]): p["median"] for p in d["present"]}
        self.assertEqual((present["batch", 256], present["span", 256]), (256, 512))
        self.assertIn("1.00 times as much", self.out.getvalue())

    def test_ratio_of_neighbours(self):
        """A slow pass changes times, not ratios."""
        d = samples(passes=2)
        for r in d["rows"]:
            if r["pass"] == 1:
                r["us"] = {k: v * 1000 for k, v in r["us"].items()}
        self.assertEqual(self.report(d), 0)
        for r in json.loads(self.read("bench.json"))["ratios"]:
            if (r["over"], r["under"]) == ("singles", "batch"):
                self.assertEqual((r["q1"], r["q3"]), (5.0, 5.0))

    def test_every_table_has_every_size(self):
        self.report(samples())
        tables = re.split(r"\n#+ ", self.read("bench.md"))
        for title in ("Create and map", "Create, map and first", "Submission", "Cost per range", "Walk", "What the rest",
                      "A change between", "A linear alias"):
            part = [t for t in tables if title.lower() in t.split("\n")[0].lower()]
            self.assertTrue(part, title)
            for n in (16, 256):
                self.assertRegex(part[0], rf"\b{n}\b", title)

    def test_plot(self):
        self.report(samples())
        root = tree.fromstring(self.read("bench.svg").encode())
        self.assertEqual(len(root.findall(".//{http://www.w3.org/2000/svg}polyline")), 18)

    def test_plot_position(self):
        axis = plot.Axis([1, 100], 0, 100, True)
        self.assertAlmostEqual(axis.at(10), 50)

    def test_not_run(self):
        d = without(samples(), "singles", 256)
        d["not_run"] = [{"case": "singles", "ranges": 256, "why": "too slow"}]
        self.assertEqual(self.report(d), 0)
        self.assertIn("singles, 256 ranges: not run: too slow", self.out.getvalue())

    def test_one_round(self):
        self.assertEqual(self.report(samples(sizes=(16,), passes=1)), 0)

    def test_refused(self):
        negative, missing, text, old, less = (samples() for _ in range(5))
        less["rows"][3]["present"] = -2
        negative["rows"][5]["us"]["submit"] = -1
        del missing["rows"][7]["us"]["create"]
        text["rows"][7]["us"]["create"] = "fast"
        old["format"] = 0
        empty = without(samples(), "batch", 1)
        empty["not_run"] = [{"case": "batch", "ranges": 1, "why": ""}]
        for name, data, says in (
                ("no rows of a case", without(samples(), "alias", 16), "alias with 16 ranges"),
                ("no reason", empty, "batch with 1 ranges"),
                ("negative time", negative, "submit is -1"),
                ("missing cost", missing, "create is None"),
                ("text for a time", text, "samples.json"),
                ("less than nothing", less, "-2 pages"),
                ("other format", old, "format 0"),
                ("cut off", json.dumps(samples())[:-40], "samples.json"),
                ("nothing", {"format": report.FORMAT}, "samples.json")):
            with self.subTest(name):
                self.err.truncate(0)
                self.assertEqual(self.report(data), 1)
                self.assertIn(says, self.err.getvalue())
                self.assertFalse(os.path.exists(os.path.join(self.dir.name, "bench.json")))

    def test_numbers(self):
        for value, s in ((1234.5, "1234"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"),
                         (0.1234, "0.123"), (0, "0.0000"), (-5.5, "-5.50"), (None, "-")):
            with self.subTest(value):
                self.assertEqual(report.short(value), s)


if __name__ == "__main__":
    unittest.main()
