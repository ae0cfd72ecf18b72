#!/usr/bin/env python3
"""report.py RESULTS DIR: makes DIR/report.md and the plots in DIR/img from what run.sh has recorded."""

import collections
import os
import shutil
import subprocess
import sys

from results import LIMITED, Results, compare
from targets import against_best, rows

TITLES = {
    "ping": "Ping-pong, messages of {} bytes",
    "stream": "Bulk streaming",
    "churn": "Connect, echo 64 bytes, close",
    "mixed": "50 ping-pong connections beside one bulk stream",
    "parked": "100 active connections among 18,000 parked",
}
LEGEND = """Ratio: rate over the yardstick's in the same round, median of the rounds. Noise: how far the same median of the
yardstick's second run over its first is from 1, and twice the standard error of that median; below it nothing is a
difference. `=`: a tie, the difference is within the noise; `?`: it is within a noise of more than 10 %, which says
nothing. CPU: of the server, per message or MB echoed; busy: how much of a CPU that was; load busy: the same of the
threads of the load generator, echoload, and verdict: what it says of most rounds. `†`: CLIENT-BOUND, the generator was
the limit, and the figure is at least as much its own as the server's. Memory: resident at the end; of several processes
the sum of their proportional shares. Times are in µs."""


def table(head, body):
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def group_of(cell):
    """Cells that make one table: those of a mode with one message size."""
    parts = cell.split("-")
    return parts[0], parts[2] if parts[0] == "ping" else ""


def connections_of(cell):
    return int(cell.split("-")[1])


def short(value):
    return "–" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def ratio_text(results, cell, server):
    ratio = results.ratio((cell, server), (cell, results.yardstick))
    trouble = results.trouble(cell, server)
    if ratio is None:
        return trouble or "–"
    if trouble:
        return f"{ratio:.2f} ({trouble})"
    verdict = compare(ratio, results.noise(cell)) if server != results.yardstick else ""
    limited = " †" if results.figure(cell, server).verdict == LIMITED else ""
    return f"{ratio:.2f}" + {"tie": " =", "inconclusive": " ?"}.get(verdict, "") + limited


def noise_text(noise):
    return "–" if noise is None else f"± {100 * noise:.0f} %"


def detail(results, cell):
    bulk = cell.startswith(("stream", "mixed"))
    head = ["server", "ratio", "MB/s" if cell.startswith("stream") else "1/s", "p50", "p99", "p99.9", "CPU", "busy", "load busy", "verdict", "MiB"]
    body = []
    for server in results.servers:
        figure = results.figure(cell, server)
        if not figure:
            continue
        row = [server, ratio_text(results, cell, server), short(figure.rate)]
        row += [short(value or None) for value in (figure.p50, figure.p99, figure.p999)]
        row += [f"{figure.cpu:.2f}", f"{figure.busy:.2f}", f"{figure.load_busy:.2f}", figure.verdict, f"{figure.mib:.1f}"]
        body.append(row + [short(figure.bulk)] if bulk else row)
    title = f"<details><summary>{cell}: noise {noise_text(results.noise(cell))}</summary>\n\n"
    return title + table(head + ["bulk MB/s"] if bulk else head, body) + "\n\n</details>"


def group_section(results, group, cells):
    mode, size = group
    if mode == "ping" and len(cells) > 1:
        heads = [f"{connections_of(cell):,}" for cell in cells]
    else:
        heads = cells
    body = [[server] + [ratio_text(results, cell, server) for cell in cells] for server in results.servers]
    body = [row for row in body if any(text != "–" for text in row[1:])]
    body.append(["*noise*"] + [noise_text(results.noise(cell)) for cell in cells])
    first = "server \\ connections" if mode == "ping" else "server"
    parts = [f"### {TITLES.get(mode, mode).format(size)}", table([first] + heads, body)]
    if mode == "ping" and len(cells) > 1:
        parts.append(f"![Ratio to the yardstick](img/ratio-{size}.svg) ![p99](img/p99-{size}.svg)")
    return "\n\n".join(parts + [detail(results, cell) for cell in cells])


def best_text(found):
    """The columns for what against_best has found."""
    if not found:
        return ["–"] * 4
    peer, ratio, noise, verdict = found
    return [peer or "–", short(ratio), noise_text(noise), verdict]


def summary(results):
    body = []
    for cell in results.cells:
        rate, tail = against_best(results, cell), against_best(results, cell, "p999_us", False)
        if rate or tail:
            body.append([cell] + best_text(rate) + best_text(tail))
    head = ["cell", "best peer", "echod ÷ best peer", "noise", "echod is"]
    head += ["p99.9: best peer", "echod ÷ best peer", "noise", "echod is"]
    return table(head, body) if body else "echod was not measured."


