#!/bin/sh
# Style, types and Snakemake's own linter.
set -eu
cd "$(dirname "$0")/.."
PATH="$PWD/.venv/bin:$PATH"
ruff check .
ruff format --check .
snakefmt --check Snakefile workflow/rules
mypy
snakemake --lint
