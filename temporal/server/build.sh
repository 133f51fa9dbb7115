#!/usr/bin/env bash
# Builds the Temporal server and its schema tool from their own Go module into a cache folder, once.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cache="${PLEIN_AIR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/plein-air}"
mkdir -p "$cache"
cd "$here"
for pair in server:cmd/server sql-tool:cmd/tools/sql; do
  bin="$cache/temporal-${pair%%:*}-1.32.0"
  if [ ! -x "$bin" ]; then
    go build -o "$bin.$$" "go.temporal.io/server/${pair#*:}"
    mv "$bin.$$" "$bin"
  fi
  echo "$bin"
done
