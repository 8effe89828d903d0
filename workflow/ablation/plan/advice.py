"""What a person should know before an hour is spent: the plan's warnings, a sentence each."""

from __future__ import annotations

from collections.abc import Mapping

from ablation.plan.cost import detectable_percent, sign_flip_floor
from ablation.plan.plan import PlannedModel
from ablation.plan.vocabulary import Vocabulary
from ablation.study.config import Study
from ablation.study.launch import Endpoint

CAVEAT = (
    "The servers were launched by someone else: blocks are interleaved visits to the same running servers, so "
    "launches were not replicated. The intervals say how visits differ; what two launches of one arm, or the "
    "endpoints' hosts, differ by would look like an effect of the factor."
)


def advice(
    study: Study,
    models: Mapping[str, PlannedModel],
    vocabularies: Mapping[str, Vocabulary],
) -> list[str]:
    """Warnings of the study's own design: endpoints, blocks, requests, vocabulary."""
    return [
        *_endpoints(study),
        *_blocks(study, models),
        *_requests(study),
        *_vocabularies(vocabularies),
    ]


def _endpoints(study: Study) -> list[str]:
    if not isinstance(study.server.launch, Endpoint):
        return []
    proofs = [name for name, arm in study.factor.arms.items() if arm.evidence]
    return [
        CAVEAT,
        *(
            f"{name}: asks for evidence of its treatment, and an endpoint shows no log: its runs will fail the "
            f"treatment gate; take factor.arms.{name}.evidence out, or set gates.treatment to false"
            for name in proofs
            if study.gates.treatment
        ),
    ]


def _blocks(study: Study, models: Mapping[str, PlannedModel]) -> list[str]:
    """What so many blocks can and cannot resolve."""
    found, confidence = [], study.design.confidence
    margin = study.design.equivalence_margin_percent
    for model, planned in models.items():
        n = planned.blocks
        if len(planned.arms) < 2:
            continue
        if n < 3:
            found.append(
                f"{model}: {n} blocks give no verdict; at least 3 are needed, 6 are advised"
            )
        elif sign_flip_floor(n) > 1 - confidence:
            found.append(
                f"{model}: with {n} blocks the exact sign-flip test cannot go below p = {sign_flip_floor(n):.4f}; "
                f"6 blocks reach 0.0312"
            )
        resolved = detectable_percent(n, 1.0, confidence)
        if resolved > margin:
            found.append(
                f"{model}: if launches vary by 1 % (CoV), {n} blocks find differences from {resolved:.1f} % on, "
                f"more than the equivalence margin of {margin:g} %"
            )
    return found


def _requests(study: Study) -> list[str]:
    found, levels, work = [], study.design.levels, study.workload
    small = [level for level in levels if work.requests_at(level) < 100]
    if small:
        found.append(
            f"levels {', '.join(map(str, small))}: fewer than 100 requests a run; tail quantiles will not be printed"
        )
    # On an H100, throughput counted in the window was 3 to 6 % off with 3 for each in flight, 1 to 3 % with 6.
    few = [n for n in levels if n > 1 and work.requests_at(n) < 6 * n]
    if few:
        found.append(
            f"levels {', '.join(map(str, few))}: fewer than 6 requests for each in flight; where the window cuts "
            "them can decide the difference (gate littles_law; 10 are the default)"
        )
    return found


def _vocabularies(vocabularies: Mapping[str, Vocabulary]) -> list[str]:
    """Of models whose vocabulary the study does not state: it decides the prompts, and so the measurement."""
    found = []
    for model, vocabulary in vocabularies.items():
        field = f"models.{model}.vocabulary"
        if vocabulary.guessed:
            found.append(
                f"{model}: no vocabulary is stated and its config.json cannot be seen from here; prompts use token "
                f"ids below {vocabulary.size} ({field})"
            )
        elif vocabulary.read:
            found.append(
                f"{model}: prompts use token ids below {vocabulary.size}, read from the model's files; state it "
                f"({field}), so that the plan is the same on a machine without them"
            )
    return found
