#!/usr/bin/env python3
"""Plants mistakes in the sources, one at a time, and says which of them no test notices.

plant.py run LIST          each mistake of the list has to be noticed by the test that it names; for
                           one that names none, the nearest tests are tried until one fails
plant.py generate [PATH]   writes mistakes that people make, in the files under these paths, as a list

A list has a block a mistake, with an empty line before the next: `FILE: TEST [PREFIX]`, `FILE:` or
`FILE = why nothing can notice it`, then lines as of a difference: ' ' kept, '-' old, '+' new. Blanks
at both ends of a line do not count. The old lines must stand in the file exactly once.

Nothing is changed in the sources or the build: a test program is linked again with the one object
that has the mistake. For a system test the programs are, in a mount namespace of its own (root).
"""

import argparse, collections, concurrent.futures, contextlib, json, os, random, re, shlex, signal, subprocess, sys
import tempfile, threading, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = {  # the system tests that are tried for a folder, if the unit tests notice nothing
    "src/base": "ends log options start cpus echoctl",
    "src/net": "names echo ends descriptors environment activation latency reset self_connect",
    "src/stats": "echoctl control ledger prometheus",
    "src/pool": "parking wakeups starvation timeouts stuck unsent drain queue cpus",
    "src/echo": "echo ends unsent stuck drain reset timeouts bulk",
    "src/fault": "faulty",
    "src/proxy": "proxy",
    "src/server": "limits descriptors drain proxy ledger linkage environment activation start queue",
    "src/control": "control control_abuse echoctl ledger",
    "src/lib": "options control start environment",
    "src/manager": "activation notify",
    "src/http": "http prometheus rolling",
    "src/echod": "log options ends http notify start",
    "src/trace": "trace control",
    "tools/echoctl": "echoctl control trace environment",
    "tools/echocat": "tutorial names self_connect environment neighbours proxy ends echo",
    "tools/echopath": "echopath echopath_relays",
    "tools/echoload": "echoload echoload_open echoload_ends echoload_errors echoload_exit echoload_files "
    "echoload_outputs echoload_signals results echoload_ab echoload_ports echoload_faults churn",
}
Mistake = collections.namedtuple("Mistake", "file verdict hunk")  # verdict: ": TEST", ":" or " = WHY"


def read_list(path):
    for block in re.split(r"\n\s*\n", Path(path).read_text().strip()):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if lines:
            file, verdict = re.fullmatch(r"(\S+?)((?:: ?| = ).*)", lines[0]).groups()
            yield Mistake(file, verdict, lines[1:])


def plant(mistake):
    """The file with the mistake; None if the old lines are not there exactly once."""
    lines = (ROOT / mistake.file).read_text().splitlines()
    bare = [line.strip() for line in lines]
    old = [line[1:].strip() for line in mistake.hunk if line[0] != "+"]
    new = [line[1:].strip() for line in mistake.hunk if line[0] != "-"]
    at = [i for i in range(len(lines)) if bare[i : i + len(old)] == old]
    return "\n".join(lines[: at[0]] + new + lines[at[0] + len(old) :]) + "\n" if len(at) == 1 else None


# What people get wrong: its name, what is replaced in a line, and by what.
OPERATORS = [
    ("negated", r"^(\s*(?:\} else )?(?:if|while)) \((.*)\)( \{)?$", r"\1 (!(\2))\3"),
    ("negated", r"^(\s*return) ([^;]*(?:[<>!=]=|&&|\|\|)[^;]*);$", r"\1 !(\2);"),
    ("dropped", r"^(\t+)(?!return\b|break|case|default|goto)[\w>*(.\[\]-]+ ?(?:\(.*\)|(?:[-+|&]?= .*)|\+\+|--);$", r"\1;"),
    ("dropped", r"^(\t+)(?:return[^;]*|break|continue);$", r"\1;"),
    ("bound", r" < ", " <= "), ("bound", r" <= ", " < "), ("bound", r" > ", " >= "), ("bound", r" >= ", " > "),
    ("bound", r" \+ 1\b", ""), ("bound", r" - 1\b", ""),
    ("equal", r" == ", " != "), ("equal", r" != ", " == "),
    ("logic", r" && ", " || "), ("logic", r" \|\| ", " && "),
    ("sign", r" \+ (?!1\b)", " - "), ("sign", r" - (?!1\b)", " + "), ("sign", r" \+= ", " -= "), ("sign", r" -= ", " += "),
    ("constant", r"\b([1-9]\d*)\b(?![.\w])", lambda m: str(int(m[1]) + 1)), ("constant", r"\b0\b(?![.x\w])", "1"),
    ("returned", r"return true;", "return false;"), ("returned", r"return false;", "return true;"),
    ("branch", r"\? ([^?:]+) : ([^?:;]+);", r"? \2 : \1;"),
]  # fmt: skip


