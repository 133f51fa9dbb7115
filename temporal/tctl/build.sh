#!/usr/bin/env bash
# Builds tctl 1.18 from its own Go module ("go install" of that version does not work) into a cache folder, once, and
# prints where it is.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
bin="${PLEIN_AIR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/plein-air}/tctl-1.18.0"
if [ ! -x "$bin" ]; then
  mkdir -p "$(dirname "$bin")"
  cd "$here"
  go build -o "$bin.$$" github.com/temporalio/tctl/cmd/tctl
  mv "$bin.$$" "$bin"
fi
echo "$bin"
