"""The project's targets for echod, each a ratio in one run, judged from Results."""

import math

from results import LOUD, compare


def _percent(noise):
    return f"(noise ± {100 * noise:.0f} %)"


def judge(measured, target, noise, at_least):
    """`met` or `missed`; where the distance to the target is within the noise a tie, or `inconclusive`."""
    if noise is None:
        return "inconclusive"
    if compare(measured / target, noise) in ("tie", "inconclusive"):
        return f"{'tie with the target' if noise <= LOUD else 'inconclusive'} {_percent(noise)}"
    return "met" if (measured > target) == at_least else "missed"


def against_best(results, cell, key="rate", more_is_better=True):
    """echod against the best peer: (peer, ratio, noise, verdict), or None where there is nothing to compare."""
    trouble = results.trouble(cell, "echod")
    peer, ratio = results.best_peer(cell, key, more_is_better)
    noise = results.noise(cell, key)
    if trouble:
        return peer, ratio, noise, f"behind: {trouble}"
    return (peer, ratio, noise, compare(ratio, noise, more_is_better)) if peer else None


def _mean_of(found, more_is_better):
    """What the geometric mean of the ratios says, and how to print it. Noise of independent cells adds up in squares."""
    pairs = [(math.log(ratio), math.log1p(noise)) for _, ratio, noise, _ in found if ratio and noise is not None]
    if not pairs:
        return "inconclusive", ""
    mean = math.exp(sum(ratio for ratio, _ in pairs) / len(pairs))
    noise = math.expm1(math.hypot(*(noise for _, noise in pairs)) / len(pairs))
    return compare(mean, noise, more_is_better), f"; geometric mean {mean:.2f} {_percent(noise)}"


def _crowd_row(results, what, key, more_is_better):
    """Met only if no cell is behind, none too noisy to say so, and the mean over all at least level."""
    # The parked have a target of their own; streams have no latency.
    cells = [cell for cell in results.cells if not cell.startswith("parked")]
    found = [row for row in (against_best(results, cell, key, more_is_better) for cell in cells) if row]
    counts = {
        word: sum(verdict.startswith(word) for *_, verdict in found)
        for word in ("ahead", "tie", "behind", "inconclusive")
    }
    if not found:
        return what, "not in these results", "–"
    level, mean_text = _mean_of(found, more_is_better)
    measured = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    verdict = "missed" if counts["behind"] or level == "behind" else "inconclusive" if counts["inconclusive"] else "met"
    return what, measured + mean_text, verdict


def _ratio_row(results, what, target, ours, theirs, key, at_least):
    """echod in the cell `ours` against `theirs`, a (cell, server), or the best peer if None."""
    trouble = results.trouble(ours, "echod")
    if trouble:
        return what, trouble, "missed"
    if theirs:
        ratio = results.ratio((ours, "echod"), theirs, key)
    else:
        _, ratio = results.best_peer(ours, key, at_least)
    if ratio is None or (theirs and results.trouble(*theirs)):
        return what, "not in these results", "–"
    noises = [results.noise(cell, key) for cell in {ours, theirs[0] if theirs else ours}]
    noise = None if None in noises else max(noises)
    return what, f"{ratio:.2f}", judge(ratio, target, noise, at_least)


def _memory_row(results):
    what = "memory of a parked connection: ≤ 1 KiB"
    crowd, parked = results.figure("ping-100-64", "echod"), results.figure("parked-100-18000", "echod")
    trouble = results.trouble("parked-100-18000", "echod")
    if trouble:
        return what, trouble, "missed"
    if not crowd or not parked:
        return what, "not in these results", "–"
    kib = max(parked.mib - crowd.mib, 0) * 1024 / 18000
    return what, f"{kib:.2f} KiB", "met" if kib <= 1 else "missed"


ELSEWHERE = (
    ("system calls a message, crowded: ≤ 2.2", "tools/bench/callgrind.sh"),
    ("idle with 18,000 parked: 0 CPU ticks in 10 s", "tests/system/test_parking through tools/soak.sh"),
    (
        "first echo beside 10,000 silent and 1,000 stuck: p99 ≤ 10 ms, memory < 256 MiB",
        "tests/system/test_starvation through tools/soak.sh",
    ),
)


def rows(results):
    """(what, measured, verdict) for every target."""
    epoll, single, mixed, parked = results.yardstick, "ping-1-64", "mixed-50", "parked-100-18000"
    yield _crowd_row(results, "throughput in every cell: ≥ the best peer's", "rate", True)
    yield _crowd_row(results, "p99.9 in every cell: ≤ the best peer's", "p999_us", False)
    for what, target, ours, theirs, key, at_least in (
        ("round trip, blocking client: ≤ 0.45 × the best peer's", 0.45, single, None, "p50_us", False),
        ("round trip: ≤ 1.15 × a polling pair's", 1.15, single, (single, "pingpair"), "p50_us", False),
        ("bulk, 1 connection: ≥ 1.3 × the yardstick", 1.3, "stream-1", ("stream-1", epoll), "rate", True),
        ("ping-pong p99 beside a bulk stream: ≤ 2 × without", 2, mixed, ("ping-50-64", "echod"), "p99_us", False),
        ("bulk beside ping-pong: ≥ 0.5 × its rate alone", 0.5, mixed, ("stream-1", "echod"), "bulk_mb_per_s", True),
        ("connect-echo-close: ≥ 1.1 × the yardstick", 1.1, "churn-16", ("churn-16", epoll), "rate", True),
        ("100 active among 18,000: ≥ 0.95 × alone", 0.95, parked, ("ping-100-64", "echod"), "rate", True),
    ):
        yield _ratio_row(results, what, target, ours, theirs, key, at_least)
    yield _memory_row(results)
    for what, where in ELSEWHERE:
        yield what, f"not measured here: {where}", "–"