def mistakes_in(file):
    lines = (ROOT / file).read_text().splitlines()
    bare = [line.strip() for line in lines]
    for number, line in enumerate(lines):
        if not line.startswith("\t") or re.match(r"\s*(//|assert|static |const |[\w ]+ \*?\w+;$)", line):
            continue
        old = [bare[number]]
        while sum(bare[i : i + len(old)] == old for i in range(len(bare))) > 1:
            old.insert(0, bare[number - len(old)])
        for name, what, by in OPERATORS:
            for match in re.finditer(what, line):
                before = line[: match.start()]
                if before.count('"') % 2 == 0 and "//" not in before:
                    new = before + (match.expand(by) if isinstance(by, str) else by(match)) + line[match.end() :]
                    yield name, Mistake(file, ":", [" " + kept for kept in old[:-1]] + ["-" + old[-1], "+" + new.strip()])


def generate(paths, count, seed, without):
    """As many of each folder, of the operators in turn, so that none of these prevails."""
    known = {(m.file, tuple(m.hunk)) for path in without for m in read_list(path)}
    chance = random.Random(seed)
    for path in paths:
        kinds = collections.defaultdict(list)
        for file in [ROOT / path] if path.endswith(".c") else sorted((ROOT / path).rglob("*.c")):
            for name, mistake in mistakes_in(str(file.relative_to(ROOT))):
                if (mistake.file, tuple(mistake.hunk)) not in known:
                    kinds[name].append(mistake)
        for each in kinds.values():
            chance.shuffle(each)
        for turn in range(count):
            kinds = {name: each for name, each in kinds.items() if each}
            if kinds:
                yield kinds[sorted(kinds)[turn % len(kinds)]].pop()


