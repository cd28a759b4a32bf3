# SPDX-License-Identifier: MIT
"""Prints result lines for a bench.json: each case at each size has times, or a reason why not."""
import json
import math
import sys

COSTS = ("setup", "submit", "one-submit", "all-submit", "each-submit", "end", "register", "unregister",
         "mprotect", "mmap")
# ratios that the report promises, and the costs they are of
RATIOS = (("singles", "batch"), ("batch", "contiguous"), ("span", "batch"), ("alias", "batch-memfd"))


def good(values):
    return all(isinstance(v, float | int) and math.isfinite(v) and v > 0 for v in values)


def main():
    d = json.load(open(sys.argv[1], encoding="utf-8"))
    why = {(h["case"], h["ranges"]): h["why"] for h in d["not_run"]}
    times = {(t["case"], t["ranges"], t["cost"]): t for t in d["times"]}
    ratios = {(r["over"], r["under"], r["ranges"], r["cost"]): r for r in d["ratios"]}
    for n in d["sizes"]:
        for case in d["cases"]:
            name = f"bench-{case}-{n}"
            bad = [c for c in COSTS if not (t := times.get((case, n, c))) or t["rounds"] < 1 or
                   not good(t["us"].values())]
            if why.get((case, n)):
                print(f"skip {name} (not run: {why[case, n]})")
            elif bad:
                print(f"FAIL {name} (no figures for {', '.join(bad)})")
            else:
                print(f"ok {name}")
        bad = [f"{o}/{u} {c}" for o, u in RATIOS for c in COSTS
               if not why.get((o, n)) and not why.get((u, n)) and
               not ((r := ratios.get((o, u, n, c))) and good((r["q1"], r["median"], r["q3"])))]
        print(f"FAIL bench-ratios-{n} (missing: {', '.join(bad)})" if bad else f"ok bench-ratios-{n}")


if __name__ == "__main__":
    sys.exit(main())
