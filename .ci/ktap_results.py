# SPDX-License-Identifier: MIT
"""Prints KTAP files as result lines: one for each test that has no subtests of its own.

The name of a test is the path of the names that lead to it. The line of a test with
subtests follows those of the subtests, less indented (Documentation/dev-tools/ktap.rst).
"""
import re
import sys

RESULT = re.compile(r"^(\s*)(not ok|ok) (\d+)\s*(?:- )?([^#]*?)\s*(?:#\s*(.*))?$")


def parse(lines):
    """Yields (path, passed, directive, messages); messages are the lines before a result."""
    pending = []        # results of a deeper level that still want their parent's name
    messages = []
    for line in lines:
        found = RESULT.match(line)
        if not found:
            text = line.strip()
            if " FAILED at " in text or not re.match(r"#|KTAP|TAP|\d+\.\.|$", text):
                messages.append(text.lstrip("# "))
            continue
        depth = len(found[1])
        children = [p for p in pending if p[0] > depth]
        pending = [p for p in pending if p[0] <= depth]
        if children:
            pending += [(depth, [found[4]] + path, *rest) for _, path, *rest in children]
            if found[2] == "not ok" and all(rest[0] for _, _, *rest in children):
                pending.append((depth, [found[4]], False, "", messages))
        else:
            pending.append((depth, [found[4]], found[2] == "ok", found[5] or "", messages))
        messages = []
    return pending


def main():
    n = 0
    for name in sys.argv[1:]:
        for _, path, passed, directive, messages in parse(open(name)):
            n += 1
            test = ".".join(p.replace(" ", "-") for p in path)
            if directive.upper().startswith("SKIP"):
                print(f"skip {test} ({directive[4:].strip() or 'no reason given'})")
            elif passed:
                print(f"ok {test}")
            else:
                for text in messages[:12]:
                    print(f"     | {text}")
                print(f"FAIL {test} ({name})")
    return n == 0


if __name__ == "__main__":
    sys.exit(main())
