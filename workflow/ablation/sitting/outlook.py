"""What is left to measure of a plan, block by block, and which blocks have to be measured again and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ablation.plan.cost import duration_text
from ablation.plan.plan import Plan, Session
from ablation.plan.text import Left
from ablation.session.store import Store
from ablation.sitting.choice import Block, Here


@dataclass(frozen=True)
class BlockOutlook:
    """One model's block: what its sitting still lacks.

    launches   sessions that will be launched
    again      arms that have records which count no longer, since the others were not measured beside them
    """

    model: str
    block: int
    sessions: tuple[Session, ...]
    launches: tuple[Left, ...]
    again: tuple[str, ...]

    @property
    def expected_s(self) -> float:
        """Expected seconds of what is left."""
        return sum(launch.expected_s for launch in self.launches)


def blocks_of(plan: Plan) -> dict[tuple[str, int], list[Session]]:
    """(model, block) -> its sessions, in launch order."""
    found: dict[tuple[str, int], list[Session]] = {}
    for session in plan.sessions:
        found.setdefault((session.model, session.block), []).append(session)
    return found


def outlook(
    plan: Plan, store: Store, here: Callable[[Sequence[Session]], Here] = lambda _: Here()
) -> list[BlockOutlook]:
    """Every block of a plan against the store; `here` gives what launches of its sessions would be made with now."""
    design = plan.study.design
    found = []
    for (model, number), sessions in blocks_of(plan).items():
        block = Block(sessions, store)
        now = here(sessions)
        choice = block.choose(now, design.sitting_gap_s, reuse=design.reuse)
        launches = [
            Left(session, levels, expected_s(session, levels))
            for session, levels in block.left(choice, now, reuse=design.reuse)
        ]
        found.append(
            BlockOutlook(model, number, tuple(sessions), tuple(launches), tuple(choice.partial))
        )
    return found


def expected_s(session: Session, concurrencies: Sequence[int]) -> float:
    """Expected seconds of one launch that measures only some levels of its session."""
    rest = sum(
        level.expected_s for level in session.levels if level.concurrency not in concurrencies
    )
    return session.expected_s - rest


def again_text(blocks: Sequence[BlockOutlook]) -> list[str]:
    """Sentences for the plan: which blocks are measured again, why, and what that costs."""
    sentences = []
    for model in dict.fromkeys(block.model for block in blocks):
        own = [block for block in blocks if block.model == model and block.again]
        if not own:
            continue
        numbers = ", ".join(str(block.block) for block in own)
        arms = ", ".join(dict.fromkeys(arm for block in own for arm in block.again))
        cost = duration_text(sum(block.expected_s for block in own))
        sentences.append(
            f"{model}: block {numbers} will be measured again, all arms, about {cost}: {arms} was measured before, "
            "but not together with the rest of the block as it is now (another arm, build, host or day), and only "
            "launches of one sitting can be compared. Nothing measured is deleted: change the study back, and the old "
            "pairs are used. design.reuse shows the numbers of the old launches, without a verdict."
        )
    return sentences
