"""Writes benchmarks.md and img/benchmark.svg from what bench.py has measured."""

import math
from pathlib import Path
from typing import NamedTuple

YARDSTICK = "epoll"
LOOPS = ("epoll", "epoll_reuseport", "libevent", "libuv")  # event loops
MANY = ("epoll_reuseport", "thread_per_conn", "go", "rust", "python", "socat", "ncat")  # threads or processes
LIMITED = "echoload is the limit"
SHORT = {"epoll_reuseport": "reuseport", "thread_per_conn": "threads"}
COLOURS = "#d62728 #1f77b4 #2ca02c #9467bd #ff7f0e #17becf #8c564b #e377c2 #7f7f7f #bcbd22 #1a55a3 #444".split()


class Ratio(NamedTuple):
    middle: float
    low: float
    high: float
    doubt: str = ""  # why it proves nothing

    def __truediv__(self, other):
        """Of two ratios to the same yardstick, as if they were independent."""
        middle = self.middle / other.middle
        spread = [
            math.hypot(math.log(a / b), math.log(c / d))
            for a, b, c, d in (
                (self.middle, self.low, other.high, other.middle),
                (self.high, self.middle, other.middle, other.low),
            )
        ]
        doubt = self.doubt or other.doubt
        return Ratio(middle, middle * math.exp(-spread[0]), middle * math.exp(spread[1]), doubt)

    def __str__(self):
        half = max(self.high - self.middle, self.middle - self.low)
        mark = "†" if self.doubt == LIMITED else "?" if self.doubt else ""
        return f"{self.middle:.2f}±{f'{half:.2f}'.removeprefix('0')}{mark}"


class Results:
    def __init__(self, results):
        self.about, self.cells = results, results["cells"]

    def ratio(self, cell, server, measure="rate"):
        """To the yardstick's; None: not known."""
        found = self.cells.get(cell, {}).get("servers", {}).get(server, {}).get("ratio", {}).get(measure)
        if not found or not found.get("low"):
            return None
        doubt = found.get("conclusion", "")
        if server == YARDSTICK:
            return Ratio(1, 1, 1)
        return Ratio(found["median"], found["low"], found["high"], doubt if doubt in (LIMITED, "disturbed") else "")

    def against(self, cell, others, measure="rate", best=max):
        """(echod's ratio to the best of the others, that one's name), or None."""
        known = [(ratio, name) for name in others if (ratio := self.ratio(cell, name, measure))]
        ours = self.ratio(cell, "echod", measure)
        if not known or not ours:
            return None
        theirs, name = best(known, key=lambda pair: pair[0].middle)
        return ours / theirs, name

    def peers(self, cell):
        return [name for name in self.cells[cell]["servers"] if name not in ("echod", "pingpair")]

    def named(self, kind, least=1, most=10**6, pinned=(True, False)):
        return [
            name
            for name, cell in self.cells.items()
            if cell["kind"] == kind and least <= cell["connections"] <= most and cell["pinned"] in pinned
        ]


