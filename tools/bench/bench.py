"""Benchmarks echod beside its peers, for run.sh: see HELP. page.py makes the page of what is measured here."""

import argparse
import fnmatch
import json
import math
import os
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import page

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HELP = """Benchmarks echod beside its peers: installs and builds what is missing; in each cell runs all
servers at once, compares them with `echoload ab`, and writes a page. All of it takes
40 minutes. A run of all cells and peers writes to docs, any other to build/release/bench.
The raw results are in results.json there, those of docs in build/release/bench."""
YARDSTICK = page.YARDSTICK
QUICK_CELLS = ["ping-1-64", "ping-2-64", "ping-50-64", "ping-1000-64", "stream-1", "churn-16", "mixed-50"]
QUICK_PEERS = ["io_uring"]
NARROW = 0.02  # a cell whose A/A interval reaches farther from 1 is measured again
SPARE = 5 * 60  # s for that, so that all ends in time
BUSY = 0.9  # of a CPU; a generator's thread beyond that is the limit
ALTERNATING = ("mixed", "polling", "stream")  # kinds that are measured by short runs in turn
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100  # for a process's connections


class Cell(NamedTuple):
    kind: str  # ping, stream, churn, mixed, parked or polling
    connections: int
    size: int = 0
    pinned: bool = True  # the servers to the first CPU, the generator to the second
    seconds: float = 12  # of each comparison

    @property
    def name(self):
        parts = [self.kind, self.connections, self.size or None, None if self.pinned else "unpinned"]
        return "-".join(str(part) for part in parts if part)

    @property
    def held(self):
        return self.connections + (self.size if self.kind == "parked" else 0)

    @property
    def load(self):
        """Options for echoload. The bytes of streams are not verified: that would be the limit."""
        more = {"stream": ["-m", "stream", "--no-verify"], "churn": ["-m", "churn", "--linger", "rst"]}
        size = ["-s", str(self.size)] if self.kind == "ping" else []
        return ["-c", str(self.connections), *size, *more.get(self.kind, [])]


