"""Which GPUs a server uses.

The rule: of the GPUs that the server's environment lets it see, in that order, the first so many as the
product of its parallel sizes. CUDA_VISIBLE_DEVICES names them by index (in PCI bus order, as NVML and vLLM
number them) or by UUID; as in CUDA, an unknown entry ends the list. On ROCm, ROCR_VISIBLE_DEVICES comes
first, and HIP_VISIBLE_DEVICES (CUDA_VISIBLE_DEVICES where that is not set) counts among what it left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablation.telemetry.reading import NotObserved

VARIABLES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def visible(listed: str | None, uuids: Sequence[str]) -> list[int]:
    """Positions in `uuids` (all devices in their order) that a *_VISIBLE_DEVICES lets through.

    Not set: all. Raises NotObserved for a MIG slice, which has no power of its own.
    """
    if listed is None:
        return list(range(len(uuids)))
    found: list[int] = []
    for entry in (part.strip() for part in listed.split(",")):
        if entry.startswith("MIG-"):
            raise NotObserved(f"{entry}: a MIG slice has no power or clock of its own")
        if entry.isdigit() and int(entry) < len(uuids):
            position = int(entry)
        else:
            match = [i for i, uuid in enumerate(uuids) if entry and uuid.startswith(entry)]
            if len(match) != 1:
                break
            position = match[0]
        if position in found:
            break
        found.append(position)
    return found


def used(
    platform: str, environment: Mapping[str, str], uuids: Sequence[str], count: int
) -> list[int]:
    """Positions of the GPUs that a server with this environment uses, by the rule above.

    Raises NotObserved where fewer are to be seen than the server takes.
    """
    if platform == "rocm":
        left = visible(environment.get("ROCR_VISIBLE_DEVICES"), uuids)
        named = "HIP_VISIBLE_DEVICES"
        if named not in environment:
            named = "CUDA_VISIBLE_DEVICES"
        among = visible(environment.get(named), [uuids[i] for i in left])
        positions = [left[i] for i in among]
    else:
        positions = visible(environment.get("CUDA_VISIBLE_DEVICES"), uuids)
    if len(positions) < count:
        raise NotObserved(
            f"the server takes {count} GPUs and its environment lets {len(positions)} of {len(uuids)} be seen"
        )
    return positions[:count]
