# SPDX-License-Identifier: MIT
"""Selects IGT subtests and judges igt_runner's results.json by a file of expectations.

usage: igt_results.py [--expect FILE] [--vm NAME] [--long] [--needs FILE] --select <LIST >LIST
       igt_results.py [--expect FILE] [--vm NAME] [--long] [--memory FILE] [--shared]
                      --list LIST RESULTS.JSON...
       igt_results.py --again [--expect FILE] --list LIST RESULTS.JSON >LIST
       igt_results.py [--expect FILE] [--long] --rest <LIST

A line of the file is "BINARY@SUBTEST EXPECTED [OPTION...] [# REASON]"; SUBTEST may have
wildcards, the first line that fits counts, a subtest without a line is to pass. What a
subtest makes at run time (BINARY@SUBTEST@NAME) is judged for itself, by the same line
unless an earlier one fits its own name.
EXPECTED is one of
	pass
	skip	the test finds out itself that it cannot run here
	omit	not started at all
and an OPTION
	memory=N	not started with less than N GiB of memory in the guest; --needs writes
			a line "TEST N" for each of these
	vm-faults	the GPU's page faults in the kernel's log are what the test is about
	no-queue	so is a user queue that the driver refuses
	clock		the clock that wakes the machine has warnings of its own
	errors		errors in the driver's log are what the test is about
	queue-names	so are user queues whose debugfs names outlive their numbers
	rings		so are rings that the test switches off
	kfd		so is what KFD says of arguments that it refuses
	warns		the test warns of things that are no failure
	vm=NAME,...	run in the VM of that name, or in each; "one" if there is no such
			option. Who has several is judged as NAME:BINARY@SUBTEST
	long		run with --long only, and then nothing else is
--vm selects one of the VMs. Where it is used --rest tells what is run in none of them, a line
for each of the file's, and complains of lines that fit no subtest of LIST.
Everything else is a failure: a skip that is not expected, a warning in the kernel's log
during the test, a subtest of LIST without a result. Of several RESULTS.JSON the last that
has a subtest counts.

--again is for runs in which a process runs several subtests: it lists those that came to no
good after the first of their program that did not. What that left behind may be the reason.
--shared says that it was such a run: igt_runner 2.5 then takes bytes of its own memory for
something that was said on stderr, and that for a warning.
"""
import argparse
import fnmatch
import json
import re
import sys

# what gmc_v11_0_process_interrupt() prints for one fault, that it left some out, and what
# it makes of the job
VM_FAULT = re.compile(r"gmc_v11_0_process_interrupt: \d+ callbacks suppressed|"
                      r"amdgpu.*(page fault|in page starting at address|in process .* pid|"
                      r"Process .* thread|PROTECTION_FAULT_STATUS|Faulty UTCL2|MORE_FAULTS|"
                      r"WALKER_ERROR|PERMISSION_FAULTS|MAPPING_ERROR|\bRW:|\bfor process\b)")

# what a test may bring into the kernel's log, by the name of the option that allows it
EXPECTED_LOG = {
    "vm-faults": VM_FAULT,
    "no-queue": re.compile(r"amdgpu.*Failed to create usermode queue"),
    "clock": re.compile(r"hpet: Lost \d+ RTC interrupts|hpet_rtc_timer_reinit: .* suppressed|"
                        r"ACPI Error: Could not disable RealTimeClock events"),
    "queue-names": re.compile(r"debugfs: 'queue_\d+' already exists"),
    # it names no device
    "kfd": re.compile(r"\] amdgpu: "),
    "rings": re.compile(r"\[drm\] scheduler \S+ is not ready, skipping"),
    # of any kind that drivers print, but nothing else that is a warning; kmemleak needs memory too
    "errors": re.compile(r"\*ERROR\*|\[TTM\] |amdgpu \S+: |kmemleak: Cannot allocate a scan area"),
}

# what IGT itself writes to the kernel's log as a warning
IGT_SAYS = re.compile(r"=== TOTAL \(")


class Rule:
    def __init__(self, line, where):
        text, _, self.reason = (part.strip() for part in line.partition("#"))
        self.glob, self.expected, *options = text.split()
        if self.expected not in ("pass", "skip", "omit"):
            sys.exit(f"{where}: '{self.expected}' is none of pass, skip, omit")
        if self.expected != "pass" and not self.reason:
            sys.exit(f"{where}: {self.expected} needs a reason")
        self.where = where
        self.memory = 0
        self.log = []
        self.vms = ["one"]
        self.long = False
        self.warns = False
        for option in options:
            if option.startswith("memory="):
                self.memory = int(option[7:])
            elif option.startswith("vm="):
                self.vms = option[3:].split(",")
            elif option in ("long", "warns"):
                setattr(self, option, True)
            elif option in EXPECTED_LOG:
                self.log.append(EXPECTED_LOG[option])
            else:
                sys.exit(f"{where}: unknown option {option}")


def read_rules(name):
    rules = []
    if name:
        for i, line in enumerate(open(name), 1):
            if line.strip() and not line.startswith("#"):
                rules.append(Rule(line, f"{name}:{i}"))
    rules.append(Rule("* pass", "default"))
    return rules


def short(name):
    """binary@subtest[@dynamic] of igt@[directory/]binary@..."""
    return re.sub("^igt@([^@]*/)?", "", name)


