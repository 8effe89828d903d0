#!/bin/sh
# The whole check, as CI and `make test` run it. Arguments go to pytest: `sh tests/run.sh -m "not vllm"`.
set -eu
cd "$(dirname "$0")/.."
sh tests/lint.sh
.venv/bin/python -m pytest "$@"
