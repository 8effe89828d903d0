"""statistics/accuracy.parquet: one row for each (model, arm, phase), schema ablation.accuracy-verdict/1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
from pandas import DataFrame

from ablation.accuracy.compare import PhaseResult, Result, Rule, compare_launches
from ablation.accuracy.distance import PHASES, Launch, answers_of
from ablation.accuracy.limits import coarsest, dtype_of, floors
from ablation.accuracy.sentences import missing_words, sentence
from ablation.accuracy.store import AccuracyError, read_answers
from ablation.files import write_table
from ablation.plan.plan import Plan
from ablation.statistics.tables import to_table

VERSION = "ablation.accuracy-verdict/1"

# Of each arm, the first by block: all pairs are compared, and more would not change a verdict.
MOST_LAUNCHES = 30

_INT, _REAL, _TEXT = pa.int64(), pa.float64(), pa.string()
_COLUMNS: list[tuple[str, pa.DataType, str, str]] = [
    ("model", _TEXT, "", "model of the study"),
    ("arm", _TEXT, "", "arm whose answers are judged"),
    ("baseline", _TEXT, "", "arm that it is compared with"),
    ("phase", _TEXT, "", "prefill: first tokens; decode: those after"),
    ("verdict", _TEXT, "", "of the arm: same, different or not observed"),
    ("phase_verdict", _TEXT, "", "of this phase"),
    ("n_arm", _INT, "launches", "launches of the arm that were compared"),
    ("n_baseline", _INT, "launches", "launches of the baseline that were compared"),
    ("missing", _INT, "launches", "launches of both without usable answers"),
    ("prompt_set", _TEXT, "", "what was asked, as a hash"),
    ("prompts", _INT, "prompts", "prompts that could be compared in this phase"),
    ("dtype", _TEXT, "", "data type that the floors are for"),
    ("median", _REAL, "nat", "distance between the arms, median over the prompts"),
    ("p95", _REAL, "nat", "its 95 % quantile"),
    ("max", _REAL, "nat", "largest over prompts and pairs of launches"),
    ("noise_median", _REAL, "nat", "distance between launches of the baseline, median"),
    ("noise_p95", _REAL, "nat", "its 95 % quantile"),
    ("noise_max", _REAL, "nat", "largest over prompts and pairs of launches"),
    ("limit_median", _REAL, "nat", "limit of median"),
    ("limit_p95", _REAL, "nat", "limit of p95"),
    ("p_permutation", _REAL, "1", "permutation of the launches' labels: are the arms apart?"),
    ("equal_first", _REAL, "1", "fraction of prompts with the same first token, between arms"),
    ("equal_first_noise", _REAL, "1", "the same between launches of the baseline"),
    ("noise_from", _TEXT, "", "launches, or the repeats of the only launch"),
    ("apart", pa.list_(_INT), "", "blocks of single launches that are beyond the limit"),
    ("text", _TEXT, "", "the verdict as one sentence"),
]
VERDICTS = pa.schema(
    [
        pa.field(name, kind, metadata={"unit": unit, "description": text})
        for name, kind, unit, text in _COLUMNS
    ]
)


def gather(
    sessions: Sequence[Mapping[str, Any]], store: Path
) -> tuple[list[Launch], list[tuple[str, str, str]]]:
    """The answers of all launches of some sessions, and (model, arm, why) of launches without.

    `sessions` are the sessions' evidence. A launch whose treatment did not happen shows nothing of its arm.
    """
    found: list[Launch] = []
    without: list[tuple[str, str, str]] = []
    for session in sessions:
        model, arm = str(session["model"]), str(session["arm"])
        for launch in session["launches"]:
            try:
                found.append(_launch(session, launch, store))
            except AccuracyError as error:
                without.append((model, arm, str(error)))
    return found, without


def _launch(session: Mapping[str, Any], launch: Mapping[str, Any], store: Path) -> Launch:
    said = launch.get("accuracy")
    if said is None:
        raise AccuracyError("measured before answers were recorded, or ended before they were")
    if not said["observed"]:
        raise AccuracyError(str(said["text"]).removeprefix("accuracy: not observed: "))
    if (launch.get("treatment") or {}).get("passed") is False:
        raise AccuracyError("the treatment did not happen")
    table, metadata = read_answers(store / str(launch["launch_id"]) / str(said["file"]))
    return Launch(
        launch_id=str(launch["launch_id"]),
        model=str(session["model"]),
        arm=str(session["arm"]),
        block=int(session["block"]),
        prompt_set=str(metadata["prompt_set"]),
        answers=answers_of(table),
    )


def judge(
    plan: Plan, launches: Sequence[Launch], without: Sequence[tuple[str, str, str]]
) -> DataFrame:
    """The verdict on every arm of every model against the baseline, one row a phase."""
    rows: list[dict[str, Any]] = []
    baseline = plan.baseline
    for model, entry in plan.models.items():
        if baseline in entry.arms:
            for arm in entry.arms:
                if arm != baseline:
                    rows += _rows(plan, model, arm, baseline, launches, without)
    return DataFrame(rows)


def _rows(
    plan: Plan,
    model: str,
    arm: str,
    baseline: str,
    launches: Sequence[Launch],
    without: Sequence[tuple[str, str, str]],
) -> list[dict[str, Any]]:
    settings = plan.study.accuracy
    dtype = coarsest(
        [
            dtype_of(session.launch.command)
            for session in plan.sessions
            if session.model == model and session.arm in (arm, baseline)
        ]
    )
    median, p95 = floors(dtype, settings.median_floor, settings.p95_floor)
    both = [one for one in launches if one.model == model and one.arm in (arm, baseline)]
    asked = _most_common_set(both, (arm, baseline))
    ours, theirs = (
        [one for one in both if one.arm == name and one.prompt_set == asked]
        for name in (arm, baseline)
    )
    # Where one arm has no answers at all, those of the other are not of another set.
    others = len(both) - len(ours) - len(theirs) if len({one.arm for one in both}) > 1 else 0
    ours, theirs = ours[:MOST_LAUNCHES], theirs[:MOST_LAUNCHES]
    why = [(a, text) for m, a, text in without if m == model and a in (arm, baseline)]
    result = compare_launches(ours, theirs, Rule(median, p95, settings.noise_ratio))
    common = {
        "model": model,
        "arm": arm,
        "baseline": baseline,
        "verdict": result.verdict,
        "n_arm": len(ours),
        "n_baseline": len(theirs),
        "missing": len(why) + others,
        "prompt_set": asked,
        "dtype": dtype,
        "equal_first": result.equal_first,
        "equal_first_noise": result.equal_first_noise,
        "noise_from": result.noise_from,
        "apart": result.apart,
    }
    common["text"] = sentence(common, result, missing_words(why, others))
    return [common | _phase_row(phase) for phase in _phases(result)]


def _phases(result: Result) -> list[PhaseResult]:
    return result.phases or [PhaseResult(name, "not observed") for name in PHASES]


def _phase_row(phase: PhaseResult) -> dict[str, Any]:
    row = asdict(phase)
    return row | {"phase_verdict": row.pop("verdict")}


def _most_common_set(launches: Sequence[Launch], arms: Sequence[str]) -> str:
    """The prompt set that both arms have answered in most launches; an empty text where there is none."""
    counts = [Counter(one.prompt_set for one in launches if one.arm == arm) for arm in arms]
    shared = set(counts[0]) & set(counts[1])
    return max(sorted(shared), key=lambda name: min(count[name] for count in counts), default="")


def write_verdicts(frame: DataFrame, path: Path, **metadata: Any) -> None:
    """Write the table, whole or not at all."""
    write_table(path, to_table(frame, VERDICTS), {**metadata, "schema": VERSION})


def carry(comparisons: DataFrame, verdicts: DataFrame | None) -> DataFrame:
    """The comparisons with a column `accuracy` (the arm's verdict, empty where none was asked for), and
    with it in the sentence of each row: nobody shall read that an arm is faster and not that it is wrong."""
    if comparisons.empty:
        return comparisons
    said: dict[tuple[str, str], str] = {}
    if verdicts is not None:
        said = {(str(r.model), str(r.arm)): str(r.verdict) for r in verdicts.itertuples()}
    pairs = zip(comparisons["model"], comparisons["arm"], strict=True)
    verdict = [said.get((str(model), str(arm)), "") for model, arm in pairs]
    text = [
        f"{text} Its answers differ from the baseline's." if found == "different" else str(text)
        for text, found in zip(comparisons["text"], verdict, strict=True)
    ]
    return comparisons.assign(accuracy=verdict, text=text)
