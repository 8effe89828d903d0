"""A synthetic study by seed: a plan and the aggregate that it would have led to, truth known.

Latencies follow from the throughput (closed loop: latency = level / rate), so that a faster arm has
the smaller ones, as on a server.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame

from ablation.aggregate.distributions import Distributions
from ablation.evidence.claim import Claim
from ablation.plan.plan import Excluded, Level, Load, Plan, PlannedModel, Session
from ablation.plan.resolved import Resolved
from ablation.run.gates import GATES
from ablation.run.sketch import sketch
from ablation.study.load import load_study

TOKENS = 64


def make_plan(
    *,
    levels: tuple[int, ...] = (1, 4, 16),
    blocks: int = 6,
    arms: tuple[str, ...] = ("off", "on"),
    margin: float = 2.0,
    simulated: bool = False,
    single_only: bool = False,
    sequential: bool = False,
    **study: Any,
) -> Plan:
    """The plan of one toggled model, one on the default path, and one that cannot run.

    ``study`` holds more fields of the study's YAML.
    """
    models: dict[str, PlannedModel] = {
        "gqa-small": PlannedModel(
            title="GQA small",
            architecture="GQA",
            stands_for="Llama-3.1-405B",
            location="models/gqa-small",
            locations={},
            generated=False,
            status="toggle",
            arms=list(arms),
            blocks=blocks,
            reason="",
            source="config/models.yaml",
            condition="",
        ),
        "mla-small": PlannedModel(
            title="MLA small",
            architecture="MLA",
            stands_for="Kimi-K2.5",
            location="models/mla-small",
            locations={},
            generated=False,
            status="incompatible",
            arms=["off"],
            blocks=blocks,
            reason="16 heads a GPU need MXFP4, which this GPU lacks",
            source="vLLM 0.14.1, aiter_mla.py",
            condition="gfx942, TP 4",
        ),
    }
    if single_only:
        del models["gqa-small"]
    design: dict[str, Any] = {
        "blocks": blocks,
        "levels": list(levels),
        "equivalence_margin_percent": margin,
    }
    config: dict[str, Any] = {
        "study": "mini",
        "title": "The study in miniature",
        "description": "Does the factor change throughput?",
        "factor": {
            "name": "aiter",
            "title": "AITER",
            "baseline": arms[0],
            "arms": {
                arm: {
                    "label": f"AITER {arm}",
                    "env": {"AITER": arm.removesuffix("-again")},
                    "evidence": f"Using {arm}",
                }
                for arm in arms
            },
        },
        "models": {model: {} for model in models},
        "design": design | ({"sequential": {}} if sequential else {}),
        "workload": {"input_tokens": 128, "output_tokens": TOKENS},
        "server": {"kind": "reference" if simulated else "vllm", "vllm": "0.33.0"},
    }
    return Plan(
        study=load_study(config | study, "synthetic"),
        config_hash="c0ffee",
        models=models,
        excluded=[
            Excluded(
                "mla-small",
                "on",
                "incompatible",
                "16 heads a GPU need MXFP4, which this GPU lacks",
                "vLLM 0.14.1, aiter_mla.py",
                "gfx942, TP 4",
            ),
            Excluded(
                "sparse-mla",
                "off",
                "unsupported",
                "the sparse attention indexer has no path on this platform",
                "vLLM 0.33.0, sparse_attn_indexer.py",
                "platform cpu",
            ),
        ],
        cautions=[],
        sessions=make_plan_sessions(models, levels, blocks),
        warnings=[],
    )


def make_plan_sessions(
    models: dict[str, PlannedModel], levels: tuple[int, ...], blocks: int
) -> list[Session]:
    """Sessions of every model and arm, block by block."""
    sessions: list[Session] = []
    for block in range(1, blocks + 1):
        for model, entry in models.items():
            for arm in entry.arms:
                number = len(sessions)
                launch = Resolved(
                    kind="vllm",
                    vllm="0.33.0",
                    location=f"models/{model}",
                    served_model=model,
                    args={"max-num-seqs": 16},
                    env={"VLLM_ROCM_USE_AITER": "1" if arm == "on" else "0"},
                    arguments=["serve", model, "--max-num-seqs", "16"],
                    command=["vllm", "serve", model, "--max-num-seqs", "16"],
                    gpus=0,
                )
                sessions.append(
                    Session(
                        model=model,
                        arm=arm,
                        block=block,
                        rank=number + 1,
                        launch=launch,
                        claim=Claim(
                            kind="vllm",
                            vllm=launch.vllm,
                            location=launch.location,
                            env=launch.env,
                            args=launch.args,
                            variables=["VLLM_ROCM_USE_AITER"],
                            arguments=[],
                        ),
                        session_hash=f"{number:012x}",
                        levels=[_level(number, level) for level in levels],
                        questions=None,
                        expected_s=40.0,
                    )
                )
    return sessions


def _level(number: int, concurrency: int) -> Level:
    load = Load(
        concurrency=concurrency,
        requests=10 * concurrency,
        warmup_requests=2 * concurrency,
        ramp_s=0.0,
        request_timeout_s=60.0,
        route="completions",
        input_tokens=128,
        output_tokens=TOKENS,
        vocabulary=1000,
        prompt_seed="seed",
    )
    return Level(load, f"{number:06x}{concurrency:06x}", 5.0)


def make_runs(
    plan: Plan,
    seed: int = 0,
    *,
    effect_percent: float | dict[int, float] = 4.0,
    cov_percent: float = 1.0,
    block_percent: float = 1.0,
    requests: int | None = None,
) -> DataFrame:
    """The aggregate of a plan; other arms differ by ``effect_percent`` (by level)."""
    rng = np.random.default_rng(seed)
    shared: dict[tuple[str, int], float] = {}
    rows = []
    for session in plan.sessions:
        model, arm, block = session.model, session.arm, session.block
        start = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(minutes=session.rank)
        for level in session.levels:
            c = level.concurrency
            key = (model, block)
            if key not in shared:
                shared[key] = rng.normal(0, block_percent / 100)
            effect = effect_percent[c] if isinstance(effect_percent, dict) else effect_percent
            planted = np.log1p(effect / 100) if arm != plan.baseline else 0.0
            noise = rng.normal(0, cov_percent / 100)
            rate = 40 * c / (1 + c / 64) * np.exp(planted + noise + shared[key])
            rows.append(
                _row(plan, session, level, rate, start, requests or level.load.requests, rng)
            )
    frame = DataFrame(rows)
    for name in ("started_at", "ended_at"):
        frame[name] = frame[name].astype("datetime64[us, UTC]")
    return frame


def _row(
    plan: Plan,
    session: Session,
    level: Level,
    rate: float,
    start: pd.Timestamp,
    requests: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    c = level.concurrency
    e2e = c * TOKENS / rate
    ttft, tpot = 0.2 * e2e, 0.8 * e2e / (TOKENS - 1)
    row: dict[str, Any] = {
        "study": plan.name,
        "model": session.model,
        "arm": session.arm,
        "block": session.block,
        "concurrency": c,
        "run_hash": level.run_hash,
        "session_hash": session.session_hash,
        "launch_id": f"launch-{session.rank}",
        "rank": session.rank,
        "started_at": start,
        "ended_at": start + pd.Timedelta(seconds=level.expected_s),
        "usable": True,
        "gates_failed": [],
        "gate_texts": [],
        "gates_passed": [name for name in GATES if name != "throttling"],
        "gates_not_observed": ["throttling"],
        "gates_not_observed_texts": ["not observed: the launch has no telemetry"],
        "requests": requests,
        "failed_requests": 0,
        "prompt_tokens": requests * 128,
        "output_tokens": requests * TOKENS,
        "output_throughput_tok_s": rate,
        "total_throughput_tok_s": 3 * rate,
        "request_throughput_req_s": rate / TOKENS,
        "output_throughput_run_tok_s": 0.97 * rate,
        "ttft_count": requests,
        "itl_count": requests * (TOKENS - 1),
        "goodput_req_s": None,
        "window_s": 5.0,
        "achieved_concurrency": 0.98 * c,
        "achieved_concurrency_little": 0.975 * c,
        "client_cpu_share": 0.1,
        "event_loop_lag_p99_s": 0.001,
        "send_delay_p99_s": 0.001,
        "batch_throughput_tok_s": (rate * np.exp(rng.normal(0, 0.01, 5))).tolist(),
    }
    for kind, value in {"ttft": ttft, "itl": tpot, "tpot": tpot, "e2e": e2e}.items():
        for order, factor in {"mean": 1.0, "p50": 0.98, "p90": 1.3, "p99": 1.8}.items():
            row[f"{kind}_{order}_s"] = value * factor * np.exp(rng.normal(0, 0.003))
    return row


def make_sessions(plan: Plan) -> list[dict[str, Any]]:
    """The sessions' evidence that this plan would have led to."""
    result = []
    for session in plan.sessions:
        arm = session.arm
        result.append(
            {
                "schema": "ablation.session/1",
                "study": plan.name,
                "model": session.model,
                "arm": arm,
                "block": session.block,
                "session_hash": session.session_hash,
                "launches": [
                    {
                        "launch_id": f"launch-{session.rank}",
                        "command": session.launch.command,
                        "env": session.launch.env,
                        "started_at": "2026-01-01T00:00:00Z",
                        "ready_at": "2026-01-01T00:00:20Z",
                        "ended_at": "2026-01-01T00:01:00Z",
                        "ready_s": 20.0 + session.rank / 10,
                        "total_s": 60.0,
                        "exit": {"code": 0, "signal": None, "how": "TERM"},
                        "versions": {"vllm": plan.study.server.vllm, "torch": "2.13.0"},
                        "hardware": {"host": "one", "cpu": "a CPU", "cpus": 2, "memory_gib": 24},
                        "stages": {
                            "weights_s": 5.0,
                            "kv_cache_tokens": 65536.0,
                            "engine_init_s": 8.0,
                        },
                        "backends": [f"Using {arm} backend"],
                        "warnings": [],
                        "treatment": {
                            "passed": True,
                            "evidence": f"Using {arm}",
                            "found": [f"INFO Using {arm} backend"],
                            "text": f"the server said it used {arm}",
                        },
                    }
                ],
                "runs": [
                    {
                        "concurrency": level.concurrency,
                        "run_hash": level.run_hash,
                        "launch_id": f"launch-{session.rank}",
                        "started_at": "2026-01-01T00:00:21Z",
                        "ended_at": "2026-01-01T00:00:30Z",
                    }
                    for level in session.levels
                ],
            }
        )
    return result


