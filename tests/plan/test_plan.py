"""The plan: exact commands, stable addresses, honest costs."""

from pathlib import Path

import pytest

from ablation.plan.build import build_plan
from ablation.plan.cost import detectable_percent, expected_output_tok_s, sign_flip_floor
from ablation.plan.plan import Plan, plan_json, read_plan
from ablation.plan.text import plan_text
from ablation.study.catalogue import read_catalogue
from ablation.study.config import Expect
from ablation.study.load import StudyError, read_study

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = read_catalogue(ROOT / "config" / "models.yaml")


def plan_of(name: str, **changes: object) -> Plan:
    study = read_study(ROOT / "config" / name)
    return build_plan(study.model_copy(update=changes), CATALOGUE)


@pytest.fixture(scope="module")
def full() -> dict:
    return plan_of("studies/aiter-mi325x.yaml")


def hashes(plan: dict) -> list[str]:
    return [level.run_hash for session in plan.sessions for level in session.levels]


def test_the_full_study_plans_exactly_the_valid_configurations(full):
    cells = [(s.model, s.arm) for s in full.sessions]
    assert {cell: cells.count(cell) for cell in set(cells)} == {
        ("llama-3.1-405b", "off"): 6,
        ("llama-3.1-405b", "on"): 6,
        ("deepseek-v3.2", "on"): 6,
        ("kimi-k2.5", "off"): 6,
        ("qwen3-vl-235b", "off"): 6,
    }
    assert {(e.model, e.arm) for e in full.excluded} == {
        ("deepseek-v3.2", "off"),
        ("kimi-k2.5", "on"),
        ("qwen3-vl-235b", "on"),
    }
    assert all(e.reason and e.source for e in full.excluded)


def cells(plan: dict) -> set[tuple[str, str]]:
    return {(s.model, s.arm) for s in plan.sessions}


def test_the_study_with_a_current_vllm_has_a_third_arm_where_attention_can_be_asked_for():
    plan = plan_of("studies/aiter-mi325x-current.yaml")
    three = {(m, a) for m in ("llama-3.1-405b", "qwen3-vl-235b") for a in ("off", "on", "on-fa")}
    assert cells(plan) == three | {
        ("deepseek-v3.2", "on"), ("kimi-k2.5", "off"), ("kimi-k2.5", "on"),
    }  # fmt: skip
    why = {(e.model, e.arm): e.reason for e in plan.excluded}
    assert "attention is MLA" in why["kimi-k2.5", "on-fa"]
    assert "attention is MLA" in why["deepseek-v3.2", "on-fa"]
    assert "only AITER kernels" in why["deepseek-v3.2", "off"]
    assert any("ROCM_ATTN in both" in warning for warning in plan.warnings)


def test_the_study_of_components_leaves_out_one_at_a_time():
    plan = plan_of("studies/aiter-components.yaml")
    arms = {arm for _, arm in cells(plan)}
    assert arms == {"on", "on-again"} | {
        f"on-without-{what}" for what in ("linear", "triton-gemm", "moe", "rmsnorm", "custom-ar")
    }
    envs = {s.arm: s.launch.env for s in plan.sessions}
    assert envs["on-without-moe"] == envs["on"] | {"VLLM_ROCM_USE_AITER_MOE": "0"}
    assert [(e.model, e.arm) for e in plan.excluded] == [("deepseek-v3.2", "off")]


def test_the_exact_server_command(full):
    session = next(s for s in full.sessions if (s.model, s.arm) == ("deepseek-v3.2", "on"))
    assert session.launch.command == [
        *("python3", "-m", "vllm.entrypoints.openai.api_server"),
        *("--model", "deepseek-ai/DeepSeek-V3.2", "--served-model-name", "deepseek-v3.2"),
        *("--host", "127.0.0.1", "--port", "{port}", "--disable-uvicorn-access-log"),
        "--no-enable-prefix-caching",
        *("--tensor-parallel-size", "8", "--block-size", "1", "--kv-cache-dtype", "bfloat16"),
        *("--max-num-batched-tokens", "32768", "--max-model-len", "32768"),
    ]
    assert session.launch.env["VLLM_ROCM_USE_AITER"] == "1"
    assert session.launch.gpus == 8


def test_requests_follow_the_level(full):
    first = full.sessions[0]
    assert {level.concurrency: level.load.requests for level in first.levels} == {
        1: 100, 5: 100, 10: 100, 50: 500, 100: 1000, 200: 2000, 500: 5000,
    }  # fmt: skip
    assert all(level.load.warmup_requests >= 2 * level.concurrency for level in first.levels)


def test_addresses_are_unique_and_repeatable(full):
    assert len(set(hashes(full))) == len(hashes(full)) == 30 * 7
    assert hashes(full) == hashes(plan_of("studies/aiter-mi325x.yaml"))


