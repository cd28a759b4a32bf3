# SPDX-License-Identifier: MIT
"""Compares the documented subtests of IGT tests with those that the binaries list.

usage: igt_docs.py DIRECTORY SOURCE...   (DIRECTORY has the binaries)

A comment "SUBTEST: name-%s-%s" is followed by lists "arg[1]:", "arg[2]:" of "@value:
meaning"; every combination is a subtest. Exit status 1 when the two sets differ.
"""
import itertools
import os
import re
import subprocess
import sys


def documented(source):
    text = open(source).read()
    for comment in re.findall(r"/\*\*(.*?)\*/", text, re.S):
        name = re.search(r"SUBTEST:\s*(\S+)", comment)
        if not name:
            continue
        args = []
        for part in re.split(r"arg\[\d+\]:\s*\n", comment)[1:]:
            args.append(re.findall(r"@([\w-]+):", part))
        if "Description:" not in comment:
            print(f"{source}: {name[1]} has no description")
            yield ""
        if name[1].count("%s") != len(args):
            print(f"{source}: {name[1]} has {len(args)} lists")
            yield ""
        for combination in itertools.product(*args):
            yield re.sub("%s", "{}", name[1]).format(*combination)


def main():
    bad = False
    for source in sys.argv[2:]:
        binary = os.path.join(sys.argv[1], os.path.basename(source)[:-2])
        listed = subprocess.run([binary, "--list-subtests"], check=True,
                                capture_output=True, text=True).stdout.split()
        known = set(documented(source))
        for name in sorted(set(listed) - known):
            print(f"{source}: {name} is not documented")
        for name in sorted(known - set(listed)):
            print(f"{source}: {name} is documented and does not exist")
        bad |= set(listed) != known or len(listed) != len(set(listed))
    return bad


if __name__ == "__main__":
    sys.exit(main())
