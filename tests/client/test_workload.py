"""Prompts: exact, unique, reproducible, the same for every arm."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from ablation.client.workload import (
    Image,
    Length,
    Prompt,
    Workload,
    WorkloadError,
    fixed,
    png,
    read_prompts,
    requests,
    seed_of,
)

WORK = Workload("m", isl=fixed(32), osl=fixed(8), vocab_size=4096)


def bodies(work: Workload, count: int = 50, seed: int = 1, stream: str = "data") -> list[dict]:
    made = requests(work, seed, stream, range(count))  # type: ignore[arg-type]
    return [json.loads(prompt.body) for prompt in made]


def test_prompts_are_exact_unique_and_inside_the_vocabulary() -> None:
    made = bodies(WORK, 500)
    prompts = [tuple(body["prompt"]) for body in made]
    assert {len(prompt) for prompt in prompts} == {32}
    assert len(set(prompts)) == 500
    assert min(map(min, prompts)) >= 3
    assert max(map(max, prompts)) <= 4095
    # No two share a first block: nothing that a prefix cache could find.
    assert len({prompt[:16] for prompt in prompts}) == 500


def test_the_body_asks_for_an_exact_greedy_stream() -> None:
    body = bodies(WORK, 1)[0]
    del body["prompt"]
    assert body == {
        "model": "m",
        "max_tokens": 8,
        "min_tokens": 8,
        "ignore_eos": True,
        "temperature": 0,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_the_same_seed_gives_the_same_bytes_whoever_makes_them() -> None:
    whole = list(requests(WORK, 7, "data", range(20)))
    odd = list(requests(WORK, 7, "data", range(1, 20, 2)))
    assert whole[1::2] == odd
    assert list(requests(WORK, 8, "data", range(20))) != whole


def test_warm_up_and_data_share_no_prompt() -> None:
    data = {tuple(body["prompt"]) for body in bodies(WORK)}
    warm = {tuple(body["prompt"]) for body in bodies(WORK, stream="warmup")}
    assert not data & warm


def test_a_seed_tells_its_parts_apart() -> None:
    seeds = {
        seed_of(1, "m", 1, 10),
        seed_of(1, "m", 11, 0),
        seed_of(1, "m", 1, 1),
        seed_of(1, "m1", 1, 0),
    }
    assert len(seeds) == 4
    assert seed_of(1, "m", 1, 10) == seed_of(1, "m", 1, 10) < 1 << 64


def test_length_distributions() -> None:
    rng = np.random.default_rng(0)
    uniform = [Length("uniform", low=5, high=9).draw(rng) for _ in range(500)]
    assert set(uniform) == {5, 6, 7, 8, 9}
    log = [Length("lognormal", mean=100, sigma=0.3, low=50, high=300).draw(rng) for _ in range(999)]
    assert 95 < sorted(log)[499] < 105
    assert min(log) >= 50
    assert max(log) <= 300
    work = Workload(
        "m", isl=Length("uniform", low=5, high=50), osl=Length("uniform", low=1, high=4)
    )
    for prompt in requests(work, 1, "data", range(50)):
        body = json.loads(prompt.body)
        assert len(body["prompt"]) == prompt.prompt_tokens
        assert body["max_tokens"] == prompt.output_tokens


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("fixed", {"mean": 0}),
        ("uniform", {"low": 3, "high": 2}),
        ("lognormal", {"mean": 0, "low": 1, "high": 5}),
    ],
)
def test_impossible_lengths_are_refused(kind: str, values: dict) -> None:
    with pytest.raises(WorkloadError, match=r"length"):
        Length(kind, **values)  # type: ignore[arg-type]


def test_inexact_workloads_leave_lengths_open() -> None:
    work = Workload("m", isl=fixed(4), osl=fixed(4), exact_output=False, event_usage=True)
    prompt = next(requests(work, 1, "data", range(1)))
    body = json.loads(prompt.body)
    assert prompt.output_tokens is None
    assert not {"ignore_eos", "min_tokens"} & body.keys()
    assert body["stream_options"]["continuous_usage_stats"]


def test_chat_with_an_image() -> None:
    work = Workload("m", route="chat", isl=fixed(12), osl=fixed(4), image=Image(50, 31))
    urls = set()
    for body in bodies(work, 3):
        image, text = body["messages"][0]["content"]
        assert len(text["text"].split()) == 12
        data = base64.b64decode(image["image_url"]["url"].partition(",")[2])
        with Pillow.open(io.BytesIO(data)) as picture:
            picture.load()
            assert (picture.size, picture.mode) == ((50, 31), "RGB")
        urls.add(data)
    assert len(urls) == 3


def test_png_pixels_are_what_was_drawn() -> None:
    with Pillow.open(io.BytesIO(png(Image(16, 8), np.random.default_rng(1)))) as picture:
        pixels = np.asarray(picture)
    assert (pixels[:, :8] == pixels[0, 0]).all()
    assert (pixels[:, 8:] == pixels[0, 8]).all()


def test_chat_text_needs_no_image() -> None:
    body = bodies(Workload("m", route="chat", isl=fixed(3), osl=fixed(4)), 1)[0]
    assert isinstance(body["messages"][0]["content"], str)
    assert body["max_completion_tokens"] == 4


@pytest.mark.parametrize(
    "change", [{"image": Image(8, 8)}, {"vocab_size": 50}, {"route": "embeddings"}]
)
def test_impossible_workloads_are_refused(change: dict) -> None:
    with pytest.raises(WorkloadError):
        Workload("m", **change)


def test_json_round_trip() -> None:
    work = Workload("m", route="chat", isl=Length("uniform", low=1, high=3), image=Image(8, 8))
    assert Workload.from_json(json.loads(json.dumps(work.to_json()))) == work


def test_a_prompt_file(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text(
        '{"prompt": "a b", "output_tokens": 3}\n\n{"prompt": [5, 6], "output_tokens": 2}\n'
    )
    made: list[Prompt] = list(requests(Workload("m", prompts=str(path)), 1, "data", range(3)))
    assert [json.loads(p.body)["prompt"] for p in made] == ["a b", [5, 6], "a b"]
    assert [(p.prompt_tokens, p.output_tokens) for p in made] == [(None, 3), (2, 2), (None, 3)]
    with pytest.raises(WorkloadError, match="route: completions"):
        list(requests(Workload("m", route="chat", prompts=str(path)), 1, "data", range(2)))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ("[1]", "needs exactly"),
        ('{"prompt": "a"}', "needs exactly"),
        ('{"prompt": "", "output_tokens": 1}', "not empty"),
        ('{"prompt": [1, -2], "output_tokens": 1}', "token ids"),
        ('{"prompt": [true], "output_tokens": 1}', "token ids"),
        ('{"prompt": "a", "output_tokens": 0}', "whole number"),
        ('{"prompt": "a", "output_tokens": 1.5}', "whole number"),
    ],
)
def test_a_bad_line_is_named_with_its_remedy(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "fine", "output_tokens": 1}\n' + line)
    with pytest.raises(WorkloadError, match=why) as caught:
        read_prompts(path)
    assert f"{path}:2" in str(caught.value)
    assert '"output_tokens": 128' in str(caught.value)


def test_an_absent_or_empty_prompt_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="nowhere"):
        read_prompts(tmp_path / "nowhere.jsonl")
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(WorkloadError, match="holds no prompt"):
        read_prompts(tmp_path / "empty.jsonl")
