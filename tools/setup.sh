#!/bin/sh
# Makes .venv with the exact locked packages, and again only when the lock, the Python or the place has changed.
# Looks for python3.14 to 3.11 itself, or takes PYTHON. Quick with uv, which pip installs first; by pip alone where uv fails.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
venv=$root/.venv
stamp=$venv/.installed

say() { printf '%s\n' "set-up: $*"; }

# A Python that really starts (a pyenv shim may exist and fail), is new enough, and can make virtual environments.
find_python() {
    without_venv=''
    for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
        version=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        case $version in
            3.11 | 3.12 | 3.13 | 3.14) ;;
            *) continue ;;
        esac
        if "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            python=$candidate
            return 0
        fi
        without_venv=${without_venv:-$version}
    done
    if [ -n "$without_venv" ]; then
        say "Python $without_venv is here, but its venv and ensurepip are not." >&2
        say "On Debian and Ubuntu: apt-get install python$without_venv-venv" >&2
    else
        say "needs Python 3.11, 3.12, 3.13 or 3.14${PYTHON:+ ($PYTHON is none)}." >&2
        say "On Debian and Ubuntu: apt-get install python3 python3-venv; on macOS: brew install python" >&2
    fi
    return 1
}

state() {
    pwd
    "$venv/bin/python" -c 'import sys; print(sys.version)'
    cksum pyproject.toml requirements.lock requirements-uv.lock
}

# What pip was told about package indexes, for uv: from its variables, else from its configuration.
pip_setting() {
    "$venv/bin/python" -m pip config list 2>/dev/null \
        | sed -n "s/^\(:env:\|global\|install\|site\|user\)\.$1='\(.*\)'\$/\2/p" | tail -n 1
}

index_for_uv() {
    index=$(pip_setting index-url)
    [ -z "$index" ] || { UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index} && export UV_DEFAULT_INDEX; }
    extra=$(pip_setting extra-index-url)
    [ -z "$extra" ] || { UV_INDEX=${UV_INDEX:-$extra} && export UV_INDEX; }
    links=$(pip_setting find-links)
    [ -z "$links" ] || { UV_FIND_LINKS=${UV_FIND_LINKS:-$links} && export UV_FIND_LINKS; }
    host=$(pip_setting trusted-host)
    [ -z "$host" ] || { UV_INSECURE_HOST=${UV_INSECURE_HOST:-$host} && export UV_INSECURE_HOST; }
    certificates=$(pip_setting cert)
    [ -z "$certificates" ] || { SSL_CERT_FILE=${SSL_CERT_FILE:-$certificates} && export SSL_CERT_FILE; }
    # a server that answers slowly is still a server
    UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180} && export UV_HTTP_TIMEOUT
}

install_with_uv() {
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.lock || return 1
    (
        index_for_uv
        VIRTUAL_ENV=$venv && export VIRTUAL_ENV
        "$venv/bin/uv" pip sync -q --require-hashes requirements.lock
    )
}

install_with_pip() {
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
}

if [ -f "$stamp" ] && [ "$(state 2>/dev/null)" = "$(cat "$stamp")" ]; then
    exit 0
fi

python=''
find_python
# an environment that was moved or whose Python is gone does not start, or runs from elsewhere
if [ "$("$venv/bin/python" -c 'import sys, pip; print(sys.version_info >= (3, 11), sys.prefix)' 2>/dev/null)" != "True $venv" ]; then
    say "making .venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
rm -f "$stamp"
say "installing the locked packages"
if ! install_with_uv; then
    say "uv cannot do it here; installing with pip, which takes about a minute"
    install_with_pip
fi
"$venv/bin/python" -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --editable .
state >"$stamp"
say "done: $("$venv/bin/python" --version), $venv"
