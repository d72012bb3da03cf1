#!/bin/sh
# Runs `xylem` with the arguments given. A file below /run/secrets that is called like a setting,
# such as XYLEM_DATABASE__URL, becomes this setting: secrets need not stand in the configuration.
set -eu
for file in /run/secrets/XYLEM_* /run/secrets/xylem/XYLEM_*; do
  if [ -f "$file" ]; then
    value=$(cat "$file")
    export "$(basename "$file")=$value"
  fi
done
exec /opt/xylem/bin/xylem "$@"
