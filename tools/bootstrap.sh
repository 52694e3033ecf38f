#!/bin/sh
# Makes .venv from requirements.lock, with the project in it; quick when it is fresh already.
#
# Needs Python 3.11 or newer with venv. Without one, as root where apt-get is, it installs
# Debian's. PYTHON=/path/to/python3 chooses another.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
STAMP=$VENV/.installed-from

say() { printf 'set-up: %s\n' "$*"; }

quietly() {
    output=$("$@" 2>&1) || {
        printf '%s\n' "$output" >&2
        return 1
    }
}

fits() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null && fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

install_python() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        say "no Python 3.11 with venv here; installing the system's"
        DEBIAN_FRONTEND=noninteractive
        export DEBIAN_FRONTEND
        quietly apt-get update
        quietly apt-get install -y --no-install-recommends python3 python3-venv
    fi
}

# Checksums say what the environment was made from: dates change with every checkout.
wanted() { cksum requirements.lock pyproject.toml; }

if [ -f "$STAMP" ] && fits "$VENV/bin/python" && [ "$(wanted)" = "$(cat "$STAMP")" ]; then
    exit 0
fi

if ! fits "$VENV/bin/python"; then
    python=$(find_python) || { install_python; python=$(find_python); } || {
        say "needs Python 3.11 or newer with its venv module, and found none." >&2
        say "Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv" >&2
        say "Elsewhere: install Python 3.11+, or name it: make PYTHON=/path/to/python3 …" >&2
        exit 1
    }
    say "making $VENV with $python"
    rm -rf "$VENV"
    "$python" -m venv "$VENV"
fi

say "installing what requirements.lock lists, by its checksums; the first time takes a minute"
rm -f "$STAMP"
export PIP_DISABLE_PIP_VERSION_CHECK=1
"$VENV/bin/python" -m pip install --quiet --require-hashes -r requirements.lock
"$VENV/bin/python" -m pip install --quiet --no-deps --no-build-isolation -e .
wanted >"$STAMP"
