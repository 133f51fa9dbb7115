#!/bin/sh
# Makes the namespace and the search attributes of runs once the server answers; again is a no-op. Reads TEMPORAL_ADDRESS.
set -eu
until temporal operator cluster health >/dev/null 2>&1; do sleep 1; done
temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
  temporal operator namespace create --namespace default --retention 30d
for name in PleinAirPhase PleinAirState PleinAirVerdict PleinAirModel; do
  until temporal operator search-attribute create --name "$name" --type Keyword; do sleep 1; done
done
