# SPDX-License-Identifier: MIT
"""Prints meson's testlog.json as result lines, and the output of tests that failed."""
import json
import sys


def main():
    n = 0
    for line in open(sys.argv[1]):
        test = json.loads(line)
        n += 1
        name = test["name"].replace(" ", "")
        seconds = f"{test['duration']:.1f} s"
        if test["result"] in ("OK", "EXPECTEDFAIL"):
            print(f"ok {name} ({seconds})")
        elif test["result"] == "SKIP":
            output = (test.get("stdout") or test.get("stderr") or "").strip()
            print(f"skip {name} ({output.splitlines()[-1] if output else 'no reason given'})")
        else:
            output = (test.get("stdout") or "") + (test.get("stderr") or "")
            for text in output.splitlines()[-20:]:
                print(f"     | {text}")
            print(f"FAIL {name} ({test['result'].lower()} after {seconds})")
    return n == 0


if __name__ == "__main__":
    sys.exit(main())
