#!/bin/sh
# Makes the secrets of compose.yaml in ./secrets; what exists is kept. Keep a copy of signing.key.
set -eu
cd "$(dirname "$0")"
mkdir -p secrets
chmod 700 secrets

# The folder is closed to others on this machine; the files are open to the containers' users.
secret() {
  if [ ! -e "secrets/$1" ]; then
    printf '%s' "$2" > "secrets/$1"
    chmod 644 "secrets/$1"
  fi
}

letters() {
  head -c 512 /dev/urandom | LC_ALL=C tr -dc 'A-Za-z0-9' | head -c "$1"
}

secret postgres_password "$(letters 40)"
secret XYLEM_DATABASE__URL "postgresql://xylem:$(cat secrets/postgres_password)@postgres/xylem"
secret XYLEM_INTERNAL__SECRET "$(letters 40)"
# A key file of Matrix: algorithm, identifier, and 32 random bytes in unpadded base64.
secret signing.key "ed25519 $(letters 6) $(head -c 32 /dev/urandom | base64 | tr -d '=')
"
