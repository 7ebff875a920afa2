#!/bin/sh
# Prints the Python to use: the environment's own, else python3 or the newest release that the stack accepts. If there
# is none, says in one line what was found and what is needed, and fails.
#
#   [STACK=addons] [VENV=folder] [PYTHON=python3.12] sh scripts/find_python.sh      (run in the root of the checkout)
#
# The Python of VENV, or else PYTHON, is the only candidate if it is set.
set -eu

fail() { # in one line, whatever the message holds
    IFS='
'
    set -f
    set -- $1
    IFS=' '
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

case ${STACK:=default} in
default) releases='3.13 3.12 3.11 3.10' needed='Python 3.10 to 3.13' ;;
addons) releases='3.11 3.10' needed='Python 3.10 to 3.11 for STACK=addons (TensorFlow 2.15)' ;;
*) fail "STACK must be default or addons, got '$STACK'" ;;
esac

if [ -n "${VENV:-}" ]; then
    PYTHON=$VENV/bin/python
    [ -x "$PYTHON" ] || fail "VENV must be an environment of yours, got $VENV without bin/python"
fi
if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
else
    set -- ".venv/$STACK/bin/python" python3
    for release in $releases; do set -- "$@" "python$release"; done
fi

found=
for candidate in "$@"; do
    command=$(command -v -- "$candidate") || continue
    version=$("$command" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || version=
    case " $releases " in
    *" ${version%.*} "*)
        printf '%s\n' "$command"
        exit 0
        ;;
    esac
    if [ -n "${PYTHON:-}" ]; then
        fail "PYTHON must be $needed, got $PYTHON (${version:-a program that does not run as Python})"
    elif [ -n "$version" ]; then
        found="${found:+$found, }$version ($command)"
    fi
done
[ -z "${PYTHON:-}" ] || fail "PYTHON must be $needed, got $PYTHON (no such program)"
fail "no usable Python: found ${found:-none}, needed $needed; install one, or name it with PYTHON=/path/to/python"
