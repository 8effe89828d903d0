"""Which sitting of a block holds for the study as it stands, and what is left to measure.

Nothing measured is ever changed: a block that was measured in pieces is measured again in one, and the old records
stay for the study that they belonged to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ablation.plan.plan import Session
from ablation.session.store import Record, Store
from ablation.sitting.facts import LaunchFacts, allowed_gap_s, apart, chain_breaks, facts_of

Pick = dict[str, Record]  # arm -> its record of one level


@dataclass(frozen=True)
class Here:
    """What a launch of now would be made with. None: it cannot be seen from here, so nothing is refused for it."""

    host: str | None = None
    gpus: tuple[str, ...] | None = None
    build: str | None = None
    weights: Mapping[str, str | None] = field(default_factory=dict)
    client: str | None = None
    now_s: float | None = None


@dataclass(frozen=True)
class Choice:
    """A block's levels and the sittings that they come from.

    picks      level -> arm -> record, of the levels that are whole
    sittings   level -> the sitting that its records come from; None where `design.reuse` took them as they came
    missing    levels that no sitting has whole
    resumes    the sitting that can go on with them; None: a new one measures them, all arms
    partial    arms of the missing levels that have records which cannot be paired, in words for the plan
    """

    picks: dict[int, Pick]
    sittings: dict[int, str | None]
    missing: list[int]
    resumes: str | None = None
    partial: list[str] = field(default_factory=list)


class Block:
    """The sessions of one model's block, in their planned order, against what the store has of them."""

    def __init__(self, sessions: Sequence[Session], store: Store) -> None:
        self.sessions = sorted(sessions, key=lambda session: session.rank)
        self.store = store
        self.levels = [level.concurrency for level in self.sessions[0].levels]
        self.records: dict[tuple[str, int], list[Record]] = {
            (session.arm, level.concurrency): store.records(level.run_hash)
            for session in self.sessions
            for level in session.levels
        }
        ended: dict[str, list[str]] = {}
        for records in self.records.values():
            for record in records:
                ended.setdefault(record.launch_id, []).append(record.ended_at)
        for session in (
            self.sessions
        ):  # those without a record, too: a launch that was cut short fills its time
            for launch_id in store.launches(session.session_hash):
                ended.setdefault(launch_id, [])
        self.facts: dict[str, LaunchFacts] = {
            launch_id: facts_of(store.launch(launch_id), ends) for launch_id, ends in ended.items()
        }

    def measured(self, session: Session, levels: Sequence[int]) -> bool:
        """Whether an arm has a record of each of these levels, from whichever sitting."""
        return all(self.records[session.arm, level] for level in levels)

    def best(self, level: int) -> Pick:
        """Of a level that no sitting has whole: the records of the sitting that has most arms, the latest such."""
        picks = [self.pick(sitting, level) for sitting in self.of_level(level)]
        return max(enumerate(picks), key=lambda one: (len(one[1]), one[0]), default=(0, {}))[1]

    def choose(self, here: Here, gap_s: float | None, *, reuse: bool = False) -> Choice:
        """The sitting of each level; the earliest that has all arms, so that a choice once made stays."""
        picks: dict[int, Pick] = {}
        sittings: dict[int, str | None] = {}
        for level in self.levels:
            for sitting in self.of_level(level):
                pick = self.pick(sitting, level)
                if self.whole(pick) and self.together(pick, gap_s) and self.fits(pick, here):
                    picks[level], sittings[level] = pick, sitting
                    break
            else:
                if reuse and (pick := self.any_records(level, here)):
                    picks[level], sittings[level] = pick, None
        missing = [level for level in self.levels if level not in picks]
        resumes = self.resumable(missing, here, gap_s) if missing else None
        return Choice(picks, sittings, missing, resumes, self.partial(missing, resumes))

    def of_level(self, level: int) -> list[str | None]:
        """Sittings that have a record of a level, the earliest first."""
        found: dict[str | None, float] = {}
        for session in self.sessions:
            for record in self.records[session.arm, level]:
                facts = self.facts[record.launch_id]
                found[facts.sitting] = min(
                    found.get(facts.sitting, facts.started_s), facts.started_s
                )
        return sorted(found, key=lambda sitting: found[sitting])

    def pick(self, sitting: str | None, level: int) -> Pick:
        """A sitting's records of a level; the latest, where an arm has several."""
        pick: Pick = {}
        for session in self.sessions:
            own = [
                record
                for record in self.records[session.arm, level]
                if self.facts[record.launch_id].sitting == sitting
            ]
            if own:
                pick[session.arm] = max(own, key=lambda record: record.started_at)
        return pick

    def whole(self, pick: Pick) -> bool:
        """Whether every arm of the block is there."""
        return len(pick) == len(self.sessions)

    def together(self, pick: Pick, gap_s: float | None) -> bool:
        """Whether the launches were made together: one host, one build, one client, near in time."""
        facts = [self.facts[record.launch_id] for record in pick.values()]
        first = facts[0]
        if any(apart(first, other) for other in facts[1:]):
            return False
        begin, end = min(f.started_s for f in facts), max(f.ended_s for f in facts)
        between = [
            other
            for other in self.facts.values()
            if other.sitting == first.sitting and begin <= other.started_s <= end
        ]
        return not chain_breaks(between, gap_s)

    def fits(self, pick: Pick, here: Here) -> bool:
        """Whether it was measured with the build that is here now; where that is not known, it was."""
        for arm, record in pick.items():
            facts = self.facts[record.launch_id]
            for was, now in ((facts.build, here.build), (facts.weights, here.weights.get(arm))):
                if was is not None and now is not None and was != now:
                    return False
        return True

    def any_records(self, level: int, here: Here) -> Pick:
        """With `design.reuse`: a record of every arm, whichever launch it is from; empty where one has none."""
        pick: Pick = {}
        for session in self.sessions:
            own = [r for r in self.records[session.arm, level] if self.fits({session.arm: r}, here)]
            if own:
                pick[session.arm] = max(own, key=lambda record: record.started_at)
        return pick if self.whole(pick) else {}

    def resumable(self, missing: Sequence[int], here: Here, gap_s: float | None) -> str | None:
        """The latest sitting, where it can go on now: same place, same build, not long ago, and only forwards."""
        if here.now_s is None or not self.facts:
            return None
        last = max(self.facts.values(), key=lambda facts: facts.ended_s)
        if last.sitting is None:
            return None
        own = [facts for facts in self.facts.values() if facts.sitting == last.sitting]
        longest = max(facts.length_s for facts in own)
        if here.now_s - last.ended_s > allowed_gap_s(gap_s, longest):
            return None
        now = LaunchFacts(
            launch_id="",
            sitting=last.sitting,
            host=here.host,
            gpus=here.gpus,
            build=here.build,
            weights=None,
            client=here.client,
            started_s=here.now_s,
            ended_s=here.now_s,
        )
        if any(apart(facts, now) for facts in own):
            return None
        held = self.held(last.sitting)
        # An arm may not be measured after one that the block's order has behind it.
        begun = [
            [level for level in missing if (session.arm, level) in held]
            for session in self.sessions
        ]
        first_open = next((i for i, own in enumerate(begun) if len(own) < len(missing)), None)
        if first_open is None or any(begun[first_open + 1 :]):
            return None
        return last.sitting

    def left(
        self, choice: Choice, here: Here, *, reuse: bool = False
    ) -> list[tuple[Session, tuple[int, ...]]]:
        """What is to be launched: sessions in their order, each with the levels that it still lacks.

        Without `reuse` that is all arms, but for what the sitting that goes on has already.
        """
        held = set(self.held(choice.resumes))
        if reuse:
            held |= {
                (arm, level)
                for (arm, level), records in self.records.items()
                if any(self.fits({arm: record}, here) for record in records)
            }
        lacking = (
            (s, tuple(n for n in choice.missing if (s.arm, n) not in held)) for s in self.sessions
        )
        return [(session, levels) for session, levels in lacking if levels]

    def held(self, sitting: str | None) -> dict[tuple[str, int], Record]:
        """(arm, level) -> record of a sitting; empty without one."""
        if sitting is None:
            return {}
        return {
            (arm, level): record
            for level in self.levels
            for arm, record in self.pick(sitting, level).items()
        }

    def partial(self, missing: Sequence[int], resumes: str | None) -> list[str]:
        """Arms that were measured and have to be again, since the others were not measured beside them."""
        return [
            session.arm
            for session in self.sessions
            if resumes is None and any(self.records[session.arm, level] for level in missing)
        ]
