#!/bin/sh
# Run once by the database image, when its volume is empty: roles with the passwords of compose.yaml's secrets.
set -eu
psql --set=ON_ERROR_STOP=1 --username=postgres --dbname=cpe --file=/roles/roles.sql
for role in owner app readonly backup; do
    # psql reads the file itself: a password in an argument could be read by everybody on the host.
    psql --set=ON_ERROR_STOP=1 --quiet --username=postgres --dbname=cpe <<SQL
\\set password \`cat /run/secrets/${role}_password\`
ALTER ROLE cpe_$role PASSWORD :'password';
SQL
done