def targets(results):
    """(what, the limit, whether it is the least, (ratio, where) for each cell)."""

    def ratios(cells, measure="rate"):
        return [(results.ratio(cell, "echod", measure), cell) for cell in cells]

    def best(cells, others=None, measure="rate", choose=max):
        found = [(results.against(cell, others or results.peers(cell), measure, choose), cell) for cell in cells]
        return [(pair[0], f"{cell}, {pair[1]}") for pair, cell in found if pair]

    def growth():
        for tail in ("", "-unpinned"):
            most = max((results.cells[name]["connections"] for name in results.named("ping", 5001)), default=0)
            for size in (64, 1000):
                many = results.ratio(f"ping-{most}-{size}{tail}", "echod", "cpu")
                few = results.ratio(f"ping-50-{size}{tail}", "echod", "cpu")
                yield many / few if many and few else None, f"{size} bytes{tail}"

    def beside():
        """Peers whose ping-pong keeps its p99 beside the stream."""
        for cell in results.named("mixed"):
            servers = results.cells[cell]["servers"]
            kept = [name for name in results.peers(cell) if servers[name]["factor"]["median"] <= 2]
            yield from best([cell], kept, "stream") if kept else []

    crowd, many = results.named("ping", 3), results.named("ping", 1000)
    alone = [
        (Ratio(*(results.cells[cell]["servers"]["echod"]["factor"][end] for end in ("median", "low", "high"))), cell)
        for cell in results.named("mixed")
    ]
    yield "1 connection: rate ≥ 1.4 × epoll", 1.4, True, ratios(results.named("ping", 1, 1))
    yield "1 connection: rate ≥ 0.97 × a pair that polls", 0.97, True, best(results.named("polling"), ["pingpair"])
    yield "2, pinned: rate ≥ 1.05 × the best peer", 1.05, True, best(results.named("ping", 2, 2, [True]))
    yield "2, unpinned: rate ≥ 1.2 × the best peer", 1.2, True, best(results.named("ping", 2, 2, [False]))
    yield "3 to 500: CPU a message ≤ epoll", 1, False, ratios(results.named("ping", 3, 500), "cpu")
    yield "1,000 to 10,000: CPU ≤ 0.97 × epoll", 0.97, False, ratios(many, "cpu")
    yield "3 to 10,000: rate ≥ epoll", 1, True, ratios(crowd)
    yield "3 to 10,000: p99 ≤ the best event loop", 1, False, best(crowd, LOOPS, "p99", min)
    yield "50: CPU ≤ 1.04 × io_uring", 1.04, False, best(results.named("ping", 50, 50), ["io_uring"], "cpu")
    yield "1,000: CPU ≤ 1.1 × io_uring", 1.1, False, best(results.named("ping", 1000, 1000), ["io_uring"], "cpu")
    wide = results.named("ping", 2, 1000, [False])
    yield "2 to 1,000, unpinned: rate ≥ 1.3 × any with threads", 1.3, True, best(wide, MANY)
    for streams, limit in ((1, 1.5), (8, 1.3), (32, 1.4)):
        text = f"{streams} stream{'s' if streams > 1 else ''}: rate ≥ {limit} × epoll"
        yield text, limit, True, ratios(results.named("stream", streams, streams))
    yield "streams: rate ≥ io_uring", 1, True, best(results.named("stream"), ["io_uring"])
    yield "connect, echo, close: rate ≥ epoll", 1, True, ratios(results.named("churn"))
    yield "connect, echo, close: CPU ≤ 1.15 × epoll", 1.15, False, ratios(results.named("churn"), "cpu")
    yield "50 beside a stream: p99 ≤ 2 × alone", 2, False, alone
    yield "the stream: rate ≥ each peer that keeps that", 1, True, beside()
    yield "CPU a message, 10,000 ÷ 50 connections: ≤ epoll's", 1, False, growth()


def judge(ratio, limit, at_least):
    if ratio.low <= limit <= ratio.high:
        return "tie"
    if ratio.doubt:
        return "undecided"
    return "met" if (ratio.middle > limit) == at_least else "missed"


def judge_all(values, limit, at_least):
    """(the worst, where, what is said of all)."""
    known = [(ratio, where) for ratio, where in values if ratio]
    if not known:
        return "–", "", "not measured"
    verdicts = [judge(ratio, limit, at_least) for ratio, _ in known]
    counts = {word: verdicts.count(word) for word in ("missed", "tie", "undecided", "met") if word in verdicts}
    firm = [pair for pair in known if not pair[0].doubt] or known
    worst, where = (min if at_least else max)(firm, key=lambda pair: pair[0].middle)
    said = next(iter(counts))
    if len(known) > 1 and said != "met":
        said += f" {counts[said]}/{len(known)}"
    return str(worst), where.split(",")[0], said


def title(cell):
    kind, count, size = cell["kind"], f"{cell['connections']:,}", cell["size"]
    text = {
        "ping": f"{count} × {size if size < 10000 else '16 Ki'}",
        "stream": f"{count} stream{'s' if cell['connections'] > 1 else ''}",
        "churn": f"churn, {count}",
        "mixed": f"{count} + a stream",
        "parked": f"{count} of {cell['connections'] + size:,}",
        "polling": "1, in turn",
    }
    return text[kind]


