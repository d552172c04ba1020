#!/bin/sh
# Builds a real InfluxDB 2 server from its Go module into a cache outside of the checkout, once.
# Needs go 1.23 or later (or 1.21, which fetches it), cargo, a C compiler. Takes about five minutes the first time.
set -eu

version=2.7.12
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/energy-platform/influxd-$version

say() { printf '%s\n' "influxd: $*"; }

if [ -x "$cache/influxd" ]; then
    say "version $version is there already: $cache/influxd"
    exit 0
fi

missing=''
command -v go >/dev/null 2>&1 || missing="$missing go (https://go.dev/dl, or the package golang-go)"
command -v cargo >/dev/null 2>&1 || missing="$missing${missing:+,} cargo (https://rustup.rs, or the package cargo)"
command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1 \
    || missing="$missing${missing:+,} a C compiler (the package build-essential, or Xcode's command line tools)"
if [ -n "$missing" ]; then
    say "cannot be built here; install$missing." >&2
    say "Without it, time series live in PostgreSQL; a server elsewhere is used with ENERGY_INFLUX_URL." >&2
    exit 1
fi
goversion=$(cd "$here" && go env GOVERSION 2>/dev/null || true)
case $goversion in
    go1.[0-9] | go1.[0-9].* | go1.1[0-9]* | go1.20* | '')
        say "needs go 1.21 or later; this is ${goversion:-older}. Install one from https://go.dev/dl." >&2
        exit 1
        ;;
esac

mkdir -p "$cache"
find "$cache" -maxdepth 1 -name '.build.*' -mtime +1 -exec rm -rf {} +   # of builds that were killed
work=$(mktemp -d "$cache/.build.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# flux pins an old Rust by file and turns new lints into errors, in its build scripts too, which RUSTFLAGS does not reach
printf '#!/bin/sh\nexec "$@" --cap-lints=warn\n' >"$work/rustc-lenient"
chmod +x "$work/rustc-lenient"

cd "$here"
say "1 of 4: fetching the sources of InfluxDB $version"
go mod download
say "2 of 4: building its pkg-config, which finds and builds flux"
go build -o "$work/pkg-config" github.com/influxdata/pkg-config
say "3 of 4: building influxd with flux (Rust) inside; this takes minutes"
(
    seconds=0
    while sleep 30 >/dev/null 2>&1; do
        seconds=$((seconds + 30))
        say "        still building, $seconds s"
    done
) &
ticker=$!
trap 'kill "$ticker" 2>/dev/null || true; rm -rf "$work"' EXIT
# the toolchain's name means something to rustup only, and beats the old one that flux names by file
PATH=$work:$PATH PKG_CONFIG=$work/pkg-config RUSTC_WRAPPER=$work/rustc-lenient RUSTUP_TOOLCHAIN=${RUSTUP_TOOLCHAIN:-stable} \
    go build -tags sqlite_foreign_keys,sqlite_json -ldflags "-s -w -X main.version=$version" \
    -o "$work/influxd" github.com/influxdata/influxdb/v2/cmd/influxd
kill "$ticker" 2>/dev/null || true

say "4 of 4: trying it"
"$work/influxd" version
mv "$work/influxd" "$cache/influxd"
say "built: $cache/influxd"
