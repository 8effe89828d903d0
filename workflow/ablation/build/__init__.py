"""A build: what decides a measurement beside its study, as it was found. Two are compared before their numbers are.

parts        Build, made of Server, Host and Models; what was not seen; JSON and the digest
server       packages of the server's Python or image, by fingerprint.py, which that Python runs
packages     which packages, and why
files        digests of files that cost little
origin       where installed code comes from
host         driver, GPUs, CPU
model        the model's files
words        two builds side by side, in words

Each of server, host and model has a quick level for planning: names, sizes and times, tens of milliseconds. As long as
it says the same, so would the whole.
"""

from ablation.build.host import host_of, quick_host
from ablation.build.model import model_identity, models_of, quick_models
from ablation.build.parts import (
    Build,
    Host,
    Model,
    ModelFile,
    NotSeen,
    Package,
    Server,
    unseen,
)
from ablation.build.server import (
    endpoint_server,
    quick_server,
    reference_server,
    server_of,
)
from ablation.build.words import (
    Difference,
    Relation,
    compare,
    differences,
    relation,
)

__all__ = [
    "Build",
    "Difference",
    "Host",
    "Model",
    "ModelFile",
    "NotSeen",
    "Package",
    "Relation",
    "Server",
    "compare",
    "differences",
    "endpoint_server",
    "host_of",
    "model_identity",
    "models_of",
    "quick_host",
    "quick_models",
    "quick_server",
    "reference_server",
    "relation",
    "server_of",
    "unseen",
]
