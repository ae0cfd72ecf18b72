"""The project's targets for echod, each a ratio in one run, judged from Results."""


LOUD = 0.1  # noise above which a tie says nothing


def _verdict(measured, target, noise, at_least=True):
    """`met`, `missed`, or `inconclusive` where the distance to the target is within the noise."""
    if noise is None or abs(measured - target) <= noise * target:
        return "inconclusive" if noise is None else f"inconclusive (noise ± {100 * noise:.0f} %)"
    return "met" if (measured >= target) == at_least else "missed"


def against_best(results, cell):
    """echod against the best peer: (peer, ratio of rates, noise, verdict), or None."""
    ours = results.figure(cell, "echod")
    peer, value = results.best_peer(cell, "ratio")
    noise = results.noise(cell)
    if not ours or not peer or noise is None or ours.ratio is None:
        return None
    ratio = ours.ratio / value
    verdict = "tie" if abs(ratio - 1) <= noise else "ahead" if ratio > 1 else "behind"
    if ours.unserved:
        verdict = f"behind: {ours.unserved} connections unserved"
    elif ours.errors:
        verdict = f"behind: {ours.errors} errors"
    return peer, ratio, noise, verdict


def _tail(results, cell):
    """Whether echod's p99.9 is `ahead`, `tie` or `behind`; a connection without any echo waits for ever."""
    ours = results.figure(cell, "echod")
    _, best = results.best_peer(cell, "p999", largest=False)
    noise = results.noise(cell, "p999_us")
    if ours.unserved or ours.errors or not ours.p999:
        return "behind", noise
    if best is None or noise is None or abs(ours.p999 / best - 1) <= noise:
        return "tie", noise
    return "ahead" if ours.p999 < best else "behind", noise


def _crowd_row(what, found):
    """`found`: a verdict and the noise for each cell. Met only if no cell is behind, and quiet enough to say so."""
    counts = {word: sum(verdict.startswith(word) for verdict, _ in found) for word in ("ahead", "tie", "behind")}
    worst = max((noise for verdict, noise in found if verdict == "tie" and noise is not None), default=0)
    verdict = "missed" if counts["behind"] else "met" if worst <= LOUD else f"inconclusive (noise ± {100 * worst:.0f} %)"
    return what, ", ".join(f"{count} {word}" for word, count in counts.items()), verdict


def _crowd_rows(results):
    """Throughput and p99.9 over all ping-pong cells."""
    compared = {cell: against_best(results, cell) for cell in results.cells if cell.startswith("ping-")}
    compared = {cell: found for cell, found in compared.items() if found}
    if compared:
        rates = [(verdict, noise) for _, _, noise, verdict in compared.values()]
        yield _crowd_row("throughput in every ping-pong cell: at least the best peer's", rates)
        tails = [_tail(results, cell) for cell in compared]
        yield _crowd_row("p99.9 in every ping-pong cell: at most the best peer's", tails)


# The key in a run, for the noise, of each attribute of Figure.
KEYS = {"p50": "p50_us", "p99": "p99_us", "bulk": "bulk_mb_per_s", "rate": "rate", "ratio": "rate"}


def _ratio_row(results, cell, what, target, key, reference, at_least=True):
    """echod's figure over `reference`, a number; nothing where one of them was not measured."""
    ours = results.figure(cell, "echod")
    if not ours or not reference:
        return
    if ours.unserved or ours.errors or not getattr(ours, key):
        yield what, f"{ours.unserved} connections unserved, {ours.errors} errors", "missed"
        return
    ratio = getattr(ours, key) / reference
    yield what, f"{ratio:.2f}", _verdict(ratio, target, results.noise(cell, KEYS[key]), at_least)


def rows(results):
    """(what, measured, verdict) for every target that these results can judge."""

    def value(cell, server, key):
        figure = results.figure(cell, server)
        return getattr(figure, key) if figure else None

    yield from _crowd_rows(results)
    cell = "blocking-1-64"
    _, best = results.best_peer(cell, "p50", largest=False)
    yield from _ratio_row(results, cell, "round trip, blocking client: ≤ 0.45 × the best peer's", 0.45, "p50", best, False)
    pair = value(cell, "pingpair", "p50")
    yield from _ratio_row(results, cell, "round trip: ≤ 1.15 × a polling pair's", 1.15, "p50", pair, False)
    yield from _ratio_row(results, "stream-1", "bulk, 1 connection: ≥ 1.3 × the yardstick", 1.3, "ratio", 1)
    alone = value("ping-50-64", "echod", "p99")
    yield from _ratio_row(results, "mixed-50", "ping-pong p99 beside a bulk stream: ≤ 2 × without", 2, "p99", alone, False)
    alone = value("stream-1", "echod", "bulk")
    yield from _ratio_row(results, "mixed-50", "bulk beside ping-pong: ≥ 0.5 × its rate alone", 0.5, "bulk", alone)
    yield from _ratio_row(results, "churn-16", "connect-echo-close: ≥ 1.1 × the yardstick", 1.1, "ratio", 1)
    alone = value("ping-100-64", "echod", "rate")
    yield from _ratio_row(results, "parked-100-18000", "100 active among 18,000: ≥ 0.95 × alone", 0.95, "rate", alone)
    parked, crowd = results.figure("parked-100-18000", "echod"), value("ping-100-64", "echod", "mib")
    if parked and crowd and not parked.unserved:
        kib = max(parked.mib - crowd, 0) * 1024 / 18000
        yield "memory of a parked connection: ≤ 1 KiB", f"{kib:.2f} KiB", "met" if kib <= 1 else "missed"
