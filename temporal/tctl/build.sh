#!/usr/bin/env bash
# Builds tctl 1.18 into temporal/tctl/bin, from its own Go module ("go install" of that version does not work).
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
cd "$here"
go build -o bin/tctl github.com/temporalio/tctl/cmd/tctl
echo "$here/bin/tctl"
