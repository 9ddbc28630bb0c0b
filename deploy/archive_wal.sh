#!/bin/sh
# archive_wal.sh SEGMENT NAME FOLDER: PostgreSQL's archive_command (deploy/postgresql.conf).
#
# Says 0 only when the whole segment lies on the disk under its name. A segment that is there already is accepted when
# it is the same (the server asks again after a crash) and refused when it differs (two servers, one folder).
set -eu
umask 027
segment=$1 to=$3/$2 part=$3/.$2.part
if [ -e "$to" ]; then
    cmp -s -- "$segment" "$to" && exit 0
    echo "archive_wal.sh: $to is another segment of that name" >&2
    exit 1
fi
cp -- "$segment" "$part"
sync -- "$part"
mv -- "$part" "$to"
sync -- "$3"