def all_cells():
    for pinned in (True, False):
        for connections in (1, 2, 3, 4, 10, 50, 150, 500, 1000, 5000, 10000):
            for size in (64, 1000):
                # Of each comparison the yardstick is a part: two at least.
                most = min(connections, DESCRIPTORS // 2)
                yield Cell("ping", most, size, pinned, 15 if 500 <= connections <= 1000 else 7)
        yield Cell("ping", 50, 16384, pinned)
        for connections in (1, 8, 32):
            yield Cell("stream", connections, 0, pinned, 45)
        yield Cell("churn", 16, 0, pinned, 12)
        yield Cell("mixed", 50, 0, pinned, 60)
        yield Cell("parked", 100, 15000, pinned, 20)
    yield Cell("polling", 1, 64, True, 15)


class Failed(Exception):
    def __init__(self, server, why):
        super().__init__(f"{server}: {why}")
        self.server, self.why = server, why


class Server:
    """One that runs, from start() to stop(). Its process group is its own."""

    next_port = 20000 + os.getpid() % 5000  # below the ports that clients get
    running = []

    def __init__(self, name, command, most=50000):
        self.name, self.command, self.most = name, command, most

    def takes_part(self, cell):
        if self.name == "pingpair" or cell.kind == "polling":
            return cell.kind == "polling" and self.name in (YARDSTICK, "echod", "pingpair")
        if self.name in ("epoll_reuseport", "rust_one") and cell.pinned:
            return False  # on one CPU they are epoll and rust
        if self.slow and (cell.size > 64 if cell.kind == "ping" else self.most < 1000 or cell.kind == "mixed"):
            return False
        return cell.held <= self.most

    @property
    def slow(self):
        return self.most <= 1000

    def start(self, cpus):
        Server.next_port += 1
        self.port = Server.next_port
        self.address = f"127.0.0.1:{self.port}"
        command = [part.replace("%p", str(self.port)) for part in self.command]
        self.process = subprocess.Popen(
            ["taskset", "-c", cpus, *command],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        Server.running.append(self)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise Failed(self.name, "does not start") from None
                time.sleep(0.02)
        time.sleep(0.05)
        self.rest = self.memory("VmRSS")

    def memory(self, field):
        """KiB; VmHWM is the most that was ever resident."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith(field + ":")), 0)

    def cpu(self):
        """CPU time of the process so far, ns, by its clock (clock_getcpuclockid(3))."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)

    def stop(self):
        for what in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, what)
                self.process.wait(3)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        Server.running.remove(self)


def rank_interval(values):
    """The median, and the two values between which it lies with 95 %."""
    ordered, below, rank = sorted(values), 0, 0
    while below + math.comb(len(ordered), rank) / 2 ** len(ordered) <= 0.025:
        below += math.comb(len(ordered), rank) / 2 ** len(ordered)
        rank += 1
    low, high = (ordered[rank - 1], ordered[-rank]) if rank else (0, math.inf)
    return {"median": statistics.median(ordered), "low": low, "high": high}


def widen(ratio):
    """By 1 %, as two starts of one program differ by as much, and as `echoload ab` does."""
    middle, doubt = ratio["median"], 0.01 * ratio["median"]
    low, high = math.hypot(middle - ratio["low"], doubt), math.hypot(ratio["high"] - middle, doubt)
    return {"median": middle, "low": max(middle - low, 0), "high": middle + high, "conclusion": ""}


def distance(servers):
    """How far from 1 the A/A intervals of rate and CPU time reach."""
    itself = [servers[YARDSTICK]["ratio"].get(key) or {} for key in ("rate", "cpu")]
    return max(abs(ratio[end] - 1) for ratio in itself for end in ("low", "high") if ratio.get(end) is not None)


class Bench:
    def __init__(self, options):
        self.options, self.began = options, time.monotonic()
        self.programs = options.build / "bin"
        self.bench = options.build / "bench"
        self.cpus = [str(cpu) for cpu in sorted(os.sched_getaffinity(0))]
        self.failed, self.spare, self.generators = [], SPARE, []

    def find_servers(self):
        """All that were chosen and are there, the yardstick first; and why others are not."""
        absent, servers = {}, {}
        if not self.options.no_build:
            lines = (self.bench / "absent").read_text(encoding="utf-8").splitlines()
            absent = dict(line.split(" ", 1) for line in lines)
        for line in (HERE / "servers.txt").read_text(encoding="utf-8").splitlines():
            if line.startswith("#"):
                continue
            name, most, *command = line.split()
            if self.options.peers is not None and name not in (*self.options.peers, YARDSTICK, "pingpair"):
                continue
            command = [part.replace("%b", str(self.bench)).replace("%h", str(HERE)) for part in command]
            if not shutil.which(command[0]):
                absent.setdefault(name, "it is not built or installed")
            elif name not in absent:
                servers[name] = Server(name, command, int(most))
        if YARDSTICK not in servers:
            sys.exit(f"run.sh: there is no yardstick {YARDSTICK}: leave out --no-build")
        listen = ["--listen", "127.0.0.1:%p", "--control", "none", "--log-level", "error"]
        servers["echod"] = Server("echod", [self.options.echod or str(self.programs / "echod"), *listen])
        for also in self.options.also:
            name, _, command = also.partition("=")
            servers[name] = Server(name, command.split())
        return list(servers.values()), absent

    def generator(self, cell, *arguments, **keywords):
        pin = ["taskset", "-c", self.cpus[1]] if cell.pinned else []
        command = [*pin, str(self.programs / "echoload"), *arguments]
        self.generators.append(subprocess.Popen(command, stdout=subprocess.PIPE, **keywords))
        return self.generators[-1]

    def compare(self, cell, servers):
        """`echoload ab`: {name: its result}, and what it tells of the whole."""
        seconds = self.options.seconds or cell.seconds
        targets = [f"{server.name}={server.address}" for server in servers]
        process = self.generator(
            cell, "ab", *targets, *cell.load, "-d", f"{seconds}s", "--json", "-", stderr=subprocess.PIPE, text=True
        )
        output, errors = process.communicate(timeout=seconds + 120)
        if process.returncode != 0 or not output:
            why = errors.strip().splitlines()[-1].removeprefix("echoload ab: ")
            name = why.split(" ")[0]
            raise Failed(name if name in [server.name for server in servers] else "echoload", why)
        result = json.loads(output)
        return {target["name"]: target for target in result.pop("targets")}, result

    def run_load(self, cell, server, *loads):
        """Loads the server in all these ways at once, for the same time: a result for each."""
        running = [
            self.generator(cell, server.address, *load, "--allow-client-bound", "--json", "-", stderr=subprocess.DEVNULL)
            for load in loads
        ]
        outputs = [process.communicate(timeout=60)[0] for process in running]
        if not all(outputs) or not all(json.loads(output)["messages"] for output in outputs):
            raise Failed(server.name, "nothing was answered")
        return [json.loads(output) for output in outputs]

    def turn(self, cell, server):
        """What `alternate` compares."""
        if cell.kind == "polling":
            (ping,) = self.run_load(cell, server, ["-c", "1", "--spin", "--warmup", "50ms", "-d", "300ms"])
            return {"rate": ping["messages_per_second"], "p50": ping["latency_ns"]["p50"]}
        if cell.kind == "stream":
            before = server.cpu()
            (bulk,) = self.run_load(cell, server, [*cell.load, "--warmup", "100ms", "-d", "300ms"])
            rate, latency, busy = bulk["messages_per_second"], bulk["latency_uncorrected_ns"], bulk["evidence"]["thread_busy"]
            cpu = (server.cpu() - before) / bulk["messages"]  # with that of the warm-up, as for the others
            return {"rate": rate, "p50": latency["p50"], "p99": latency["p99"], "cpu": cpu, "busy": busy}
        beside = ["-c", str(cell.connections), "--warmup", "100ms", "-d", "300ms"]
        stream = ["-c", "1", "-m", "stream", "--no-verify", *beside[2:]]
        ping, bulk = self.run_load(cell, server, beside, stream)
        (alone,) = self.run_load(cell, server, beside)
        p99 = ping["latency_ns"]["p99"]
        return {
            "rate": ping["messages_per_second"],
            "p50": ping["latency_ns"]["p50"],
            "p99": p99,
            "stream": bulk["bytes_per_second"],
            "factor": p99 / alone["latency_ns"]["p99"],
        }

    def alternate(self, cell, servers):
        """Where two generators load a server, or it polls while it has a client, or the kernel settles for
        each connection how fast it is (streams): short runs instead of slices, in random order in each
        round, the yardstick twice. While the A/A interval is wide, for twice the time."""
        seconds, began, results = self.options.seconds or cell.seconds, time.monotonic(), {}
        order = [(server, server.name) for server in servers] + [(servers[0], "again")]
        runs = {name: [] for _, name in order}

        def busy(some):
            return statistics.median(run.get("busy", 0) for run in some)

        while True:
            random.shuffle(order)
            for server, name in order:
                runs[name].append(self.turn(cell, server))
            first, again = runs[YARDSTICK], runs["again"]
            for name in (server.name for server in servers):
                results[name] = {"ratio": {}}
                for key in first[0]:
                    values = [run[key] for run in runs[name]]
                    if name == YARDSTICK:
                        ratio = rank_interval([b[key] / a[key] for a, b in zip(first, again)])
                    else:
                        bases = [(a[key] + b[key]) / 2 for a, b in zip(first, again)]
                        ratio = widen(rank_interval([value / base for value, base in zip(values, bases)]))
                        if key != "cpu" and max(busy(runs[name]), busy(first)) > BUSY:
                            ratio["conclusion"] = "echoload is the limit"
                    results[name]["ratio"][key] = ratio
                    results[name][key] = rank_interval(values)
                results[name]["messages_per_second"] = results[name]["rate"]["median"]
            spent = time.monotonic() - began
            if len(first) >= 6 and spent > seconds * (1 if distance(results) <= NARROW else 2):
                return results, {"rounds": len(first), "seconds": spent, "alternating": True}
            if self.options.seconds and len(first) >= 6:
                return results, {"rounds": len(first), "seconds": spent, "alternating": True}

    def park(self, cell, server):
        """Opens the connections that rest, by a generator of its own."""
        sources = "127.0.0.1,127.0.0.2"  # of the ports of one address the kernel gives out half quickly
        idle = ["-m", "idle", "-c", str(cell.size), "-d", "never", "--timeout", "never", "--source", sources]
        process = self.generator(cell, server.address, *idle, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(os.listdir(f"/proc/{process.pid}/fd")) < cell.size:
            if process.poll() is not None or time.monotonic() > deadline:
                raise Failed(server.name, f"does not take {cell.size} connections")
            time.sleep(0.05)

    def settle(self):
        """Waits until those that park rest."""
        ticks, before, deadline = 0, -math.inf, time.monotonic() + 60
        while ticks - before > 15 and time.monotonic() < deadline:
            time.sleep(0.5)
            stats = [Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8") for process in self.generators]
            before, ticks = ticks, sum(sum(map(int, stat.rsplit(")", 1)[1].split()[11:13])) for stat in stats)

    def measure_group(self, cell, servers):
        try:
            for server in servers:
                server.start(self.cpus[0] if cell.pinned else ",".join(self.cpus))
            if cell.kind == "parked":
                for server in servers:
                    self.park(cell, server)
                self.settle()
            method = self.alternate if cell.kind in ALTERNATING else self.compare
            results, about = method(cell, servers)
            for server in servers:
                results[server.name]["kib"] = (server.memory("VmHWM") - server.rest) / cell.held
            return results, about
        finally:
            for process in self.generators:
                process.kill()
                process.wait()
            self.generators = []
            for server in list(Server.running):
                server.stop()

    def measure_narrowly(self, cell, servers):
        """Once more if the A/A interval is wide; the narrower counts. Without the servers that fail."""
        while True:
            try:
                results = self.measure_group(cell, servers)
                if distance(results[0]) > NARROW and self.spare > 0 and cell.kind not in ALTERNATING:
                    began = time.monotonic()
                    results = min(results, self.measure_group(cell, servers), key=lambda result: distance(result[0]))
                    self.spare -= time.monotonic() - began
                return results
            except (Failed, OSError, subprocess.TimeoutExpired) as error:
                failure = error if isinstance(error, Failed) else Failed("echoload", str(error))
                self.failed.append(f"{failure.server} in {cell.name}: {failure.why}")
                print(f"run.sh: {self.failed[-1]}", file=sys.stderr)
                servers = [server for server in servers if server.name != failure.server]
                if failure.server in (YARDSTICK, "echoload") or len(servers) < 2:
                    return None

    def measure(self, cell, servers):
        """In groups, each with the yardstick, if a process may not have that many connections."""
        yardstick, *others = [server for server in servers if server.takes_part(cell)]
        others.sort(key=lambda server: server.name != "echod")
        slow = [server for server in others if server.slow and cell.kind == "ping"]
        fast = [server for server in others if server not in slow]
        count = max(DESCRIPTORS // cell.connections - 1, 1)
        groups = [fast[i : i + count] for i in range(0, len(fast), count)] + [slow] * bool(slow)
        merged, abouts = {}, []
        for group in groups:
            shorter = cell._replace(seconds=cell.seconds / 2) if group is slow else cell
            result = self.measure_narrowly(shorter, [yardstick, *group])
            if not result:
                continue
            if YARDSTICK in merged and distance(merged) > distance(result[0]):
                del result[0][YARDSTICK]
            merged.update(result[0])
            abouts.append(result[1])
        if not merged:
            return None
        return {**cell._asdict(), "servers": merged, "runs": abouts, "wide": distance(merged) > NARROW}


def read_options():
    parser = argparse.ArgumentParser(
        prog="run.sh", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )

    def names(text):
        return [name for name in text.split(",") if name]

    parser.add_argument("-q", "--quick", action="store_true", help="some cells and io_uring only, in five minutes")
    parser.add_argument("-c", "--cells", type=names, metavar="LIST", help="only these, globs such as 'ping-*-64'")
    parser.add_argument("-p", "--peers", type=names, metavar="LIST", help="only these, besides the yardstick")
    parser.add_argument("-s", "--seconds", type=float, metavar="N", help="for each comparison, whatever the cell")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="where benchmarks.md and img/ go")
    parser.add_argument("--echod", metavar="PATH", help="the echod to measure")
    parser.add_argument(
        "--also", action="append", default=[], metavar="NAME=COMMAND", help="one more server; %%p stands for the port"
    )
    parser.add_argument("--build", type=Path, metavar="DIR", default=ROOT / "build/release", help="with --no-build")
    parser.add_argument("--no-build", action="store_true", help="neither install nor build anything")
    parser.add_argument("--append", action="store_true", help="add to the last results")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page of the last results")
    parser.add_argument("--list", action="store_true", help="print the names of all cells and servers")
    options = parser.parse_args()
    if options.quick:
        options.cells = options.cells or [name + tail for name in QUICK_CELLS for tail in ("", "-unpinned")]
        options.peers = QUICK_PEERS if options.peers is None else options.peers
        options.seconds = options.seconds or 10
    options.build = options.build.resolve()
    whole = options.cells is None and options.peers is None and not options.page
    options.output = (options.output or (ROOT / "docs" if whole else options.build / "bench")).resolve()
    if any("=" not in also or "%p" not in also for also in options.also):
        parser.error("--also: NAME=COMMAND with %p in it")
    return options


def tell(*command):
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout.strip().splitlines()[0] if result.stdout.strip() else "unknown"


def describe(absent, cpus):
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": tell("git", "describe", "--always", "--dirty"),
        "kernel": os.uname().release,
        "cpus": cpus,
        "cpu": next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown"),
        "compiler": tell("cc", "--version"),
        "descriptors": DESCRIPTORS + 100,
        "absent": absent,
    }


def end(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb the cleaning up
    sys.exit(143)


def main():
    options = read_options()
    cells = list(all_cells())
    if options.cells is not None:
        cells = [cell for cell in cells if any(fnmatch.fnmatch(cell.name, glob) for glob in options.cells)]
    if options.list:
        lines = (HERE / "servers.txt").read_text(encoding="utf-8").splitlines()
        print("\n".join([cell.name for cell in cells] + [line.split()[0] for line in lines if line[0] != "#"]))
        return 0
    if not cells:
        sys.exit("run.sh: no cell has such a name, see --list")
    signal.signal(signal.SIGTERM, end)
    bench = Bench(options)
    if len(bench.cpus) < 2:
        sys.exit("run.sh: two CPUs are needed, one for the servers and one for the generator")
    path = (bench.bench if options.output == ROOT / "docs" else options.output) / "results.json"
    results = json.loads(path.read_text(encoding="utf-8")) if options.page or options.append else {"cells": {}}
    if options.page:
        page.write(results, options.output)
        return 0
    if not options.no_build:
        for script in (ROOT / "tools/install-deps.sh", HERE / "install.sh", HERE / "build.sh"):
            subprocess.run([script, *(["build"] if script.parent != HERE else [])], check=True)
    servers, absent = bench.find_servers()
    unknown = set(options.peers or []) - {server.name for server in servers} - absent.keys()
    if unknown:
        sys.exit(f"run.sh: no peer is called {', '.join(sorted(unknown))}, see --list")
    results.update(describe(absent, bench.cpus))
    path.parent.mkdir(parents=True, exist_ok=True)
    missing = 0
    order = [cell.name for cell in all_cells()]
    # The crowds come last: they take most time to measure again.
    for i, cell in enumerate(sorted(cells, key=lambda cell: cell.connections > 1000)):
        print(f"{time.monotonic() - bench.began:5.0f} s  {i + 1}/{len(cells)}  {cell.name}", file=sys.stderr)
        result = bench.measure(cell, servers)
        missing += result is None
        if result:
            results["cells"][cell.name] = result
            results["cells"] = {name: results["cells"][name] for name in order if name in results["cells"]}
        results["failed"] = bench.failed
        results["minutes"] = (time.monotonic() - bench.began) / 60
        path.write_text(json.dumps(results, indent=1), encoding="utf-8")
    page.write(results, options.output)
    return 3 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
