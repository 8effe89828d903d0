"""What a study may say and hardly means: a sentence each, for the plan and the preflight. Nothing is refused here."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from ablation.study.catalogue import Entry, When
from ablation.study.config import Study
from ablation.study.factor import again_of
from ablation.study.gpus import Gpu, find_gpu
from ablation.study.launch import Endpoint
from ablation.study.layers import args_in_force, env_in_force
from ablation.study.secrets import secret_name
from ablation.study.values import ArgValue
from ablation.study.workload import Length

# Units of vLLM's human_readable_int (vllm/utils/argparse_utils.py): capitals are binary.
_UNITS = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_UNITS |= {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def oversights(
    study: Study, entries: Mapping[str, Entry], gpus: Iterable[Gpu], conditions: Iterable[When] = ()
) -> list[str]:
    """Sentences on the study's own text. Pure: no shell, no file.

    `entries` are the catalogue's by the study's models, `gpus` the table of GPUs, `conditions` those of the catalogue's
    statements: they name the architectures that something is known of.
    """
    return [
        *_one_arm(study),
        *_same_settings(study, entries),
        *_one_url(study),
        *_architecture(study, list(gpus), conditions),
        *_longer_than_the_model_takes(study, entries),
    ]


def shell_oversights(study: Study, shell: Mapping[str, str]) -> list[str]:
    """Sentences on what the study expects of the shell that it is started from."""
    found = []
    for name in study.server.pass_env:
        if name not in shell:
            near = difflib.get_close_matches(name, shell, n=1, cutoff=0.8)
            hint = f" ({near[0]} is; did you mean that?)" if near else ""
            found.append(
                f"server.pass_env: {name} is not set in this shell{hint}; the servers are launched without it"
            )
        elif not secret_name(name):
            found.append(
                f"server.pass_env: the value of {name} comes from the shell and is recorded nowhere, though it may "
                "change what is measured; if it is no secret, write it under server.env"
            )
    return found


def _one_arm(study: Study) -> list[str]:
    if len(study.factor.arms) > 1:
        return []
    (arm,) = study.factor.arms
    return [
        f"factor.arms: there is only {arm!r}, and nothing to compare it with; noise_floor: true adds it a second time"
    ]


def _same_settings(study: Study, entries: Mapping[str, Entry]) -> list[str]:
    """Arms that come to the same for every model that runs both, and are not called A/A."""
    declared = {again_of(study.factor.baseline)} if study.factor.noise_floor else set()
    declared |= {a for a, s in study.factor.arms.items() if re.search(r"\bA/A\b", s.label or "")}
    found = []
    for one, other in itertools.combinations(study.factor.arms, 2):
        models = [
            name
            for name, model in study.models.items()
            if model.arms is None or {one, other} <= set(model.arms)
        ]
        alike = models and all(
            _in_force(study, entries[name], name, one)
            == _in_force(study, entries[name], name, other)
            for name in models
        )
        if alike and not {one, other} & declared:
            found.append(
                f"factor.arms: {one!r} and {other!r} come to the same settings, those of the server and the models "
                "included. "
                "If that is meant, say A/A in the label of one or use noise_floor: true; if not, a setting is missing, "
                "or stands under the server too"
            )
    return found


def _in_force(study: Study, entry: Entry, model: str, arm: str) -> tuple[object, ...]:
    args = {name: str(value) for name, value in args_in_force(study, entry, model, arm).items()}
    settings = study.factor.arms[arm]
    url = None if settings.url is None else _address(settings.url)
    return env_in_force(study, entry, model, arm), args, settings.paths.get(model), url


def _one_url(study: Study) -> list[str]:
    if not isinstance(study.server.launch, Endpoint):
        return []
    arms: dict[str, list[str]] = {}
    for name, arm in study.factor.arms.items():
        if name != again_of(study.factor.baseline) or not study.factor.noise_floor:
            arms.setdefault(_address(arm.url or ""), []).append(name)
    return [
        f"factor.arms: {', '.join(map(repr, names))} have one URL ({address}) and are one server: whatever differs "
        "between them is no effect of the factor"
        for address, names in arms.items()
        if len(names) > 1
    ]


def _address(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def _architecture(study: Study, gpus: list[Gpu], conditions: Iterable[When]) -> list[str]:
    hardware, found = study.hardware, []
    known = {gpu.architecture for gpu in gpus}
    known |= {name for when in conditions for name in when.architecture or ()}
    own = sorted(name for name in known if name.startswith(("gfx", "sm_")))
    if hardware.platform != "cpu" and hardware.architecture not in {*known, None}:
        found.append(
            f"hardware.architecture: nothing is known here of {hardware.architecture} ({', '.join(own)} are known): no "
            "statement of the catalogue that names an architecture holds, and pairs that cannot run are not left out"
        )
    named = find_gpu(hardware.gpu, tuple(gpus)) if hardware.platform != "cpu" else None
    if named is not None and hardware.architecture not in (named.architecture, None):
        found.append(
            f"hardware: {hardware.gpu} is {named.architecture} (config/gpus.yaml), and architecture says "
            f"{hardware.architecture}; correct one of them"
        )
    if hardware.platform != "cpu" and hardware.architecture is None:
        found.append(
            "hardware.architecture: not stated, so that no statement of the catalogue that names one holds"
        )
    return found


def _longer_than_the_model_takes(study: Study, entries: Mapping[str, Entry]) -> list[str]:
    """Requests that the server will refuse: prompt and output are more than max-model-len."""
    if study.workload.prompts is not None:
        return []
    longest = _most(study.workload.input_tokens) + _most(study.workload.output_tokens)
    short: dict[int, list[str]] = {}
    for model in study.models:
        for arm in study.models[model].arms or study.factor.arms:
            limit = count_of(args_in_force(study, entries[model], model, arm).get("max-model-len"))
            if limit is not None and 0 < limit < longest:
                short.setdefault(limit, []).append(f"{model}/{arm}")
    return [
        f"workload: {longest:,} tokens (input and output at their longest) are more than max-model-len {limit:,} of "
        f"{', '.join(which)}: the server refuses such a request"
        for limit, which in short.items()
    ]


def count_of(value: ArgValue) -> int | None:
    """A whole number as vLLM's `human_readable_int` reads it (`8192`, `8k`, `1.5K`); None where it is none."""
    if isinstance(value, bool):
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmMgGtT]?)", str(value))
    if match is None:
        return None
    return int(float(match[1]) * _UNITS.get(match[2], 1))


def _most(tokens: int | Length) -> int:
    return tokens if isinstance(tokens, int) else tokens.high