def test_what_does_not_decide_a_measurement_does_not_move_it(full):
    study = read_study(ROOT / "config" / "studies" / "aiter-mi325x.yaml")
    gates = study.gates.model_copy(update={"failed_max": 0.5})
    design = study.design.model_copy(update={"equivalence_margin_percent": 5.0})
    server = study.server.model_copy(update={"port": 8000, "python": "/other/python"})
    changed = plan_of(
        "studies/aiter-mi325x.yaml",
        gates=gates,
        design=design,
        server=server,
        title="Other",
        study="other",
    )
    assert hashes(changed) == hashes(full)
    assert changed.config_hash != full.config_hash


@pytest.mark.parametrize(
    "change",
    [
        {"workload": {"output_tokens": 511}},
        {"workload": {"ramp_s": 3.0}},
        {"server": {"vllm": "0.14.2"}},
        {"server": {"env": {"OMP_NUM_THREADS": "2"}}},
        {"server": {"args": {"enable-prefix-caching": True}}},
    ],
)
def test_what_decides_a_measurement_moves_all_of_it(full, change):
    study = read_study(ROOT / "config" / "studies" / "aiter-mi325x.yaml")
    ((part, settings),) = change.items()
    changed = plan_of(
        "studies/aiter-mi325x.yaml", **{part: getattr(study, part).model_copy(update=settings)}
    )
    assert not set(hashes(changed)) & set(hashes(full))


def test_another_level_measures_only_that_level():
    study = read_study(ROOT / "config" / "config.yaml")
    old = hashes(plan_of("config.yaml"))
    new = hashes(
        plan_of("config.yaml", design=study.design.model_copy(update={"levels": [1, 4, 8, 16]}))
    )
    assert set(old) < set(new)
    assert len(new) - len(old) == len(old) // 3


def test_both_arms_of_a_block_are_asked_the_same(full):
    seeds = {
        arm: [s.levels[0].load.prompt_seed for s in full.sessions
              if (s.model, s.arm) == ("llama-3.1-405b", arm)]
        for arm in ("off", "on")
    }  # fmt: skip
    assert sorted(seeds["off"]) == sorted(seeds["on"])
    assert len(set(seeds["off"])) == 6


def test_a_study_without_anything_to_run_is_refused():
    study = read_study(ROOT / "config" / "config.yaml")
    models = {"deepseek-sparse-mini": study.models["deepseek-sparse-mini"]}
    with pytest.raises(StudyError, match="Sparse Attention is not supported on CPU"):
        plan_of("config.yaml", models=models)


@pytest.mark.parametrize(
    ("blocks", "words"), [(2, "no verdict"), (5, "p = 0.0625"), (6, "find differences from")]
)
def test_too_few_blocks_are_said_before_an_hour_is_spent(blocks, words):
    study = read_study(ROOT / "config" / "studies" / "aiter-mi325x.yaml")
    design = study.design.model_copy(update={"blocks": blocks})
    assert any(
        words in warning for warning in plan_of("studies/aiter-mi325x.yaml", design=design).warnings
    )


def test_levels_with_too_few_requests_are_said_before_an_hour_is_spent():
    warned = [w for w in plan_of("studies/h100-attention.yaml").warnings if "littles_law" in w]
    assert [w.split(":")[0] for w in warned] == ["levels 10, 100"]
    assert not any("littles_law" in w for w in plan_of("studies/aiter-mi325x.yaml").warnings)


def test_the_text_and_the_json_hold_the_plan(full, tmp_path):
    (tmp_path / "plan.json").write_text(plan_json(full))
    assert read_plan(tmp_path / "plan.json") == full
    text = plan_text(full)
    assert "30 sessions" in text
    assert "GPU-hours" in text
    assert "VLLM_ROCM_USE_AITER=1 python3 -m vllm" in text


def test_expected_throughput_is_linear_on_log_axes():
    expect = Expect(output_tok_s={1: 10.0, 100: 1000.0})
    assert expected_output_tok_s(expect, 10) == pytest.approx(100.0)
    assert expected_output_tok_s(expect, 1000) == pytest.approx(1000.0)


def test_detectable_difference_against_statsmodels_values():
    # statsmodels.stats.power.TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8), times sqrt(2) x CoV
    for n, effect in ((6, 1.4346), (10, 0.9960), (20, 0.6604)):
        log_difference = effect * 2**0.5 * 0.01
        assert detectable_percent(n, 1.0, 0.95) == pytest.approx(
            100 * (2.718281828459045**log_difference - 1), rel=1e-3
        )


def test_sign_flip_floor():
    assert sign_flip_floor(5) == 0.0625
    assert sign_flip_floor(6) == 0.03125
