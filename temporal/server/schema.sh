#!/bin/sh
# Creates and updates Temporal's two databases; again is a no-op. Reads POSTGRES_HOST, _PORT, _USER, _PASSWORD.
set -eu
for pair in temporal:temporal temporal_visibility:visibility; do
  database="${pair%%:*}"
  tool() {
    temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_HOST" -p "$POSTGRES_PORT" -u "$POSTGRES_USER" \
      --pw "$POSTGRES_PASSWORD" --db "$database" "$@"
  }
  tool create-database || true
  tool setup-schema -v 0.0 || true
  tool update-schema --schema-name "postgresql/v12/${pair#*:}"
done
