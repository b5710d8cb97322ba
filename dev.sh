#!/bin/sh
# Sets up everything this repository needs in .venv, once, and runs one of its jobs there.
set -eu

usage() {
    cat <<'END'
usage: ./dev.sh VERB [ARGUMENT ...]

  train   train a transformer from scratch on PatternEcho and judge it   (wmil train mvp)
  test    run the tests; `test -m slow` runs the slow ones, `test -m ""` all of them
  lint    check style, formatting, types, import contracts and the documentation
  docs    build the documentation into docs/_build/html
  bench   measure the figures   (python -m benchmarks.run)
  shell   open a shell with the set-up's programs on its PATH
  help    show this

Each does the whole set-up first, where it is not done yet: Python 3.11 or newer, .venv, both packages, the tools.
PYTHON=/path/to/python chooses the interpreter, WMIL_CONSTRAINTS=FILE other versions than constraints.txt.
END
}

venv=.venv
lock=.venv.lock
log=.venv.log
constraints=${WMIL_CONSTRAINTS:-constraints.txt}
worker=

say() { printf '%s\n' "dev.sh: $*" >&2; }

die() {
    say "$*"
    exit 1
}

# ---- which Python -------------------------------------------------------------------------------------------------

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Print the first interpreter that can do it, or end with the command that would make one able to.
find_python() {
    if [ -n "${PYTHON:-}" ]; then
        candidates=$PYTHON
    else
        candidates="python3.11 python3.12 python3.13 python3.14 python3 python"
    fi
    without_venv=
    for candidate in $candidates; do
        is_new_enough "$candidate" || continue
        if can_make_venv "$candidate"; then
            command -v "$candidate"
            return
        fi
        [ -n "$without_venv" ] || without_venv=$candidate
    done
    if [ -n "$without_venv" ]; then
        version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        die "$without_venv has no venv module; on Debian or Ubuntu: apt-get install python$version-venv"
    fi
    die "no Python 3.11 or newer among: $candidates; install one, or name it: PYTHON=/path/to/python ./dev.sh ..."
}

# ---- is it set up -------------------------------------------------------------------------------------------------

# One line for what decides the content of .venv, besides the place and the interpreter it was made for.
checksum() {
    {
        sed -n '/^\[dependency-groups\]/,/^\[tool/p' pyproject.toml
        cat packages/*/pyproject.toml packages/*/src/*/_version.py "$constraints"
    } | cksum
}

place() { pwd -P; }

# The stamp: the place, the interpreter asked for, the checksum. Written last, so without it .venv is half made.
is_made_here() {
    [ -f "$venv/stamp" ] && [ -x "$venv/bin/python" ] || return 1
    { read -r made_place && read -r made_python && read -r made_checksum; } <"$venv/stamp" || return 1
    [ "$made_place" = "$(place)" ] || return 1
    [ -z "${PYTHON:-}" ] || [ "$made_python" = "$(command -v "$PYTHON")" ]
}

is_up_to_date() { is_made_here && [ "$made_checksum" = "$(checksum)" ]; }

# ---- one set-up at a time -----------------------------------------------------------------------------------------

is_alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# Making a directory either succeeds or finds it there, so it is the lock. A dead owner is succeeded by whoever makes
# `after-OWNER` inside it: only one can, and nobody ever removes a lock that somebody else may just have taken.
take_lock() {
    announced=
    seconds_without_owner=0
    until mkdir "$lock" 2>/dev/null; do
        [ -d "$lock" ] || die "cannot write in $(pwd)"
        owner=$(cat "$lock/owner" 2>/dev/null || true)
        installer=$(cat "$lock/installer" 2>/dev/null || true)
        if is_alive "$owner" || is_alive "$installer"; then
            seconds_without_owner=0
            [ -n "$announced" ] || say "another set-up is at work here (process $owner); waiting for it"
            announced=yes
        elif [ -n "$owner" ] && mkdir "$lock/after-$owner" 2>/dev/null; then
            say "the set-up of process $owner was interrupted; starting over"
            break
        else
            seconds_without_owner=$((seconds_without_owner + 1))
            [ "$seconds_without_owner" -lt 15 ] || die "$lock belongs to nobody; remove it and try again"
        fi
        sleep 1
    done
    echo $$ >"$lock/owner"
    trap 'release_lock' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

release_lock() {
    trap - EXIT HUP INT TERM
    if [ -n "$worker" ]; then
        kill "$worker" 2>/dev/null || true
        wait "$worker" 2>/dev/null || true
    fi
    rm -rf "$lock"
}

# ---- the set-up ---------------------------------------------------------------------------------------------------

# Run a step in the background, so that a signal ends it at once, with its output in the log and one line on the screen.
step() {
    say "$1"
    shift
    "$@" >>"$log" 2>&1 </dev/null &
    worker=$!
    echo "$worker" >"$lock/installer"
    if wait "$worker"; then
        worker=
    else
        worker=
        tail -n 25 "$log" >&2
        die "that failed; the whole log is in $log"
    fi
}

# Replaces the shell of its step, so that the signal which ends the step reaches pip itself.
pip_install() {
    exec "$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check -c "$constraints" "$@"
}

install_packages() {
    pip_install --no-build-isolation --group dev \
        -e "packages/wmil-envs[llm]" -e "packages/wmil-agents[contrib,report,tensorboard]"
}

set_up() {
    : >"$log"
    if is_made_here; then
        rm -f "$venv/stamp"
    else
        python=$(find_python)
        rm -rf "$venv"
        step "making $venv with $python" "$python" -m venv --clear "$venv"
        made_python=$python
    fi
    wanted=$(checksum)
    step "installing pip and the build tools" pip_install --upgrade pip hatchling editables
    step "installing torch (the largest part; a minute or two)" pip_install torch
    step "installing both packages and the development tools" install_packages
    printf '%s\n' "$(place)" "$made_python" "$wanted" >"$venv/stamp.new"
    mv "$venv/stamp.new" "$venv/stamp"
    say "set up"
}

ensure_set_up() {
    is_up_to_date && return
    [ -f "$constraints" ] || die "there is no file $constraints"
    take_lock
    is_up_to_date || set_up
    release_lock
}

# ---- the jobs -----------------------------------------------------------------------------------------------------

build_docs() { "$venv/bin/python" -m sphinx -W --keep-going -q -b html docs docs/_build/html "$@"; }

lint() {
    failed=
    for check in "ruff check ." "ruff format --check ." "mypy" "lint-imports" "build_docs"; do
        say "$check"
        $check || failed="$failed
  $check"
    done
    [ -z "$failed" ] || die "lint failed:$failed"
    say "lint passed"
}

case ${1:-help} in
train | test | lint | docs | bench | shell) ;;
help | -h | --help)
    usage
    exit
    ;;
*)
    usage >&2
    say "unknown verb: $1"
    exit 2
    ;;
esac

verb=$1
shift
called_from=$(pwd)
cd "$(dirname "$0")"
ensure_set_up
PATH=$(pwd -P)/$venv/bin:$PATH
VIRTUAL_ENV=$(pwd -P)/$venv
OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export PATH VIRTUAL_ENV OMP_NUM_THREADS

case $verb in
train) exec wmil train mvp "$@" ;;
test) exec python -m pytest -n auto --maxprocesses 4 --dist worksteal "$@" ;;
lint) lint ;;
docs)
    build_docs "$@"
    say "open docs/_build/html/index.html"
    ;;
bench) exec python -m benchmarks.run "$@" ;;
shell)
    cd "$called_from"
    exec "${SHELL:-/bin/sh}"
    ;;
esac