def rows(results, pinned):
    for name in [name for name, cell in results.cells.items() if cell["pinned"] == pinned]:
        cell = results.cells[name]
        servers, kind = cell["servers"], cell["kind"]
        if cell["size"] == 1000 and not (pinned and cell["connections"] == 50):
            continue  # the page stays short
        rate = servers[YARDSTICK]["messages_per_second"]
        first = f"{rate * 65536 / 1e9:.1f} GB" if kind == "stream" else f"{rate / 1000:.3g}"
        row = [title(cell), first]
        for measure in ("rate", "p50", "p99", "cpu"):
            skip = kind == "stream" and measure in ("p50", "p99")
            ratio = None if skip else results.ratio(name, "echod", measure)
            row.append(str(ratio) if ratio else "–")
        best = []
        for measure, choose in (("rate", max), ("cpu", min)):
            known = [(ratio.middle, peer) for peer in results.peers(name) if (ratio := results.ratio(name, peer, measure))]
            middle, peer = choose(known, default=(1, "–"))
            best.append(f"{middle:.2f} {SHORT.get(peer, peer)}" if kind not in ("mixed", "polling") or measure == "rate" else "–")
        itself = servers[YARDSTICK]["ratio"]["rate"]
        reach = max(abs(itself["low"] - 1), abs(itself["high"] - 1))
        yield "|".join(["", *row, *best, f"{100 * reach:.1f}{'!' if cell['wide'] else ''}", ""])


def curves(results, pinned):
    """{server: [(connections, ratio), ...]} with 64 bytes."""
    found = {}
    for name in results.named("ping", pinned=[pinned]):
        cell = results.cells[name]
        if cell["size"] == 64:
            for server in cell["servers"]:
                if ratio := results.ratio(name, server):
                    found.setdefault(server, []).append((cell["connections"], ratio.middle))
    return found


def colour_of(index):
    """Attributes of the line of the server with that index: those beyond the colours are dashed."""
    return f'stroke="{COLOURS[index % len(COLOURS)]}"' + (' stroke-dasharray="5 3"' if index >= len(COLOURS) else "")


def picture(results):
    """The rate by the number of connections: two panels of lines, and their names."""
    width, height, least, most = 330, 300, 0.25, 4.0
    lines, names = [], {}

    def text(x, y, words, more=""):
        lines.append(f'<text x="{x:.0f}" y="{y:.0f}" {more}>{words}</text>')

    for panel, pinned in enumerate((True, False)):
        left, top = 50 + panel * (width + 30), 40
        text(left, top - 15, "server and generator pinned apart" if pinned else "nothing pinned")

        def place(connections, ratio):
            x = left + width * math.log10(connections) / 4
            share = math.log(min(max(ratio, least), most) / least) / math.log(most / least)
            return x, top + height * (1 - share)

        for ratio in (0.25, 0.5, 1, 1.5, 2, 3, 4):
            x, y = place(1, ratio)
            lines.append(f'<path d="M{x:.0f} {y:.0f}h{width}" stroke="{"#444" if ratio == 1 else "#ddd"}"/>')
            if panel == 0:
                text(x - 6, y + 4, ratio, 'text-anchor="end"')
        for connections in (1, 10, 100, 1000, 10000):
            x, y = place(connections, least)
            lines.append(f'<path d="M{x:.0f} {y:.0f}v-{height}" stroke="#ddd"/>')
            text(x, y + 18, f"{connections:,}", 'text-anchor="middle"')
        for server, points in curves(results, pinned).items():
            colour = names.setdefault(server, colour_of(len(names)))
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in sorted(points)))
            thick = 4 if server == "echod" else 1.5
            lines.append(f'<polyline points="{path}" fill="none" {colour} stroke-width="{thick}"/>')
    for i, (server, colour) in enumerate(names.items()):
        x, y = 780, 50 + 20 * i
        lines.append(f'<path d="M{x - 24} {y - 4}h18" {colour} stroke-width="{4 if server == "echod" else 1.5}"/>')
        text(x, y, server)
    text(50, 382, "rate ÷ that of epoll (up) by the number of connections, 64 bytes")
    head = '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="395" viewBox="0 0 900 395"'
    return "\n".join([head + ' font-family="sans-serif" font-size="13">', '<rect width="900" height="395" fill="#fff"/>', *lines, "</svg>\n"])


