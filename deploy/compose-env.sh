#!/bin/sh
# Writes compose.env beside docker-compose.yml: what compose.env.example holds, with a random value for every secret that
# has none. Values that are there already stay; running it again changes nothing.
set -eu

cd -- "$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)"
umask 077

# 160 random bits, in digits that need no quoting in an address or a configuration file
random_secret() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }

new=$(mktemp compose.env.XXXXXX)
trap 'rm -f "$new"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

if [ -f compose.env ]; then cat compose.env >"$new"; else cat compose.env.example >"$new"; fi

made=''
# the secrets are the variables that the example leaves empty
for name in $(sed -n 's/^\([A-Z][A-Z_]*\)=$/\1/p' compose.env.example); do
    if grep -q "^$name=..*" "$new"; then continue; fi
    secret=$(random_secret)
    # printf and here-documents are the shell's own: no secret stands in a command line
    if grep -q "^$name=" "$new"; then
        while IFS= read -r line; do
            [ "$line" = "$name=" ] && line="$name=$secret"
            printf '%s\n' "$line"
        done <"$new" >"$new.filled"
        mv "$new.filled" "$new"
    else
        printf '%s=%s\n' "$name" "$secret" >>"$new"
    fi
    made="$made $name"
done

mv "$new" compose.env
chmod 600 compose.env
if [ -n "$made" ]; then
    echo "compose.env: random secrets for$made. Keep a copy in a safe place: the stores know no others."
else
    echo "compose.env: every secret has a value; nothing was changed."
fi
