"""Reads what run.sh has recorded, and makes figures of it: medians over rounds, ratios to the yardstick in the same
round, and how far the yardstick is from itself."""

import json
import statistics


class Figure:
    """A server in a cell: medians over the rounds."""

    def __init__(self, runs, ratios):
        def median(key):
            return statistics.median(run[key] for run in runs)

        self.rounds = len(runs)
        self.rate = median("rate")
        self.ratio = statistics.median(ratios) if ratios else None
        self.p50, self.p99, self.p999 = median("p50_us"), median("p99_us"), median("p999_us")
        self.messages_per_s = median("messages_per_s")
        self.bulk = median("bulk_mb_per_s")
        self.cpu = statistics.median(run["server_cpu_us"] / max(run["units"], 1) for run in runs)
        self.busy = statistics.median(run["server_cpu_us"] / run["seconds"] / 1e6 for run in runs)
        self.mib = median("server_kib") / 1024
        self.errors = sum(run["errors"] for run in runs)
        self.unserved = max(run["unserved"] for run in runs)


class Results:
    """All of a file. `servers` and `cells` are in the order in which they were measured."""

    def __init__(self, path):
        self.metas, self.absent, self.missing = [], {}, {}
        self.cells, self.servers = [], []
        self.runs = {}  # (cell, server) to {(round, run): ...}
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
        cell, server = entry["cell"], entry["server"]
        if cell not in self.cells:
            self.cells.append(cell)
        if server not in self.servers:
            self.servers.append(server)
        if "messages" not in entry:
            why = entry.get("skipped")
            self.missing[cell, server] = f"not tried: {why}" if why else f"failed: {entry['failed']}"
            return
        bulk = cell.startswith("stream")
        entry["rate"] = entry["bulk_mb_per_s" if bulk else "messages_per_s"]
        entry["units"] = entry["rate"] * entry["seconds"]
        self.runs.setdefault((cell, server), {})[session, entry["round"], entry["run"]] = entry

    def _by_round(self, cell):
        """The yardstick's runs in each round: {round: [run, run]}."""
        rounds = {}
        for (session, number, _), run in self.runs.get((cell, self.yardstick), {}).items():
            rounds.setdefault((session, number), []).append(run)
        return rounds

    def figure(self, cell, server):
        """A Figure, or None where the server was not measured."""
        runs = self.runs.get((cell, server))
        if not runs:
            return None
        reference = {
            number: statistics.mean(run["rate"] for run in pair) for number, pair in self._by_round(cell).items()
        }
        ratios = [run["rate"] / reference[key[:2]] for key, run in runs.items() if reference.get(key[:2])]
        return Figure(list(runs.values()), ratios)

    def noise(self, cell, key="rate"):
        """How far the two runs of the yardstick in a round are apart, as a ratio of their mean: of all rounds the
        largest but one. Differences smaller than that prove nothing. None where it cannot be told."""
        apart = []
        for pair in self._by_round(cell).values():
            if len(pair) == 2 and sum(run[key] for run in pair) > 0:
                apart.append(2 * abs(pair[0][key] - pair[1][key]) / (pair[0][key] + pair[1][key]))
        if not apart:
            return None
        return sorted(apart)[-2] if len(apart) >= 5 else max(apart)

    def best_peer(self, cell, key, largest=True):
        """(name, value) of the best peer by an attribute of Figure; (None, None) if none was measured. The polling
        pair, which serves one client and burns a CPU, is no peer."""
        values = []
        for name in self.servers:
            figure = self.figure(cell, name)
            if name in ("echod", "pingpair") or not figure or figure.errors or figure.unserved:
                continue
            if getattr(figure, key):
                values.append((getattr(figure, key), name))
        if not values:
            return None, None
        value, name = max(values) if largest else min(values)
        return name, value