def conditions(results):
    lines = []
    for meta in results.metas:
        options = f"; echod's options: `{meta['echod_options']}`" if meta["echod_options"] else ""
        lines.append(
            f"- {meta['date']}, commit {meta['commit']}, Linux {meta['kernel']}, {meta['cpus']} × {meta['cpu']}, "
            f"{meta['compiler']}; {meta['seconds']} s a run, server on CPU {meta['server_cpu']}, load generator on CPU "
            f"{meta['load_cpu']}; load average before: {meta['load_average']}{options}"
        )
    rounds = max(len(runs) for (_, server), runs in results.runs.items() if server != results.yardstick)
    lines.append(f"- rounds: {rounds}; yardstick: `{results.yardstick}`, run twice in each")
    for name, why in results.absent.items():
        lines.append(f"- **absent**: {name} ({why})")
    reasons = collections.defaultdict(list)
    for (cell, server), why in results.skipped.items():
        reasons[server, f"not tried: {why}"].append(cell)
    for (cell, server), failures in results.failed.items():
        for why in sorted({why for _, why in failures}):
            reasons[server, f"failed: {why}"].append(cell)
    for (server, why), cells in reasons.items():
        where = ", ".join(cells) if len(cells) <= 4 else f"{len(cells)} cells"
        lines.append(f"- {server} in {where}: {why}")
    return "\n".join(lines)


def generated(results):
    groups = collections.defaultdict(list)
    for cell in results.cells:
        groups[group_of(cell)].append(cell)
    parts = ["## Conditions", conditions(results)]
    parts += ["## Targets", table(["target", "measured", "verdict"], rows(results))]
    parts += ["## echod against the best peer of each cell", summary(results), "## All servers", LEGEND]
    parts += [group_section(results, group, sorted(cells, key=connections_of)) for group, cells in groups.items()]
    return "\n\n".join(parts)


def plot(results, path, title, label, cells, value):
    """One line for each server over the number of connections."""
    script = [
        "set terminal svg size 640,400 dynamic background 'white'",
        f"set output '{path}'",
        f"set title '{title}'",
        "set logscale x; set xtics (1, 2, 10, 50, 150, 500, 1000, 5000, 10000) rotate; set xlabel 'connections'; set grid; set key outside right",
        f"set ylabel '{label}'",
    ]
    curves, data = [], []
    for server in results.servers:
        points = []
        for cell in sorted(cells, key=connections_of):
            height = value(cell, server)
            if height and not results.trouble(cell, server):
                points.append(f"{connections_of(cell)} {height}")
        if len(points) > 1:
            width = 3 if server == "echod" else 1
            name = server.replace("_", " ")
            curves.append(f"'-' with linespoints linewidth {width} title '{name}'")
            data += points + ["e"]
    if label.startswith("p99"):
        script.append("set logscale y")
    if curves:
        script += ["plot " + ", ".join(curves)] + data
        subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, check=True, timeout=60)


def plots(results, folder):
    if not shutil.which("gnuplot"):
        print("report.py: there is no gnuplot: no plots made", file=sys.stderr)
        return
    os.makedirs(folder, exist_ok=True)

    def rate_ratio(cell, server):
        return results.ratio((cell, server), (cell, results.yardstick))

    def p99(cell, server):
        figure = results.figure(cell, server)
        return figure and figure.p99

    sizes = collections.defaultdict(list)
    for cell in results.cells:
        if cell.startswith("ping-"):
            sizes[cell.split("-")[2]].append(cell)
    for size, cells in sizes.items():
        if len(cells) > 1:
            title = f"Ping-pong, {size} bytes"
            plot(results, f"{folder}/ratio-{size}.svg", title, "rate, yardstick = 1", cells, rate_ratio)
            plot(results, f"{folder}/p99-{size}.svg", title, "p99, µs", cells, p99)


def main():
    if len(sys.argv) != 3:
        print("usage: report.py RESULTS DIR", file=sys.stderr)
        sys.exit(2)
    results = Results(sys.argv[1])
    os.makedirs(sys.argv[2], exist_ok=True)
    plots(results, os.path.join(sys.argv[2], "img"))
    with open(os.path.join(sys.argv[2], "report.md"), "w", encoding="utf-8") as page:
        page.write(f"# Benchmark\n\n{generated(results)}\n")


if __name__ == "__main__":
    main()
