#!/usr/bin/env python3
"""Says which branches and conditions of the core no test has shown to matter, and why not: mcdc.py [BUILD]

The FILES are compiled by clang-19 with counters for modified condition/decision coverage (MC/DC), and
linked into copies of BUILD's unit test programs, of echod and of torture_echod, with which tests run. Each
condition has to be true, to be false, and to change the outcome of its decision alone. What is not
shown is printed as `FILE | FUNCTION: CONDITION: WHAT`, and has to stand so in reasons.txt, in a block
that begins with the reason; one with `sometimes: ` depends on the machine or the order of threads.
Exits with 0 only if all that is not shown has a reason and all reasons are needed.
"""

import collections, concurrent.futures, json, os, re, subprocess, sys, tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "holes"))
from plant import ROOT, Build

FILES = """src/pool/*.[ch] src/echo/*.[ch] src/base/units.c src/base/setting.c src/base/cmdline.c src/net/address.c
    src/proxy/[ht]*.c src/fault/*.c src/control/commands.c src/control/session.c src/lib/config.c
    src/manager/activation.c src/server/*.c""".split()
UNIT = r"unit\.(?!echoload|echocat|clock|control$|cpus|default_path|history|locale|log$|memory|output|unix_path)"
SYSTEM = ["activation", "control", "drain backlog", "environment", "faulty ends", "faulty live", "faulty only",
    "faulty refused", "ledger", "names", "options", "proxy flood", "proxy d", "proxy stop", "start port"]
TORTURE = "torture.calls"
COUNTERS = ["-fprofile-instr-generate", "-fprofile-update=atomic", "-fcoverage-mapping", "-fcoverage-mcdc"]


def is_in_source(item):  # so that a reason does not outlive its line
    found = re.fullmatch(r"(\S+) \| \w+: (.*): (never \w+|not decisive)", item)
    return found and (ROOT / found[1]).exists() and found[2] in " ".join((ROOT / found[1]).read_text().split())


def compile_with_counters(build, file, work):
    usual = [a for a in build.compiled[file][0] if not re.match(r"-W|-O|-g|-o$|-c$|-D_FORTIFY|.*\.c(\.o)?$", a)]
    flags = usual[next(i for i, a in enumerate(usual) if a[0] == "-") :]
    output = work / file.replace("/", "_").replace(".c", ".o")
    command = ["clang-19", *flags, *COUNTERS, "-w", "-O0", "-c", ROOT / file, "-o", output]
    subprocess.run(command, cwd=build.folder, check=True)
    return str(output)


def link(build, program, objects, work):
    _, *command = build.links[program]
    first = next(i for i, a in enumerate(command) if a.endswith(".a"))
    command[first:first] = objects
    command[command.index("-o") + 1] = work / Path(program).name
    subprocess.run(["clang-19", COUNTERS[0], *command], cwd=build.folder, check=True)


def run(build, test, work):  # returns what it has written if it fails
    name, *prefix = test.split()
    (program, *arguments), environment = build.tests[name]
    copy = work / Path(program).name
    ours = {"ECHOD_TEST_FOLDER": str(work), "LLVM_PROFILE_FILE": f"{work}/{name}-%p.profraw"}
    command = [copy if copy.exists() else program, *arguments, *prefix]
    keys = {"cwd": build.folder, "env": {**os.environ, **environment, **ours}, "capture_output": True, "text": True}
    done = subprocess.run(command, timeout=240, **keys)
    return f"{test} fails: {done.stdout}{done.stderr}" if done.returncode else None