def make_distributions(runs: DataFrame, seed: int = 0) -> DataFrame:
    """aggregate/distributions.parquet of these runs: lognormal around their medians."""
    rng = np.random.default_rng(seed)
    found = Distributions()
    for row in runs.to_dict("records"):
        summary: dict[str, Any] = {}
        for kind, sigma in {"ttft": 0.3, "itl": 0.1, "tpot": 0.05, "e2e": 0.08}.items():
            values = row[f"{kind}_p50_s"] * np.exp(rng.normal(0, sigma, row["requests"]))
            summary |= {
                f"{kind}_sketch": sketch(values),
                f"{kind}_p50_s": float(np.median(values)),
            }
        found.add(Path("unread"), {**row, "summary": summary})
    table: DataFrame = found.table().to_pandas()
    return table


def restudy(plan: Plan, **changes: Any) -> Plan:
    """The plan of a study with other fields: mappings are laid over what is there, as deep as they go."""

    def laid(old: Any, new: Any) -> Any:
        if not isinstance(old, dict) or not isinstance(new, dict):
            return new
        return old | {key: laid(old.get(key), value) for key, value in new.items()}

    study = load_study(laid(plan.study.model_dump(exclude_unset=True), changes), "synthetic")
    return replace(plan, study=study)


def remodel(plan: Plan, model: str, **fields: Any) -> Plan:
    """The plan with other fields of one of its models."""
    return replace(plan, models={**plan.models, model: replace(plan.models[model], **fields)})


def relaunch(plan: Plan, change: Callable[[Session], dict[str, Any]]) -> Plan:
    """The plan with other fields of its launches: ``change`` gives those of a session's."""
    return replace(
        plan,
        sessions=[replace(s, launch=replace(s.launch, **change(s))) for s in plan.sessions],
    )