class Build:
    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        ask = lambda *command: subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout
        self.compiled = collections.defaultdict(list)
        for entry in json.loads((self.folder / "compile_commands.json").read_text()):
            self.compiled[os.path.relpath(entry["file"], ROOT)].append(shlex.split(entry["command"]))
        self.tests = {}
        for test in json.loads(ask("ctest", "--show-only=json-v1"))["tests"]:
            if re.match(r"unit\.|system\.", test["name"]) and "command" in test:  # it is built
                values = {p["name"]: p["value"] for p in test["properties"]}
                self.tests[test["name"]] = test["command"], dict(v.split("=", 1) for v in values["ENVIRONMENT"])
        found = re.findall(r"^: && (.* -o ((?:bin|tests)/\S+) .*) && :$", ask("ninja", "-t", "commands"), re.M)
        self.links = {str(self.folder / program): shlex.split(command) for command, program in found}
        self.includes = {}  # of each test file, all headers
        for entry in ask("ninja", "-t", "deps").split("\n\n"):
            if found := re.search(r"\n +(?:.*/)?(tests/unit/test_\w+\.c)\n", entry):
                self.includes[found[1]] = entry.split()
        self.original, self.normal, self.lock = {}, {}, threading.Lock()

    def compile(self, file, text, work):  # returns the object's bytes; None if the text is no C
        usual = [a for a in self.compiled[file][0] if not re.match(r"-W|-O|-g|-o$|-c$|-D_FORTIFY|.*\.c(\.o)?$", a)]
        (work / Path(file).name).write_text(text)
        command = [*usual, "-w", "-O1", "-I", (ROOT / file).parent, "-c", Path(file).name, "-o", "planted.o"]
        failed = subprocess.run(command, cwd=work, capture_output=True).returncode
        return None if failed else (work / "planted.o").read_bytes()

    def link(self, program, file, work):  # returns whether the program can have that object
        command, output = list(self.links[program]), work / Path(program).name
        own = {c[c.index("-o") + 1] for c in self.compiled[file]} & set(command)
        place = next(i for i, a in enumerate(command) if a in own or not own and a.endswith(".a"))
        command[place : place + bool(own)] = [str(work / "planted.o")]
        command[command.index("-o") + 1] = str(output)
        return subprocess.run([*command, "-Wl,--strip-debug"], cwd=self.folder, capture_output=True).returncode == 0

    def fails(self, test, file, work, limit):  # None: its program has nothing to do with the file
        name, *prefix = test.split()
        program, *arguments = self.tests[name][0]
        command = [work / Path(program).name, *arguments, *prefix]
        if name.startswith("unit.") and not command[0].exists() and not self.link(program, file, work):
            return None
        if name.startswith("system."):
            for each in ["echod", "echoctl", "echocat", "echoload", "echopath"]:
                if not (work / each).exists() and not self.link(str(self.folder / "bin" / each), file, work):
                    os.link(self.folder / "bin" / each, work / each)
            over = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
            command = ["unshare", "--mount", "sh", "-ec", over, "sh", work, self.folder / "bin", program, *arguments, *prefix]
        return self.ends_badly(name, command, limit)

    def ends_badly(self, name, command, limit):
        silent = {each: subprocess.DEVNULL for each in ("stdin", "stdout", "stderr")}
        environment = {**os.environ, **self.tests[name][1]}
        with subprocess.Popen(command, cwd=self.folder, env=environment, start_new_session=True, **silent) as child:
            try:
                return child.wait(limit) != 0
            except subprocess.TimeoutExpired:
                return True
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)  # what it started, too

    def limit(self, test):  # five times as long as without a mistake
        name, *prefix = test.split()
        with self.lock:
            if test not in self.normal:
                begin = time.monotonic()
                if self.ends_badly(name, [*self.tests[name][0], *prefix], 120):
                    raise SystemExit(f"plant.py: {test} fails without a mistake, too")
                self.normal[test] = 5 * (time.monotonic() - begin)
            return self.normal[test]

    def nearest(self, file, system):
        """Unit tests named after the file, that include its header, that depend on it, or on its folder."""
        stem, header = Path(file).stem, re.sub(r"^(src|tools)/", "", file)[:-1] + "h"

        def distance(test):
            name = test.split(".")[1]
            source = f"tests/unit/test_{name}.c"
            if re.fullmatch(rf"(\w+_)?{stem}(_\w+)?", name):
                return 0
            if f'"{header}"' in (ROOT / source).read_text():
                return 1
            near = [file[:-1] + "h", os.path.dirname(file) + "/"]
            return next((2 + i for i in (0, 1) for path in self.includes[source] if near[i] in path), 4)

        unit = [test for test in self.tests if test.startswith("unit.")]
        folder = Path(file).parent.name  # whose tests come before others that are as near
        near = sorted((test for test in unit if distance(test) < 4), key=lambda test: (distance(test), folder not in test))
        mine = next((SYSTEM[folder] for folder in SYSTEM if file.startswith(folder + "/")), "").split()
        return near + [f"system.{name}" for name in mine if system and f"system.{name}" in self.tests]

    def judge(self, mistake, system):  # what became of it, and by which test
        text, named = plant(mistake), mistake.verdict[1:].strip()
        if text is None or named and named.split()[0] not in self.tests:
            return "no such line" if text is None else "no such test", named
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            if not named and mistake.file not in self.original:
                self.original[mistake.file] = self.compile(mistake.file, (ROOT / mistake.file).read_text(), work)
            if self.compile(mistake.file, text, work) in (None, self.original.get(mistake.file)):
                return "no mistake", named  # not C, or the same program
            for test in [named] if named else self.nearest(mistake.file, system):
                limit = self.limit(test) + (3 if named else 15)  # some mistakes never end
                times = range(1 if named else 2)  # what is searched for may be chance
                if all(self.fails(test, mistake.file, work, limit) for _ in times):
                    return "noticed", test
        return "UNNOTICED", named


def run(given):
    build = Build(given.build)
    mistakes = [m for m in read_list(given.list) if not m.verdict.startswith(" =")]
    counts, problems = collections.defaultdict(collections.Counter), 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for mistake, (outcome, test) in zip(mistakes, pool.map(lambda m: build.judge(m, given.system), mistakes)):
            counts[str(Path(mistake.file).parent)][outcome] += 1
            is_good = outcome == "noticed" or outcome == "no mistake" and mistake.verdict == ":"
            problems += not is_good
            if not is_good or mistake.verdict == ":":
                print("\n".join([f"# {outcome}", f"{mistake.file}: {test}", *mistake.hunk]) + "\n", flush=True)
    for folder, outcomes in sorted(counts.items()):
        print(f"# {folder}:", ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items())))
    return problems > 0 or not mistakes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    one = commands.add_parser("run")
    one.add_argument("list")
    one.add_argument("--build", default="build/release")
    one.add_argument("--jobs", type=int, default=2)
    one.add_argument("--system", action="store_true", help="tries system tests, too, as root")
    two = commands.add_parser("generate")
    two.add_argument("paths", nargs="*", default=list(SYSTEM))
    two.add_argument("--count", type=int, default=25, help="for each path")
    two.add_argument("--seed", type=int, default=1)
    two.add_argument("--without", action="append", default=[], help="a list of what is known already")
    given = parser.parse_args()
    if given.command == "run":
        sys.exit(run(given))
    for mistake in generate(given.paths, given.count, given.seed, given.without):
        print("\n".join([mistake.file + ":", *mistake.hunk]) + "\n")
