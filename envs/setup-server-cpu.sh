#!/bin/sh
# Puts vLLM for CPUs into the virtual environment given as $1. Says where torch comes from.
set -eu
venv=$1
here=$(dirname "$0")
pip="$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps"
# PyTorch's own index of CPU wheels; another with TORCH_INDEX=... make setup
index=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}

$pip -r "$here/server-cpu.lock.txt"
if $pip -r "$here/server-cpu-torch.lock.txt" 2>/dev/null; then
    echo "setup: torch (CPU build) taken from where pip looks on this machine"
else
    echo "setup: pip finds no CPU build of torch where it looks; taking it from $index"
    $pip --index-url "$index" -r "$here/server-cpu-torch.lock.txt"
fi
