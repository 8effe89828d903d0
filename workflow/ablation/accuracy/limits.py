"""What two correct kernels may differ by: the floors of the accuracy gate, by the data type of the servers.

Kernels that add the same numbers in another order differ by rounding, and rounding grows through the layers; no
formula gives its size for a model, so the floors come from what correct kernels were seen to do:

bfloat16  Logits are rounded to 8 significant bits: in steps of 0.0625 between 8 and 16, 0.125 between 16 and 32.
          Two kernels that round independently differ by a third of a step on average, 0.02 to 0.04, and
          hidden states add to it. Seen on one H100 (vLLM 0.26, an 8B Llama shape with realistic random weights, 40
          prompts): FLASH_ATTN against TRITON_ATTN 0.043, two launches of FLASH_ATTN 0.019, greedy first tokens equal
          in 90 % and 95 %; on a CPU (vLLM 0.32, SmolLM2-135M) 0.044 to 0.049 as soon as anything at all was
          changed. The floor is 0.1 for the median over prompts, twice what was seen, and 0.3 for the 95 % quantile, at
          least three times.
float16   three more bits of mantissa than bfloat16 (10 for 7): an eighth.
float32   correct CPU kernels (oneDNN for AVX2 against AVX-512) differ by about 1e-5; the tensor cores of a GPU may work
          on float32 in TF32, whose mantissa is float16's 10 bits, but add up and round logits in float32: 0.001, a
          hundredth of bfloat16's floor and still far above what a CPU does.

An `auto` or absent dtype counts as bfloat16, the type of most checkpoints. Quantised weights or a quantised KV
cache against none are another approximation, not another order: state `median_floor` and `p95_floor` for them.
"""

from __future__ import annotations

from collections.abc import Sequence

MEDIAN_FLOOR = {"float32": 0.001, "float16": 0.0125, "bfloat16": 0.1}
P95_OVER_MEDIAN = 3.0
NAMES = {"float": "float32", "half": "float16"}


def dtype_of(command: Sequence[str]) -> str:
    """The data type of a server's command; bfloat16 where it leaves the choice to the model."""
    words = [str(word) for word in command]
    name = words[words.index("--dtype") + 1] if "--dtype" in words[:-1] else "auto"
    name = NAMES.get(name, name)
    return name if name in MEDIAN_FLOOR else "bfloat16"


def coarsest(dtypes: Sequence[str]) -> str:
    """The least exact of some data types."""
    return max(dtypes, key=lambda name: MEDIAN_FLOOR[name], default="bfloat16")


def floors(dtype: str, median: float | None, p95: float | None) -> tuple[float, float]:
    """(median, 95 %) in nats: the study's, or those of the data type."""
    middle = MEDIAN_FLOOR[dtype] if median is None else median
    return middle, P95_OVER_MEDIAN * middle if p95 is None else p95
