#!/bin/sh
# Prints the Python to use. If there is none, says in one line what was found and what is needed, and fails.
#
#   [PYTHON=python3.12] [NEEDED_FOR=who] sh scripts/find_python.sh CURRENT VERSION...
#
# CURRENT is the environment's own Python, which may not exist yet; VERSION... are the accepted releases, newest
# first. If PYTHON is set, it is the only candidate. NEEDED_FOR says what needs just these releases.
set -eu

current=$1
shift
accepted=$*
for oldest in "$@"; do :; done
needed="Python $oldest to $1${NEEDED_FOR:+ for $NEEDED_FOR}"

version_of() { # the full version of an interpreter, or nothing if it does not run
    "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null || :
}

is_accepted() { # whether the full version $1 is of an accepted release
    case " $accepted " in *" ${1%.*} "*) return 0 ;; *) return 1 ;; esac
}

if [ -n "${PYTHON:-}" ]; then
    command=$(command -v -- "$PYTHON" || :)
    version=${command:+$(version_of "$command")}
    if [ -n "$version" ] && is_accepted "$version"; then
        printf '%s\n' "$command"
        exit 0
    fi
    if [ -z "$command" ]; then
        found='no such program'
    else
        found=${version:-'a program that does not run as Python'}
    fi
    printf 'setup: PYTHON must be %s, got %s (%s)\n' "$needed" "$PYTHON" "$found" >&2
    exit 1
fi

found=
set -- "$current" python3
for release in $accepted; do set -- "$@" "python$release"; done
for candidate in "$@"; do
    command=$(command -v -- "$candidate" || :)
    version=${command:+$(version_of "$command")}
    [ -n "$version" ] || continue
    if is_accepted "$version"; then
        printf '%s\n' "$command"
        exit 0
    fi
    found="${found:+$found, }$version ($command)"
done
printf 'setup: no usable Python: found %s, needed %s; install one, or name it with PYTHON=/path/to/python\n' \
    "${found:-none}" "$needed" >&2
exit 1