def prepare(build, work):
    """Compiles and links what is measured, and returns the tests."""
    tests = [test for test in build.tests if re.match(UNIT, test)]
    programs = {p for p in build.links if re.search("bin/echo(d|ctl|load)|torture_echod", p)}
    programs |= {build.tests[test][0][0] for test in tests}
    build.tests[TORTURE] = [build.folder / "tests/torture/torture_calls", "calls", "once"], {}
    paths = [str(path.relative_to(ROOT)) for pattern in FILES for path in ROOT.glob(pattern)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        objects = list(pool.map(lambda p: compile_with_counters(build, p, work), [p for p in paths if p[-1] == "c"]))
        list(pool.map(lambda p: link(build, p, objects, work), programs))
    return [TORTURE, *(f"system.{name}" for name in SYSTEM), *tests]


def measure(build, work, tests):
    """Runs all, and returns what llvm-cov tells of each function."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        if failed := list(filter(None, pool.map(lambda t: run(build, t, work), tests))):
            raise SystemExit("\n".join(failed))
    (work / "list").write_text("\n".join(map(str, work.glob("*.profraw"))))
    merge = ["llvm-profdata-19", "merge", "--failure-mode=all", "-f", work / "list", "-o", work / "all"]
    subprocess.run(merge, check=True)
    ask = ["llvm-cov-19", "export", "--instr-profile", work / "all", work / "unit_core"]
    done = subprocess.run(ask, check=True, capture_output=True)
    return json.loads(done.stdout)["data"][0]["functions"]


def text_between(path, line, column, end_line, end_column):
    lines = (ROOT / path).read_text().splitlines()[line - 1 : end_line]
    lines[-1] = lines[-1][: end_column - 1]
    return "\n".join([lines[0][column - 1 :], *lines[1:]])


def is_of_core(path, _, line, column, *end):  # and no assertion, nor the default that a switch lacks
    before = text_between(path, max(line - 4, 1), 1, line, column)
    return any(map(Path(path).match, FILES)) and not re.search(r"\bensure\([^;]*$|\bswitch \($", before)


def collect(functions):
    """Of all copies of a function: how often each branch was taken and not; which conditions decided."""
    branches, decisions = collections.defaultdict(lambda: [0, 0]), {}
    for function in functions:
        name = re.split("[:;]", function["name"])[-1]
        paths = [os.path.relpath(path, ROOT) for path in function["filenames"]]
        for *place, taken, not_taken, file, _, _ in function["branches"]:
            counts = branches[paths[file], name, *place]
            counts[:] = counts[0] + taken, counts[1] + not_taken
        first, _, last, *_ = function["regions"][0]
        for *place, _, _, conditions in function["mcdc_records"]:
            if first <= place[0] <= last:  # else it is in a macro, of another file
                before = decisions.get(key := (paths[0], name, *place), conditions)
                decisions[key] = [a or b for a, b in zip(conditions, before)]
    return [{key: found[key] for key in found if is_of_core(*key)} for found in (branches, decisions)]


def judge(branches, decisions):
    """Yields each thing that has to be shown, and whether it was."""
    describe = lambda key: f"{key[0]} | {key[1]}: {' '.join(text_between(key[0], *key[2:]).split())}"
    for key, counts in branches.items():
        ways = ("never true", "never false") if any(counts) else ("never reached",) * 2
        yield from ((f"{describe(key)}: {way}", count) for way, count in zip(ways, counts))
    for key, conditions in decisions.items():
        within = lambda k, key: k != key and k[:2] == key[:2] and key[2:4] <= k[2:4] and k[4:] <= key[4:]
        parts = sorted(k for k in branches if within(k, key))
        parts = [k for k in parts if not any(within(k, part) for part in parts)]  # without the parts of conditions
        for part, is_decisive in zip(parts, conditions, strict=True):  # without one way there is no other
            yield f"{describe(part)}: not decisive", is_decisive or 0 in branches[part]


if __name__ == "__main__":
    blocks = Path(__file__).with_name("reasons.txt").read_text().strip().split("\n\n")
    reasons = {item: reason for reason, *items in map(str.splitlines, blocks) for item in items}
    problems = [f"no such condition: {item}" for item in reasons if not is_in_source(item)]
    if not problems:
        build = Build(sys.argv[1] if len(sys.argv) > 1 else "build/release")
        with tempfile.TemporaryDirectory() as folder:
            tests = prepare(build, Path(folder))
            for _ in range(5):  # threads come in another order each time; what was counted stays
                shown = list(judge(*collect(measure(build, Path(folder), tests))))
                missing = {item for item, is_shown in shown if not is_shown}
                if not missing - reasons.keys():
                    break
        needed = {r: {i for i, _ in shown} if r.startswith("sometimes: ") else missing for r in reasons.values()}
        problems = [f"needs no reason: {i}" for i, r in reasons.items() if i not in needed[r]]
        problems += sorted(missing - reasons.keys())
        print(f"{len(shown)} outcomes and conditions, {len(missing)} not shown")
    sys.exit("\n".join(problems) or 0)
