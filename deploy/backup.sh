#!/usr/bin/env bash
# backup.sh [all|media|check]: copies of everything that cannot be made again. docs/operations.md says when.
#
#   all    base backup, verified; attachments; keys; then what is older than CPE_BACKUP_KEEP_DAYS is forgotten
#   media  attachments alone: quick, since only new ones are copied (every quarter of an hour)
#   check  reads every copied attachment again and compares its digest
#
# Below CPE_BACKUP_DIR, which should be another machine's disk:
#   base/20261124T084646Z/      a base backup, named by the second at which it was complete (UTC)
#   wal/                        every segment since the oldest of them (archive_wal.sh)
#   media/, media.sha256        every attachment of the kept time, and the digest of each
#   manifests/20261124T…Z       which attachments there were at that time
#
# Keys go to CPE_KEYS_BACKUP_DIR, never beside the data: who has both can read every ID number.
# The server is found by PGHOST, PGPORT, PGUSER (cpe_backup) and ~/.pgpass.
set -euo pipefail
export LC_ALL=C
umask 077
: "${CPE_BACKUP_DIR:?names the folder of the copies}"
: "${CPE_DATA_DIR:?names the folder of the installation (its files/ are the attachments)}"
: "${CPE_BACKUP_KEEP_DAYS:=14}"
files=$CPE_DATA_DIR/files
now() { date -u +%Y%m%dT%H%M%SZ; }
say() { printf '%s\n' "$*" >&2; }
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
mkdir -p -- "$CPE_BACKUP_DIR"/{base,wal,media,manifests}
touch -- "$CPE_BACKUP_DIR/media.sha256"
exec 9>"$CPE_BACKUP_DIR/.lock"
flock --wait 3600 9 || { say "backup.sh: another run has not ended for an hour"; exit 1; }

base() {
    local part=$CPE_BACKUP_DIR/base/.part
    rm -rf -- "$part"
    pg_basebackup --pgdata="$part" --format=plain --wal-method=stream --checkpoint=fast \
        --manifest-checksums=SHA256 --label=cpe --no-password
    pg_verifybackup --quiet -- "$part"
    mv -- "$part" "$CPE_BACKUP_DIR/base/$(now)"
}

# Attachments never change once they are written, so a name that is copied already is not copied again. One that did
# change is a damage or worse: the good copy stays, and this script fails.
media() {
    local path wrong=0
    mkdir -p -- "$files"
    # What is younger than a minute may still be being written.
    (cd -- "$files" && find . -type f ! -name '.*' ! -newermt '1 minute ago' -printf '%P\n' | sort) >"$work/there"
    if grep -q '\\' "$work/there"; then
        say "backup.sh: a file name with a backslash in $files"
        return 1
    fi
    (cd -- "$CPE_BACKUP_DIR/media" && find . -type f ! -name '*.part' -printf '%P\n' | sort) >"$work/copied"
    while IFS= read -r path; do
        mkdir -p -- "$(dirname -- "$CPE_BACKUP_DIR/media/$path")"
        # A draft may have been discarded since the list was made.
        cp --preserve=timestamps -- "$files/$path" "$CPE_BACKUP_DIR/media/$path.part" 2>"$work/error" || {
            [ ! -e "$files/$path" ] && continue
            cat "$work/error" >&2
            return 1
        }
        (cd -- "$CPE_BACKUP_DIR/media" && sha256sum -- "$path.part") >"$work/digest"
        sync -- "$CPE_BACKUP_DIR/media/$path.part"
        printf '%s  %s\n' "$(cut -c1-64 "$work/digest")" "$path" >>"$CPE_BACKUP_DIR/media.sha256"
        mv -- "$CPE_BACKUP_DIR/media/$path.part" "$CPE_BACKUP_DIR/media/$path"
    done < <(comm -23 "$work/there" "$work/copied")
    while IFS= read -r path; do
        if [ -e "$files/$path" ] && [ "$(stat -c '%s %Y' -- "$files/$path")" != \
            "$(stat -c '%s %Y' -- "$CPE_BACKUP_DIR/media/$path")" ]; then
            say "backup.sh: changed since it was copied: $files/$path"
            wrong=1
        fi
    done < <(comm -12 "$work/there" "$work/copied")
    # By digest: each name once, the first digest it ever had.
    awk '!seen[substr($0, 67)]++' "$CPE_BACKUP_DIR/media.sha256" | sort -k1.67 >"$work/digests"
    awk 'NR == FNR { there[$0]; next } substr($0, 67) in there' "$work/there" "$work/digests" \
        >"$work/manifest"
    mv -- "$work/digests" "$CPE_BACKUP_DIR/media.sha256"
    mv -- "$work/manifest" "$CPE_BACKUP_DIR/manifests/$(now)"
    return "$wrong"
}

