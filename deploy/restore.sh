#!/usr/bin/env bash
# restore.sh --to FOLDER [--until TIME] [--files FOLDER]: make a server's data folder as it was at that second.
#
#   --to FOLDER     the new data folder; must not exist or be empty. Nothing else is touched.
#   --until TIME    such as '2026-11-24 08:46:46+08:00'; without it everything that was archived
#   --files FOLDER  also bring the attachments back into this folder, each compared with its digest
#
# Takes the newest base backup of CPE_BACKUP_DIR that was complete by then, verifies it, and leaves the rest to
# PostgreSQL: start it on the folder (as its owner), it replays the archive up to that time and opens for work.
# Run it as the account that runs PostgreSQL, or give the folder to that account afterwards.
set -euo pipefail
export LC_ALL=C
umask 077
: "${CPE_BACKUP_DIR:?names the folder of the copies}"
say() { printf '%s\n' "$*" >&2; }
to='' until='' files=''
while [ $# -gt 0 ]; do
    case $1 in
    --to) to=${2:?} ;;
    --until) until=${2:?} ;;
    --files) files=${2:?} ;;
    *)
        say "restore.sh --to FOLDER [--until TIME] [--files FOLDER]"
        exit 2
        ;;
    esac
    shift 2
done
: "${to:?--to names the new data folder}"
if [ -e "$to" ] && [ -n "$(ls -A -- "$to")" ]; then
    say "restore.sh: $to is not empty; nothing was done"
    exit 1
fi

limit=99999999T999999Z
[ -z "$until" ] || limit=$(date -u -d "$until" +%Y%m%dT%H%M%SZ)
chosen=
for one in "$CPE_BACKUP_DIR"/base/[0-9]*; do
    if [ -d "$one" ] && ! [[ ${one##*/} > $limit ]]; then chosen=$one; fi
done
if [ -z "$chosen" ]; then
    say "restore.sh: no base backup was complete by ${until:-now}; nothing was done"
    exit 1
fi
say "base backup: $chosen"
pg_verifybackup --quiet -- "$chosen"
mkdir -p -- "$to"
cp -R --preserve=mode,timestamps -- "$chosen/." "$to"
chmod 700 -- "$to"

# A path in a shell command in a setting: quoted for the shell, % doubled for PostgreSQL, quoted for the file.
quote="'" shell_quote="'\\''" backslash='\'
folder=$(realpath -- "$CPE_BACKUP_DIR/wal")
folder=$quote${folder//"$quote"/"$shell_quote"}$quote
setting() {
    local value=${2//"$backslash"/"$backslash$backslash"}
    printf "%s = '%s'\n" "$1" "${value//"$quote"/"$quote$quote"}"
}
{
    setting restore_command "cp ${folder//%/%%}/%f \"%p\""
    setting recovery_target_timeline latest
    setting recovery_target_action promote
    [ -z "$until" ] || setting recovery_target_time "$until"
    setting archive_mode off # until somebody has looked and a new archive was chosen
} >>"$to/postgresql.auto.conf"
touch -- "$to/recovery.signal"

if [ -n "$files" ]; then
    mkdir -p -- "$files"
    cp -R --preserve=mode,timestamps -- "$CPE_BACKUP_DIR/media/." "$files"
    (cd -- "$files" && sha256sum --check --quiet -- "$(realpath -- "$CPE_BACKUP_DIR/media.sha256")")
    say "attachments: $(wc -l <"$CPE_BACKUP_DIR/media.sha256"), each as its digest says"
fi
say "ready: start PostgreSQL on $to, then run: manage.py check_media, manage.py migrate --check"
