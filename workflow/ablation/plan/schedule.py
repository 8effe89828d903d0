"""What the rule files ask: which sessions and runs there are, in which order, and why others are refused.

Path grammar, under `results/{study}/`:

    sittings/{model}/block-{block}.json
    sessions/{model}/{arm}/block-{block}.json
    runs/{model}/{arm}/block-{block}/concurrency-{level}.parquet
    figures/timeline/{model}/{arm}/block-{block}/concurrency-{level}.svg
    probes/{model}/{arm}.json
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ablation.places import here_or_home
from ablation.plan.build import build_plan
from ablation.plan.command import GENERATED, generated_path
from ablation.plan.plan import Plan, Session
from ablation.probe.found import probes_found
from ablation.probe.plan import Probe, plan_probe, probes_of
from ablation.sitting.outlook import blocks_of
from ablation.study.catalogue import Catalogue, Entry, Generate, entry_of, read_catalogue
from ablation.study.config import Study
from ablation.study.gpus import read_gpus
from ablation.study.layers import arguments_written, variables_written
from ablation.study.load import StudyError, load_study

SESSION = re.compile(r"sessions/(?P<model>[^/]+)/(?P<arm>[^/]+)/block-(?P<block>[^/]+)\.json")
SITTING = re.compile(r"sittings/(?P<model>[^/]+)/block-(?P<block>[^/]+)\.json")
RUN = re.compile(
    r"runs/(?P<model>[^/]+)/(?P<arm>[^/]+)/block-(?P<block>[^/]+)/concurrency-(?P<level>[^/]+)\.parquet"
)
TIMELINE = re.compile(
    r"figures/timeline/(?P<model>[^/]+)/(?P<arm>[^/]+)/block-(?P<block>[^/]+)/concurrency-(?P<level>[^/]+)\.(?:svg|png)"
)


# `--config stored=true`: what is in the store is all there is; nothing is launched, no server is needed.
STORED = "stored"


class Schedule:
    """A study's plan, seen from the rule files."""

    stored = False

    def __init__(self, study: Study, catalogue: Catalogue) -> None:
        self.study = study
        self.catalogue = catalogue
        self.plan: Plan = build_plan(study, catalogue)
        self.results = Path("results") / study.study

    @classmethod
    def from_config(cls, config: Mapping[str, Any], source: str = "the study") -> Schedule:
        """From Snakemake's config; `source` names its files in messages. Raises StudyError."""
        study = load_study({k: v for k, v in config.items() if k != STORED}, source)
        schedule = cls(study, read_catalogue(here_or_home(study.catalogue)))
        schedule.stored = config.get(STORED) in (True, "true", "True", 1)
        return schedule

    @cached_property
    def sessions(self) -> dict[tuple[str, str, str], Session]:
        """(model, arm, block) -> the session's part of the plan."""
        return {(s.model, s.arm, str(s.block)): s for s in self.plan.sessions}

    @cached_property
    def blocks(self) -> dict[tuple[str, int], list[Session]]:
        """(model, block) -> its sessions, in launch order."""
        return blocks_of(self.plan)

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Model of the study -> its entry in the catalogue."""
        return {name: entry_of(self.catalogue, self.study, name) for name in self.study.models}

    # Wildcards -----------------------------------------------------------------------------------
    def model_pattern(self) -> str:
        """Models, each only where one of the arms that it can run follows in the path."""
        return "|".join(
            f"{re.escape(name)}(?=/(?:{'|'.join(map(re.escape, model.arms))})/)"
            for name, model in self.plan.models.items()
            if model.arms
        )

    def sitting_pattern(self) -> str:
        """Models that run at all: a sitting's path has no arm."""
        return "|".join(re.escape(name) for name, m in self.plan.models.items() if m.arms) or "(?!)"

    def arm_pattern(self) -> str:
        """Arms of the factor."""
        return "|".join(map(re.escape, self.study.factor.arms))

    def block_pattern(self) -> str:
        """Blocks; a model with fewer has its own refusal."""
        return "|".join(sorted({key[2] for key in self.sessions}))

    def level_pattern(self) -> str:
        """Concurrencies."""
        return "|".join(map(str, self.study.design.levels))

    def refused_pattern(self) -> str:
        """Every path of a sitting, a session, a run or a run's timeline, but those that can be scheduled."""
        blocks = "|".join(re.escape(f"{model}/block-{block}") for model, block in self.blocks)
        cells = "|".join(re.escape(f"{m}/{a}/block-{b}") for m, a, b in self.sessions)
        levels = self.level_pattern()
        possible = (
            rf"(?:sittings/complete|sittings/(?:{blocks})\.json|sessions/(?:{cells})\.json|runs/(?:{cells})/concurrency-(?:{levels})\.parquet"
            rf"|figures/timeline/(?:{cells})/concurrency-(?:{levels})\.(?:svg|png))$"
        )
        return rf"(?!{possible})(?:sittings|sessions|runs|figures/timeline)/.+"

    def refuse(self, path: str) -> None:
        """Say why a session or a run cannot be. Always raises StudyError."""
        if match := SITTING.fullmatch(path):
            self._refuse_block(match["model"], match["block"])
        match = SESSION.fullmatch(path) or RUN.fullmatch(path) or TIMELINE.fullmatch(path)
        if match is None:
            raise StudyError(
                f"{path}: not a path of this study; sessions/{{model}}/{{arm}}/block-{{n}}.json or "
                "runs/{model}/{arm}/block-{n}/concurrency-{level}.parquet"
            )
        model, arm, block = match["model"], match["arm"], match["block"]
        models, arms = self.plan.models, self.study.factor.arms
        if model not in models:
            self._refuse_block(model, block)
        if arm not in arms:
            raise StudyError(
                f"{arm}: no such arm of factor {self.study.factor.name}; it has {', '.join(arms)}"
            )
        for excluded in self.plan.excluded:
            if (excluded.model, excluded.arm) == (model, arm):
                raise StudyError(
                    f"{model} cannot run with {self.study.factor.name} {arm!r} ({excluded.status}): "
                    f"{excluded.reason}\n  holds for: {excluded.condition}\n  source: {excluded.source}"
                )
        if (model, arm, block) not in self.sessions:
            self._refuse_block(model, block)
        level = match.groupdict().get("level")
        raise StudyError(
            f"no level {level!r}; the study has {self.study.design.levels} (design.levels)"
        )

    def _refuse_block(self, model: str, block: str) -> None:
        """Say why a model has no such block. Always raises StudyError."""
        models = self.plan.models
        if model not in models:
            raise StudyError(
                f"{model}: no such model in study {self.study.study}; it has {', '.join(models)}"
            )
        if not models[model].arms:
            raise StudyError(f"{model}: no arm of it can run: {models[model].reason}")
        raise StudyError(
            f"{model}: no block {block!r}; it has 1 to {models[model].blocks} "
            f"(design.blocks, models.{model}.blocks)"
        )

    def refused_input(self, wildcards: Any) -> list[str]:
        """Input function of the rule that only says why. Always raises StudyError."""
        self.refuse(wildcards.path)
        return []

    # What rules need -----------------------------------------------------------------------------
    def session(self, wildcards: Any) -> Session:
        """The session of a rule's wildcards. Raises StudyError where it is not planned."""
        key = (wildcards.model, wildcards.arm, str(wildcards.block))
        if key not in self.sessions:
            self.refuse(f"sessions/{key[0]}/{key[1]}/block-{key[2]}.json")
        return self.sessions[key]

    def block(self, wildcards: Any) -> list[Session]:
        """The sessions of a rule's model and block, in their order. Raises StudyError where it is not planned."""
        key = (wildcards.model, int(wildcards.block))
        if key not in self.blocks:
            self._refuse_block(wildcards.model, wildcards.block)
        return self.blocks[key]

    def priority(self, wildcards: Any) -> int:
        """Falls with the rank, so that blocks follow the plan; every run job comes after (0)."""
        return len(self.sessions) + 1 - self.block(wildcards)[0].rank

    def sitting_hashes(self, wildcards: Any) -> list[str]:
        """Addresses of a block's runs, all arms."""
        return [level.run_hash for session in self.block(wildcards) for level in session.levels]

    def build(self, wildcards: Any) -> str:
        """What is installed here, from names, sizes and times of files: a block's job looks closer when it changes."""
        if self.stored:
            return STORED
        return self._triggers(wildcards.model)

    @cache  # noqa: B019 (one schedule a process)
    def _triggers(self, model: str) -> str:
        """Once for each model: its arms are the same in all blocks."""
        from ablation.sitting.build import trigger

        first = next(sessions for (name, _), sessions in self.blocks.items() if name == model)
        return trigger(self.study, first, os.environ)

    def attempt(self, wildcards: Any) -> int:
        """How often a block's failures have been tried again: counts on where the last attempt left one."""
        path = self.results / "sittings" / wildcards.model / f"block-{wildcards.block}.json"
        try:
            last = json.loads(path.read_text(encoding="utf-8"))
            return int(last["attempt"]) + bool(last["failures"])
        except (OSError, ValueError, LookupError, TypeError):
            return 0

    def sitting_files(self, blocks: Mapping[str, int] | None = None) -> list[str]:
        """Sittings of all blocks, or of those up to so many of each model."""
        ids = dict.fromkeys((s.model, s.block) for s in self._sessions(blocks))
        return [f"{self.results}/sittings/{model}/block-{block}.json" for model, block in ids]

    def sitting_design(self, _: Any) -> dict[str, Any]:
        """What of the design decides which launches are a pair."""
        return self.study.design.model_dump(include={"sitting_gap_s", "reuse"})

    def proof(self, wildcards: Any) -> dict[str, Any]:
        """What has to be proved of an arm's treatment, and how: in no hash, as it decides no measurement."""
        return asdict(self.session(wildcards).claim)

    def run_hash(self, wildcards: Any) -> str:
        """Address of one run."""
        return next(
            level.run_hash
            for level in self.session(wildcards).levels
            if str(level.concurrency) == str(wildcards.level)
        )

    def all_run_hashes(self) -> list[str]:
        """Addresses of all runs: a parameter of whatever reads runs, so that a stale one is never taken."""
        return [level.run_hash for session in self.plan.sessions for level in session.levels]

    def session_files(self, blocks: Mapping[str, int] | None = None) -> list[str]:
        """Evidence of all sessions, or of those up to so many blocks of each model."""
        return [f"{self.results}/sessions/{s.id}.json" for s in self._sessions(blocks)]

    def run_files(self, blocks: Mapping[str, int] | None = None) -> list[str]:
        """Parquet files of all runs, or of those up to so many blocks of each model."""
        return [
            f"{self.results}/runs/{session.id}/concurrency-{level.concurrency}.parquet"
            for session in self._sessions(blocks)
            for level in session.levels
        ]

    def timeline_files(self, blocks: Mapping[str, int] | None = None) -> list[str]:
        """The runs of which one is drawn request by request: the baseline at a middle level, of the first
        model with several arms (the first arm of the first model, where none has several)."""
        models = self.plan.models
        measured = [name for name in models if models[name].arms]
        several = [name for name in measured if len(models[name].arms) > 1]
        if not measured:
            return []
        model = (several or measured)[0]
        arms, baseline = models[model].arms, self.study.factor.baseline
        arm = baseline if baseline in arms else arms[0]
        level = sorted(self.study.design.levels)[len(self.study.design.levels) // 2]
        cell = f"/runs/{model}/{arm}/"
        files = self.run_files(blocks)
        return [f for f in files if cell in f and f.endswith(f"/concurrency-{level}.parquet")]

    def published_files(self) -> list[str]:
        """The published table that the study names, if it names one."""
        return [str(here_or_home(self.study.published))] if self.study.published else []

    def _sessions(self, blocks: Mapping[str, int] | None) -> list[Session]:
        if blocks is None:
            return self.plan.sessions
        return [s for s in self.plan.sessions if s.block <= blocks.get(s.model, 0)]

    # Deciding early -------------------------------------------------------------------------------
    def looks(self, model: str) -> list[int]:
        """Numbers of blocks after which a model's verdicts are looked at; empty where all blocks are measured."""
        design, entry = self.study.design, self.plan.models[model]
        if design.sequential is None or len(entry.arms) < 2:
            return []
        from ablation.statistics.sequential import decidable, look_points

        if not decidable(self.plan, model):
            return []
        first = min(design.sequential.first, entry.blocks)
        return look_points(entry.blocks, first, design.sequential.every)

    def looked_at(self) -> str:
        """Pattern of the models that may stop early."""
        models = [name for name in self.plan.models if self.looks(name)]
        return "|".join(map(re.escape, models)) or "(?!)"

    def runs_of_look(self, wildcards: Any) -> list[str]:
        """What a look reads: the runs of a model up to so many blocks."""
        return self.run_files({wildcards.model: int(wildcards.block)})

    def blocks_needed(self, outcome: Callable[[str, int], str]) -> dict[str, int]:
        """model -> blocks that it takes, by the outcomes of the looks so far.

        `outcome(model, blocks)` gives the file of a look; it raises Snakemake's own signal where that look is
        still to come.
        """
        needed = {}
        for model, entry in self.plan.models.items():
            needed[model] = entry.blocks
            for point in self.looks(model)[:-1]:
                if json.loads(Path(outcome(model, point)).read_text(encoding="utf-8"))["stop"]:
                    needed[model] = point
                    break
        return needed

    @cached_property
    def gpus(self) -> list[dict[str, Any]]:
        """The table of GPUs, for what is computed from it: another table, and runs are derived anew."""
        return [gpu.model_dump() for gpu in read_gpus()]

    def preflight_subject(self) -> dict[str, Any]:
        """What the preflight looks at: it runs again when this changes."""
        server = self.study.server
        launch = server.launch.model_dump()
        more = {"launch": launch, "urls": self.urls()} if launch["kind"] != "process" else {}
        return more | {
            "server": server.model_dump(include={"kind", "python", "vllm", "host", "port"}),
            "variables": variables_written(self.study, self.entries),
            "arguments": arguments_written(self.study, self.entries),
            "models": {name: model.location for name, model in self.plan.models.items()},
            "paths": {name: arm.paths for name, arm in self.study.factor.arms.items() if arm.paths},
        }

    def urls(self) -> dict[str, str]:
        """Arm -> URL, of a study of endpoints."""
        arms = self.study.factor.arms
        return {name: arm.url for name, arm in arms.items() if arm.url is not None}

    # Probes --------------------------------------------------------------------------------------
    def probe(self, wildcards: Any) -> Probe:
        """What a probe launches. Raises StudyError where the study has no such model or arm."""
        return plan_probe(self.study, self.catalogue, wildcards.model, wildcards.arm)

    def probe_hash(self, wildcards: Any) -> str:
        """Hash of what decides a probe: it is made again when this changes."""
        return self.probe(wildcards).probe_hash

    def probe_model_files(self, wildcards: Any) -> list[str]:
        """What a probe needs of a generated model; nothing for others."""
        command = self.probe(wildcards).session.launch.command
        made = [f"{GENERATED}/{recipe}" for recipe in self.recipes()]
        return [f"{place}/config.json" for place in made if place in command]

    def probe_texts(self) -> list[str]:
        """What `snakemake probe` tries, each with its text."""
        return [
            f"{self.results}/probes/{model}/{arm}.txt"
            for model, arm in probes_of(self.study, self.catalogue)
        ]

    def probe_head(self) -> str:
        """The first line of what `snakemake probe` prints."""
        count = len(self.probe_texts())
        return (
            f"{count} probes of study {self.study.study}: what the catalogue calls impossible, and what the study names"
            if count
            else f"study {self.study.study}: the catalogue calls no arm impossible; name one under `probe`"
        )

    def probes_found(self, wildcards: Any) -> dict[str, str]:
        """Probes that were made of the study as it stands: file -> digest. The report quotes them, and needs none."""
        planned = {
            pair: plan_probe(self.study, self.catalogue, *pair).probe_hash
            for pair in ((m, a) for m in self.study.models for a in self.study.factor.arms)
        }
        return probes_found(self.results / "probes", lambda m, a: planned.get((m, a)))

    # Generated models ----------------------------------------------------------------------------
    def recipes(self) -> dict[str, Generate]:
        """Folder name under resources/models -> recipe, for the models that are made here."""
        return {
            Path(generated_path(name, entry.generate)).name: entry.generate
            for name, entry in self.catalogue.models.items()
            if entry.generate is not None
        }

    def recipe_pattern(self) -> str:
        """Folder names of the models that can be made."""
        return "|".join(map(re.escape, self.recipes())) or "(?!)"

    def preflight_files(self, _: Any) -> list[str]:
        """What a block needs of the preflight; nothing where none will be launched."""
        return [] if self.stored else [f"{self.results}/preflight.json"]

    def model_files(self, wildcards: Any) -> list[str]:
        """What a block needs of a generated model; nothing for others."""
        model = self.plan.models[wildcards.model]
        own = model.location in model.locations.values()
        made = model.generated and own and not self.stored
        return [f"{model.location}/config.json"] if made else []
