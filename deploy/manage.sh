#!/usr/bin/env bash
# manage.sh COMMAND …: manage.py with the environment of the installation (/etc/cpe/environment), as the services have it.
# What is set already stays, so DATABASE_URL=… manage.sh migrate runs as another role.
set -euo pipefail
while IFS= read -r line || [ -n "$line" ]; do
    name=${line%%=*}
    if [[ $name =~ ^[A-Z][A-Z_]*$ && -z ${!name+set} ]]; then export "$line"; fi
done <"${ENVIRONMENT_FILE:-/etc/cpe/environment}"
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
exec "${PYTHON:-.venv/bin/python}" manage.py "$@"
