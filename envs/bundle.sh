#!/bin/sh
# The workflow's own packages in one file, for a host without a network:
#   make bundle FOR=3.12 [WITHOUT="numpy scipy"]    here, where packages can be had
#   make setup-workflow BUNDLE=...                  there; needs neither pip nor a network
#
# $1: Python version of that host, as in 3.12     $2: packages to leave out, because the host has them or will only
# measure (pandas and matplotlib make tables and figures)     $3: the file to write
set -eu
version=$1 without=$2 output=$3
here=$(dirname "$0")
python=${PYTHON:-python3}
platforms="--platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -v '^#' "$here/analysis.lock.txt" > "$work/pins"
if [ -n "$without" ]; then
    grep -v -i -E "^($(echo $without | tr ' ' '|'))==" "$work/pins" > "$work/kept"
    mv "$work/kept" "$work/pins"
fi
echo "bundle: $(wc -l < "$work/pins") packages for Python $version"
while read -r pin; do
    # A package without a wheel is built here, which is right only where it holds no compiled code.
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work/wheels" \
        --python-version "$version" --implementation cp $platforms --only-binary=:all: "$pin" 2>"$work/why" ||
        "$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$work/wheels" "$pin" 2>>"$work/why" ||
        { cat "$work/why"; exit 1; }
done < "$work/pins"
for wheel in "$work"/wheels/*.whl; do
    case $wheel in
        *-any.whl | *-cp"$(echo "$version" | tr -d .)"-* | *-abi3-*) ;;
        *) echo "bundle: $(basename "$wheel") is not for Python $version"; exit 1 ;;
    esac
    "$python" -m zipfile -e "$wheel" "$work/site"
done
# What nothing here uses: tests, headers, storage and transport of Arrow, solvers (the scheduler is greedy).
cd "$work/site"
rm -rf pyarrow/include pyarrow/tests pyarrow/src pyarrow/libarrow_flight* pyarrow/_flight* pyarrow/libarrow_s3* \
    pyarrow/_s3* pulp/solverdir/cbc numpy/f2py numpy/typing
find . -type d -name tests -prune -exec rm -rf {} +
echo "$version" > BUNDLE
cd - > /dev/null
tar -C "$work/site" -cJf "$output.partial" .
mv "$output.partial" "$output"
echo "bundle: $output, $(du -m "$output" | cut -f1) MB; on the other host: make setup-workflow BUNDLE=$(basename "$output")"
