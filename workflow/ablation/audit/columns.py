"""What a column of a published table means, from its heading: the words that people use for it."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A heading as a whole. Normalised: lower case, words joined by underscores.
LEVEL = {"concurrency", "max_concurrency", "in_flight", "requests_in_flight", "level", "c", "conc"}
LEVEL |= {"batch", "batch_size", "users", "clients", "concurrent_requests"}
COUNTS = {"n", "runs", "repeats", "repetitions", "launches", "n_runs"}
REQUESTS = {"requests", "num_prompts", "prompts", "n_requests", "num_requests", "requests_per_run"}
REQUESTS |= {"number_of_requests", "requests_a_run"}
DIFFERENCE = {
    "difference",
    "diff",
    "delta",
    "change",
    "gain",
    "improvement",
    "published_difference",
}
RATIO = {"ratio", "speedup", "speed_up", "relative", "relative_throughput", "arm_over_baseline"}
SLOWDOWN = {"slowdown", "slow_down", "baseline_over_arm"}
PAIRED = {"paired", "in_pairs", "pairs_in_turn"}
PAIR = {"pair", "block"}
RUN = {"run", "repeat", "repetition", "trial", "launch", "rep"}
ARM_NAME = {"arm", "variant", "setting", "mode", "arm_name"}
NOTE = {"note", "notes", "comment", "comments", "remark", "remarks"}
IDENTITY = {"model", "model_name", "hardware", "gpu", "gpus", "device", "accelerator", "backend"}
IDENTITY |= {"attention_backend", "moe_backend", "workload", "case", "shape", "dataset", "scenario"}
IDENTITY |= {
    "quantization",
    "dtype",
    "precision",
    "tp",
    "ep",
    "parallelism",
    "isl",
    "osl",
    "isl_osl",
}
IDENTITY |= {"input_tokens", "output_tokens", "rate", "request_rate", "qps", "version", "image"}
IDENTITY |= {"engine", "configuration", "config", "name", "label", "benchmark", "context"}

# Words of a heading that names an arm, a statistic of it, and a metric, in any order.
BASELINE_WORDS = {"baseline", "base", "before", "old", "off", "control", "main", "reference"}
ARM_WORDS = {
    "arm",
    "after",
    "new",
    "on",
    "candidate",
    "pr",
    "patch",
    "patched",
    "treatment",
    "variant",
}
STATISTICS = {"mean": "mean", "avg": "mean", "average": "mean", "median": "median"}
COV_WORDS = {"cov", "cv"}
SD_WORDS = {"sd", "std", "stdev", "stddev"}
N_WORDS = {"n", "runs", "repeats", "launches"}
ENDS = {"low": "low", "min": "low", "high": "high", "max": "high"}
REPEAT_WORDS = {"run", "rep", "repeat"}
THROUGHPUT = {"tok", "toks", "token", "tokens", "tps", "throughput", "output", "total", "per", "s"}
THROUGHPUT |= {"sec", "second", "req", "reqs", "request", "requests", "rps", "value", "aggregated"}
LATENCY = {"ms", "latency", "ttft", "tpot", "itl", "e2e", "p50", "p90", "p99"}
PERCENT = {"percent", "pct"}


@dataclass(frozen=True)
class Column:
    """``kind``: value, sd, cov, n, requests, level, difference, ratio, slowdown, paired, pair, run, arm_name,
    identity or note. ``side`` is baseline, arm or empty; ``end`` that of a stated range of the CoV;
    ``repeat`` the number of a run that has a column of its own."""

    heading: str
    kind: str
    side: str = ""
    end: str = ""
    repeat: int | None = None
    statistic: str = ""
    percent: bool = False
    unit: str = ""
    metric: str = ""


def normal(heading: str) -> str:
    """``"Δ (%)"`` is ``delta_percent``."""
    text = heading.strip().lower().replace("%", " percent ")
    text = text.replace("\u0394", " delta ").replace("\u03b4", " delta ").replace("/", " per ")
    return re.sub(r"[^a-z0-9]+", "_", text).strip("_")


def column(heading: str) -> Column | None:
    """What a heading means; None where it cannot be understood."""
    name = normal(heading)
    bare = re.sub(r"_?(percent|pct)$", "", name)
    percent = bare != name
    whole = {
        "level": LEVEL, "n": COUNTS, "requests": REQUESTS, "paired": PAIRED, "pair": PAIR, "run": RUN,
        "arm_name": ARM_NAME, "note": NOTE, "identity": IDENTITY, "ratio": RATIO, "slowdown": SLOWDOWN,
    }  # fmt: skip
    for kind, names in whole.items():
        if name in names:
            return Column(heading, kind)
    if bare in DIFFERENCE:
        return Column(heading, "difference", percent=percent)
    return _of_an_arm(heading, name)


def _of_an_arm(heading: str, name: str) -> Column | None:
    words = name.split("_")
    repeat = None
    if len(words) > 1 and re.fullmatch(r"\d{1,4}", words[-1]):
        repeat = int(words.pop())
    found: dict[str, list[str]] = {
        key: [] for key in ("side", "statistic", "kind", "end", "metric")
    }
    percent = False
    for word in words:
        if word in BASELINE_WORDS:
            found["side"].append("baseline")
        elif word in ARM_WORDS:
            found["side"].append("arm")
        elif word in STATISTICS:
            found["statistic"].append(STATISTICS[word])
        elif word in COV_WORDS | SD_WORDS | N_WORDS:
            kind = "cov" if word in COV_WORDS else "sd" if word in SD_WORDS else "n"
            found["kind"].append(kind)
        elif word in ENDS:
            found["end"].append(ENDS[word])
        elif word in PERCENT:
            percent = True
        elif word in THROUGHPUT | LATENCY:
            found["metric"].append(word)
        elif not (word in REPEAT_WORDS and repeat is not None):
            return None
    if any(len(found[key]) > 1 for key in ("side", "statistic", "kind", "end")):
        return None
    kind = found["kind"][0] if found["kind"] else "value"
    if kind == "sd" and percent:
        kind = "cov"
    # An end belongs to a range of the CoV; a percentage is no throughput.
    if (found["end"] and kind != "cov") or (percent and kind != "cov"):
        return None
    if repeat is not None and kind != "value":
        return None
    if not found["side"] and kind == "value" and not (found["statistic"] or found["metric"]):
        return None
    if found["metric"] and not _names_a_metric(set(found["metric"])):
        return None
    return Column(
        heading,
        kind,
        side=found["side"][0] if found["side"] else "",
        end=found["end"][0] if found["end"] else "",
        repeat=repeat,
        statistic=found["statistic"][0] if found["statistic"] else "",
        percent=percent,
        unit=_unit(found["metric"]),
        metric=_metric(found["metric"]),
    )


def _names_a_metric(words: set[str]) -> bool:
    """Whether these words are a rate or a latency: "output" could be a length, "s" a duration, "tokens" a count."""
    if words & {"throughput", "tps", "rps", "value"} or words & LATENCY:
        return True
    return bool(words & {"s", "sec", "second"}) and bool(words - {"s", "sec", "second", "per"})


def _unit(words: list[str]) -> str:
    known = set(words)
    if "ms" in known:
        return "ms"
    if known & LATENCY:
        return "s" if known & {"s", "sec", "second"} else ""
    if known & {"tok", "toks", "token", "tokens", "tps"}:
        return "tok/s"
    return "req/s" if known & {"req", "reqs", "request", "requests", "rps"} else ""


def _metric(words: list[str]) -> str:
    named = [w for w in words if w in LATENCY - {"ms"}]
    if named:
        return " ".join(w if w == "latency" or w[0] == "p" else w.upper() for w in named)
    return "latency" if "ms" in words else ""
