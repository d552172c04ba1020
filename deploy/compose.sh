#!/bin/sh
# `docker compose` with the settings of compose.env, from any folder: deploy/compose.sh ps, deploy/compose.sh logs -f daemon.
# PROFILE says which services are meant: mvp (all on this machine) or managed (stores elsewhere).
set -eu

cd -- "$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)"

say() { printf '%s\n' "compose: $*" >&2; }

if ! command -v docker >/dev/null 2>&1; then
    say "there is no docker on this machine."
    say "Install Docker Engine 20.10 or later with its compose plugin: https://docs.docker.com/engine/install/"
    exit 1
fi
if ! docker compose version >/dev/null 2>&1; then
    say "docker is here, but its compose plugin is not."
    say "On Debian and Ubuntu with Docker's packages: apt-get install docker-compose-plugin"
    exit 1
fi
version=$(docker compose version --short 2>/dev/null | sed 's/^v//')
case $version in
    [01].* | 2.[0-9].* | 2.1[0-9].* | 2.2[0-3].*)
        say "the compose plugin is $version; 2.24 or later is needed."
        exit 1
        ;;
esac
# compose itself would say no more than that it has no service
profiles='mvp managed command'
case " $profiles " in
    *" ${PROFILE:-mvp} "*) ;;
    *)
        say "there is no profile ${PROFILE:-mvp}; there are: $profiles"
        exit 1
        ;;
esac
if [ ! -f compose.env ]; then
    say "there is no compose.env. Make it: make compose-env"
    exit 1
fi
# compose.env alone says: compose itself would let a variable of this shell win, e.g. one of `energy-platform env`
for name in $(sed -n 's/^#\{0,1\}\([A-Z][A-Z_]*\)=.*/\1/p' compose.env.example); do
    unset "$name"
done
exec docker compose --env-file compose.env --profile "${PROFILE:-mvp}" "$@"
