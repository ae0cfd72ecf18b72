"""Reads what run.sh has recorded, and makes figures of it: medians over rounds, ratios of two servers or cells paired by
round, and the noise of such a ratio, from the yardstick against itself."""

import functools
import json
import math
import random
import statistics

LOUD = 0.1  # noise above which a tie says nothing
LIMITED = "CLIENT-BOUND"  # echoload's verdict where the load generator was the limit


def compare(ratio, noise, more_is_better=True):
    """What a ratio says: `ahead`, `behind`, `tie` where it is within the noise, or `inconclusive`. Twice and half are
    equally far from 1."""
    if noise is None:
        return "inconclusive"
    if abs(math.log(ratio)) <= math.log1p(noise):
        return "tie" if noise <= LOUD else "inconclusive"
    return "ahead" if (ratio > 1) == more_is_better else "behind"


def _spread(values):
    """Twice the standard error of their median, by bootstrap; the same at each call."""
    source = random.Random(1)
    medians = [statistics.median(source.choices(values, k=len(values))) for _ in range(1000)]
    return 2 * statistics.stdev(medians)


def noise_of(pairs):
    """How far from 1 the second ÷ the first of what should be the same comes out as a median over the pairs, and how
    well that median is known: what a ratio must exceed to be a difference. None if it is unknown."""
    if len(pairs) < 2:
        return None
    ratios = [math.log(second / first) for first, second in pairs]
    return math.expm1(abs(statistics.median(ratios)) + _spread(ratios))


def _figures(loads):
    """What echoload has measured in one run, from its JSON: that of the load that matters first, then of the one beside
    it, if any. A stream's latency is that of its own queue, and left out."""
    main = loads[0]
    working = [load for load in loads if load["configuration"]["mode"] != "idle"]
    streams = [load for load in loads if load["configuration"]["mode"] == "stream"]
    latency = {} if main in streams else main["latency_ns"]
    threads = [thread for load in working for thread in load["evidence"]["threads"]]
    errors = sum(sum(load["errors"].values()) + load["faults_found"] for load in loads)
    # A connection that gets no echo for 2 s is closed, and tried again.
    unserved = sum(load["errors"].get("timeout", 0) for load in loads)
    verdicts = [load["verdict"] for load in working]
    return {
        "messages_per_s": main["messages_per_second"],
        "bulk_mb_per_s": sum(load["bytes_per_second"] for load in streams) / 1e6,
        "p50_us": latency.get("p50", 0) / 1e3,
        "p99_us": latency.get("p99", 0) / 1e3,
        "p999_us": latency.get("p99_9", 0) / 1e3,
        "errors": errors - unserved,
        "unserved": unserved,
        "load_busy": sum(thread["user"] + thread["system"] for thread in threads),
        "verdict": LIMITED if LIMITED in verdicts else main["verdict"],
    }


class Figure:
    """A server in a cell: medians over the rounds, and the commonest verdict."""

    def __init__(self, runs):
        def median(key):
            return statistics.median(run[key] for run in runs)

        self.rate = median("rate")
        self.p50, self.p99, self.p999 = median("p50_us"), median("p99_us"), median("p999_us")
        self.bulk = median("bulk_mb_per_s")
        self.cpu = statistics.median(1e6 * run["server_busy"] / max(run["rate"], 1) for run in runs)
        self.busy, self.load_busy = median("server_busy"), median("load_busy")
        self.mib = median("server_kib") / 1024
        self.verdict = statistics.mode(run["verdict"] for run in runs)


class Results:
    """All of a file. `servers` and `cells` are in the order in which they were measured."""

    def __init__(self, path):
        self.metas, self.absent = [], {}
        self.cells, self.servers = [], []
        self.runs = {}  # (cell, server) to {(session, round, run): ...}
        self.skipped = {}  # (cell, server) to why
        self.failed = {}  # (cell, server) to [(session, why), ...]
        session = 0
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                entry = json.loads(line)
                if "meta" in entry:
                    session += 1
                    self.metas.append(entry)
                elif "absent" in entry:
                    self.absent[entry["absent"]] = entry["why"]
                else:
                    self._add_run(session, entry)
        if not self.metas or not self.runs:
            raise SystemExit(f"report.py: there is no result in {path}")
        self.yardstick = self.metas[-1]["yardstick"]
        self.servers = [self.yardstick] + [name for name in self.servers if name != self.yardstick]

    def _add_run(self, session, entry):
        cell, server = which = entry["cell"], entry["server"]
        if cell not in self.cells:
            self.cells.append(cell)
        if server not in self.servers:
            self.servers.append(server)
        if "skipped" in entry:
            self.skipped[which] = entry["skipped"]
        elif "failed" in entry:
            self.failed.setdefault(which, []).append((session, entry["failed"]))
        else:
            entry.update(_figures(entry.pop("loads")))
            entry["rate"] = entry["bulk_mb_per_s" if cell.startswith("stream") else "messages_per_s"]
            self.runs.setdefault(which, {})[session, entry["round"], entry["run"]] = entry
            # Failures of an earlier session have been corrected since.
            self.skipped.pop(which, None)
            self.failed[which] = [failure for failure in self.failed.get(which, []) if failure[0] == session]

    def trouble(self, cell, server):
        """What went wrong with a server in a cell, whatever its figures; "" if nothing did."""
        runs = self.runs.get((cell, server), {}).values()
        counts = {
            "failed": len(self.failed.get((cell, server), [])),
            "unserved": max((run["unserved"] for run in runs), default=0),
            "errors": sum(run["errors"] for run in runs),
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    def figure(self, cell, server):
        """A Figure, or None where the server was not measured."""
        runs = self.runs.get((cell, server))
        return Figure(list(runs.values())) if runs else None

    def _by_round(self, which, key):
        """{round: [a value for each run]}: two for the yardstick, one for others. A value of 0 is none."""
        rounds = {}
        for (session, number, _), run in sorted(self.runs.get(which, {}).items()):
            if run[key]:
                rounds.setdefault((session, number), []).append(run[key])
        return rounds

    @functools.cache
    def ratio(self, ours, theirs, key="rate"):
        """The median over the rounds of ours ÷ theirs in the same round, each a (cell, server); None if no round has
        both."""
        above, below = self._by_round(ours, key), self._by_round(theirs, key)
        ratios = [statistics.mean(above[number]) / statistics.mean(below[number]) for number in above if number in below]
        return statistics.median(ratios) if ratios else None

    @functools.cache
    def noise(self, cell, key="rate"):
        """noise_of the yardstick's two runs in each round."""
        pairs = [pair for pair in self._by_round((cell, self.yardstick), key).values() if len(pair) == 2]
        return noise_of(pairs)

    def best_peer(self, cell, key, more_is_better=True):
        """(name, echod's ratio to it) of the peer against which echod does worst; (None, None) if there is none. The
        polling pair, which serves one client and burns a CPU, is no peer."""
        found = []
        for name in self.servers:
            ratio = self.ratio((cell, "echod"), (cell, name), key)
            if name not in ("echod", "pingpair") and ratio is not None and not self.trouble(cell, name):
                found.append((ratio, name))
        if not found:
            return None, None
        ratio, name = min(found) if more_is_better else max(found)
        return name, ratio