keys() {
    : "${CPE_KEYS_BACKUP_DIR:?names the folder of the copied keys, apart from CPE_BACKUP_DIR}"
    local from=${CPE_KEYS_FILE:-$CPE_DATA_DIR/keys.json} one two
    mkdir -p -- "$CPE_KEYS_BACKUP_DIR"
    one=$(realpath -- "$CPE_KEYS_BACKUP_DIR")/ two=$(realpath -- "$CPE_BACKUP_DIR")/
    case $one in "$two"*) say "backup.sh: CPE_KEYS_BACKUP_DIR lies in CPE_BACKUP_DIR"; return 1 ;; esac
    case $two in "$one"*) say "backup.sh: CPE_BACKUP_DIR lies in CPE_KEYS_BACKUP_DIR"; return 1 ;; esac
    # By digest, so that every state of the file is kept once and none is overwritten.
    local to
    to=${one}keys-$(sha256sum -- "$from" | cut -c1-16).json
    [ -e "$to" ] || { cp -- "$from" "$to.part" && sync -- "$to.part" && mv -- "$to.part" "$to"; }
}

forget() {
    local before all name oldest
    before=$(date -u -d "$CPE_BACKUP_KEEP_DAYS days ago" +%Y%m%dT%H%M%SZ)
    # The newest base backup from before that day stays: the days after it begin with it.
    mapfile -t all < <(cd -- "$CPE_BACKUP_DIR/base" && printf '%s\n' [0-9]* | sort)
    oldest=${all[0]}
    for name in "${all[@]}"; do [[ $name > $before ]] || oldest=$name; done
    for name in "${all[@]}"; do
        if [[ $name < $oldest ]]; then rm -rf -- "${CPE_BACKUP_DIR:?}/base/$name"; fi
    done
    local first
    first=$(sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p' "$CPE_BACKUP_DIR/base/$oldest/backup_label")
    pg_archivecleanup "$CPE_BACKUP_DIR/wal" "$first"
    for name in "$CPE_BACKUP_DIR"/manifests/[0-9]*; do
        if [[ ${name##*/} < $before ]]; then rm -- "$name"; fi
    done
    # Attachments that no kept manifest names were deleted on purpose, that long ago.
    cut -c67- "$CPE_BACKUP_DIR"/manifests/[0-9]* | sort -u >"$work/kept"
    (cd -- "$CPE_BACKUP_DIR/media" && find . -type f -printf '%P\n' | sort) | comm -23 - "$work/kept" |
        while IFS= read -r name; do rm -- "$CPE_BACKUP_DIR/media/$name"; done
    awk 'NR == FNR { kept[$0]; next } substr($0, 67) in kept' "$work/kept" "$CPE_BACKUP_DIR/media.sha256" \
        >"$work/digests"
    mv -- "$work/digests" "$CPE_BACKUP_DIR/media.sha256"
}

case ${1:-all} in
all)
    keys
    base
    media
    forget
    ;;
media) media ;;
check) (cd -- "$CPE_BACKUP_DIR/media" && sha256sum --check --quiet -- ../media.sha256) ;;
*)
    say "backup.sh [all|media|check]"
    exit 2
    ;;
esac
