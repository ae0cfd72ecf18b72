"""generator.py FILE: judges what generator.sh has recorded, lines `CELL VARIANT ROUND RATE`, where a variant is `bare` (two
runs a round) or echoload with its verification `off` or `on`."""

import collections
import statistics
import sys

from results import noise_of
from targets import judge

# What each cell is held to: (above, below, at least).
PING = (("off", "bare", 1.0), ("on", "bare", 0.9))
TARGETS = {"ping-1": PING, "ping-50": PING, "ping-1000": PING, "stream-1": (("on", "off", 0.8),)}


def read(path):
    """{cell: [{variant: [rate, ...]}, ...]}, an item for each round; those in which a run came to nothing are left out."""
    rounds = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list)))
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            cell, variant, number, rate = line.split()
            rounds[cell][number][variant].append(float(rate))
    return {cell: [runs for runs in found.values() if all(map(all, runs.values()))] for cell, found in rounds.items()}


def ratio(rounds, above, below):
    """The median over the rounds."""
    return statistics.median(statistics.mean(runs[above]) / statistics.mean(runs[below]) for runs in rounds)


def judge_cell(cell, rounds):
    """Prints a cell's row. Returns (what, ratio, verdict) for each of its targets."""
    noise = noise_of([runs["bare"] for runs in rounds])
    row, stream = f"{cell:10}", cell.startswith("stream")
    for variant in ("bare", "off", "on"):
        median = statistics.median(rate for runs in rounds for rate in runs[variant])
        row += f" {median / 1e6:9,.0f} MB/s" if stream else f" {median:9,.0f} 1/s "
    for above, below in (("off", "bare"), ("on", "bare"), ("on", "off")):
        row += f" {ratio(rounds, above, below):8.2f}"
    print(row + ("  unknown" if noise is None else f" {100 * noise:6.0f} %"))
    verdicts = []
    for above, below, least in TARGETS[cell]:
        measured = ratio(rounds, above, below)
        verdicts.append((f"{cell}: {above} ≥ {least} × {below}", measured, judge(measured, least, noise, True)))
    return verdicts


def main():
    if len(sys.argv) != 2:
        print("usage: generator.py FILE", file=sys.stderr)
        sys.exit(2)
    print("medians, and medians of the ratios in a round; noise: of bare's second run over its first")
    print(f"{'':10} {'bare':>14} {'off':>14} {'on':>14} {'off/bare':>8} {'on/bare':>8} {'on/off':>8} {'noise':>8}")
    verdicts = []
    for cell, rounds in read(sys.argv[1]).items():
        if rounds:
            verdicts += judge_cell(cell, rounds)
        else:
            verdicts.append((f"{cell}: nothing was echoed", 0, "inconclusive"))
    print()
    for what, measured, verdict in verdicts:
        print(f"{what:28} {measured:.2f}  {verdict}")
    found = {verdict.split()[0] for *_, verdict in verdicts}
    sys.exit(1 if "missed" in found else 4 if "inconclusive" in found else 0)


if __name__ == "__main__":
    main()
