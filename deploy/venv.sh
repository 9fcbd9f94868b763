#!/bin/sh
# Makes .venv and installs the gateway with the extras of $1 into it. PYTHON names an interpreter, else a fit one is found.
set -eu
cd "$(dirname "$0")/.."

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

choose() {
    for name in ${PYTHON:-python3.12 python3.11 python3 python3.13 python3.14}; do
        if fits "$name"; then echo "$name"; return; fi
    done
    echo "no Python 3.11 or newer was found; name one: make PYTHON=/path/to/python3" >&2
    exit 1
}

if ! fits .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(choose)
    echo "making .venv with $("$python" --version)"
    if ! "$python" -m venv --clear .venv >/dev/null 2>&1; then # Debian and Ubuntu ship venv in a package of its own
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "installing python$version-venv"
            apt-get update -qq >/dev/null || true
            DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "python$version-venv" >/dev/null
            "$python" -m venv --clear .venv
        else
            echo "this Python cannot make virtual environments; install them first:" >&2
            echo "  sudo apt-get install python$version-venv" >&2
            exit 1
        fi
    fi
fi
printf 'installing the gateway and what it needs, for a minute or two'
(while sleep 5; do printf .; done) & # it is at work
dots=$!
trap 'kill $dots 2>/dev/null' EXIT
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".[$1]"
kill $dots 2>/dev/null
trap - EXIT
echo
