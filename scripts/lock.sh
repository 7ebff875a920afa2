#!/bin/sh
# Resolves the extras of setup.py to requirements/*.lock: with hashes, for every supported Python.
#
#   [PYTHON=python3.12] [UPGRADE=1] sh scripts/lock.sh VERSION...      (run in the root of the checkout)
#
# Without UPGRADE=1, versions that are in the locks stay as long as setup.py allows them.
set -eu

python=$(sh scripts/find_python.sh '' "$@")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM

echo "lock: installing uv into a throw-away environment"
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet uv==0.13.9

resolve() { # resolve NAME OPTION...: requirements/NAME.lock
    name=$1
    shift
    echo "lock: requirements/$name.lock"
    "$folder/venv/bin/uv" pip compile setup.py "$@" --extra digits --extra dev ${UPGRADE:+--upgrade} \
        --universal --python-version 3.10 --generate-hashes --no-header --quiet -o "requirements/$name.lock" >/dev/null
}

resolve default --extra train
resolve gpu --extra train --extra gpu --constraint requirements/default.lock
resolve addons --extra addons
