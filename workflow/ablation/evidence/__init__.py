"""What a server's log proves: the kernels that ran, how far it came, why it died, whether the treatment happened."""

from ablation.evidence.causes import Failure, cause, classify, failed
from ablation.evidence.launch import collect, rejudge, reread
from ablation.evidence.lines import tail
from ablation.evidence.stages import reached

__all__ = [
    "Failure",
    "cause",
    "classify",
    "collect",
    "failed",
    "reached",
    "rejudge",
    "reread",
    "tail",
]