def rule_for(rules, *names):
    """the first rule that fits one of the names"""
    return next(r for r in rules for name in names
                if fnmatch.fnmatchcase(short(name).lower(), r.glob.lower()))


def here(rule, args):
    """is what this rule is about run in this VM?"""
    return (rule.expected != "omit" and (not args.vm or args.vm in rule.vms) and
            rule.long == args.long)


def select(rules, args):
    for name in sys.stdin.read().split():
        rule = rule_for(rules, name)
        if here(rule, args):
            print(name)
            if args.needs and rule.memory:
                print(name, rule.memory, file=args.needs)


def rest(rules, args):
    fits = {rule: 0 for rule in rules}
    for name in sys.stdin.read().split():
        fits[rule_for(rules, name)] += 1
    for rule, n in fits.items():
        subtests = f"{n} subtests: " if n > 1 else ""
        if not n and rule.glob != "*" and rule.glob.count("@") < 2:
            print(f"FAIL {rule.glob} ({rule.where}: there is no such subtest)")
        elif rule.expected == "omit" and not args.long:
            print(f"skip {rule.glob} ({subtests}{rule.reason})")


def skip_reason(result):
    out = result.get("out", "").splitlines()
    for i, line in enumerate(out):
        if line.startswith("Test requirement:"):
            said = out[i + 1:i + 2]
            if said and not said[0].startswith(("Subtest", "Last errno", "Test req")):
                return said[0].strip()
            return line.removeprefix("Test requirement:").strip()
    return "skipped together with others: see the first of them"


def warnings(rule, result):
    """lines of the kernel's log that are warnings or worse and that nobody expects"""
    return [line for line in result.get("dmesg", "").splitlines()
            if re.match(r"<[0-4]>", line) and not IGT_SAYS.search(line)
            and not any(log.search(line) for log in rule.log)]


def judge(rule, result, warns=False):
    """Returns the verdict, its reason, and lines that explain it."""
    outcome = result["result"]
    took = result.get("time", {})
    took = f"{took.get('end', 0) - took.get('start', 0):.1f} s"
    if outcome.startswith("dmesg-"):
        if not warnings(rule, result):
            outcome = {"dmesg-warn": "pass", "dmesg-fail": "fail"}[outcome]
    if outcome == "warn" and (rule.warns or warns):
        outcome = "pass"
    if outcome == "pass":
        if rule.expected == "skip":
            return "ok", f"{took}; a skip was expected: {rule.reason}", []
        return "ok", took, []
    if outcome == "skip":
        if rule.expected == "skip":
            return "skip", rule.reason, []
        return "FAIL", f"unexpected skip: {skip_reason(result)}", []
    text = [line for line in (result.get("err", "") or result.get("out", "")).splitlines()
            if line.strip() and not line.startswith(("Stack trace", "  #"))]
    return "FAIL", f"{outcome} after {took}", text[:10] + warnings(rule, result)[:6]


def read_results(names):
    """subtest -> result; igt_runner writes names in lower case"""
    return {short(name).lower(): result for file in names
            for name, result in json.load(open(file, encoding="utf-8"))["tests"].items()}


def again(rules, args):
    results = read_results(args.results)
    failed = set()
    for name in open(args.list, encoding="utf-8").read().split():
        program = name.split("@")[1]
        result = results.get(short(name).lower(), {"result": "notrun"})
        if judge(rule_for(rules, name), result, True)[0] != "FAIL":
            continue
        if program in failed:
            print(name)
        # what was not run does not stand in the way of others
        if result["result"] != "notrun":
            failed.add(program)


def show(name, rule, result, warns=False):
    """Prints the line about one subtest."""
    if not result or result["result"] in ("notrun", "incomplete"):
        print(f"FAIL {name} (not run to its end)")
        return
    verdict, reason, text = judge(rule, result, warns)
    for line in text:
        print(f"     | {line}")
    print(f"{verdict} {name} ({reason})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--expect")
    parser.add_argument("--select", action="store_true")
    parser.add_argument("--rest", action="store_true")
    parser.add_argument("--vm", help="what this VM is for; without it all")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--needs", type=argparse.FileType("w"))
    parser.add_argument("--list")
    parser.add_argument("--memory", help="file with the guest's memory in MiB")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--shared", action="store_true")
    parser.add_argument("results", nargs="*")
    args = parser.parse_args()
    rules = read_rules(args.expect)
    if args.select:
        return select(rules, args)
    if args.rest:
        return rest(rules, args)
    if args.again:
        return again(rules, args)

    memory = int(open(args.memory).read()) if args.memory else 0
    results = read_results(args.results)
    for name in open(args.list).read().split():
        rule = rule_for(rules, name)
        if rule.expected == "omit" and not args.vm:
            print(f"skip {short(name)} ({rule.reason})")
        if not here(rule, args):
            continue
        if memory and memory < rule.memory << 10:
            print(f"skip {short(name)} (needs {rule.memory} GiB of memory, "
                  f"the guest has {memory / (1 << 10):.1f})")
            continue
        key = short(name).lower()
        where = f"{args.vm}:" if args.vm and len(rule.vms) > 1 else ""
        show(where + short(name), rule, results.get(key), args.shared)
        for dynamic in results:
            if dynamic.startswith(key + "@"):
                show(where + dynamic, rule_for(rules, dynamic, name), results[dynamic],
                     args.shared)
    return 0


if __name__ == "__main__":
    sys.exit(main())
