#!/bin/sh
# Resolve every extra anew for each Python and board; run it when a dependency changes, and commit what it writes.
# usage: deploy/constraints/lock.sh   (needs uv)
set -eu
cd "$(dirname "$0")/../.."
for python in 3.11 3.12 3.13; do
    for board in x86_64 aarch64; do
        uv pip compile -q --no-header --no-annotate --no-emit-index-url --only-binary :all: \
            -c deploy/constraints/lock.in --python-version "$python" --python-platform "$board-manylinux_2_28" --extra dev \
            -o "deploy/constraints/py$(echo "$python" | tr -d .)-$board.txt" pyproject.toml
    done
done