def wrap(text, first="- "):
    """Lines of at most 100 columns."""
    lines, line = [], first
    for word in text.split():
        if len(line) + len(word) > 99:
            lines.append(line.rstrip())
            line = "  "
        line += word + " "
    return lines + [line.rstrip()]


def conditions(results):
    about = results.about
    yield from wrap(
        f"{about['date']}, commit {about['commit']}; Linux {about['kernel']}, {len(about['cpus'])} × {about['cpu']}, "
        f"{about['compiler']}; loopback; {about['minutes']:.0f} minutes in all"
    )
    yield from wrap(
        "All servers of a cell run at once. One thread of `echoload ab` holds connections to each and loads one for "
        "some milliseconds, in random order, twice a round. Ratios are to `epoll`, a plain event "
        "loop: the median over the rounds, and how far its 95 % interval reaches. A/A is how far, in per cent, that "
        "interval of `epoll` to itself reaches from 1; `!`: beyond 2, in rate or CPU, when run again too."
    )
    yield from wrap(
        "†: echoload is the limit, so rate and latency are its own: compare CPU, the server's CPU time a message. ?: "
        "disturbed by others. Streams are not verified: that would be the limit."
    )
    yield from wrap(
        "Streams, and what is beside one or beside a pair that polls: runs of 0.3 s in turn, with new connections. "
        "On one CPU `epoll_reuseport` is `epoll`, and `rust_one` is `rust`: left out."
    )
    yield from wrap(
        f"A process may have {about['descriptors']:,} descriptors here: with thousands of connections servers run in "
        "groups, each with `epoll`, without peers far behind. The targets count more cells (1,000 bytes)."
    )
    for name, why in about["absent"].items():
        yield from wrap(f"absent: {name}: {why}")
    for failed in about.get("failed", []):
        yield from wrap(f"failed: {failed}")


def memory(results):
    """KiB a connection, where it is told from the rest: with thousands."""
    for name in results.named("parked", pinned=[True]):
        servers = results.cells[name]["servers"]
        figures = ", ".join(f"{server} {found['kib']:.2g}" for server, found in servers.items())
        yield from wrap(f"KiB of memory a connection at most, {title(results.cells[name])}: {figures}")


def write(raw, folder):
    results = Results(raw)
    lines = ["# Benchmarks", "", "How fast echod is beside other echo servers. Written by `tools/bench/run.sh`.", ""]
    lines += ["## Conditions", "", *conditions(results), "", "## Ratios of echod to epoll", ""]
    lines += ["![Rate by the number of connections](img/benchmark.svg)"]
    head = ["epoll, k/s | rate | p50 | p99 | CPU | best rate | least CPU | A/A |", "|---|" + "---:|" * 8]
    for pinned in (True, False):
        body = list(rows(results, pinned))
        if body:
            where = "pinned apart" if pinned else "nothing pinned"
            lines += ["", f"| {where} | {head[0]}", head[1], *body]
    figures = list(memory(results))
    lines += ["", *figures] if figures else []
    lines += ["", "## Targets", "", "| target | worst | where | |", "|---|---:|---|---|"]
    for what, limit, at_least, values in targets(results):
        lines.append("|".join(["", what, *judge_all(list(values), limit, at_least), ""]))
    lines += ["", Path(__file__).with_name("notes.md").read_text(encoding="utf-8")]
    (folder / "img").mkdir(parents=True, exist_ok=True)
    (folder / "img/benchmark.svg").write_text(picture(results), encoding="utf-8")
    (folder / "benchmarks.md").write_text("\n".join(lines), encoding="utf-8")
    print(folder / "benchmarks.md")
