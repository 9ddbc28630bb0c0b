"""The drill (trust.md §4.7, D1 and D3): what was there at a noted second comes back, what came later does not.

A server of the test's own archives its log, is backed up by deploy/backup.sh, loses its disk after a scripted
disaster, and comes back through deploy/restore.sh. Every path has blanks, a quote, a per cent sign and Chinese in it.
"""

import datetime
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from tests.cluster import BINARIES, Cluster, give, verifies_backups

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="deploy's scripts are for Linux"),
    # In CI its absence is a failure.
    pytest.mark.skipif(
        not verifies_backups() and os.environ.get("CI") != "true",
        reason="!!! no working pg_verifybackup: no drill",
    ),
]
DEPLOY = settings.BASE_DIR / "deploy"
ODD = "it's a disk 100% 备份"

FILES = """
import hashlib, os, sys, time
import django
django.setup()
from django.core.files.base import ContentFile
from workflow.models import Attachment
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    content = b"%d " % number * 5000
    one = Attachment(draft="drill", name=f"{number}.pdf", content_type="application/pdf", extension="pdf",
                     size=len(content), sha256=hashlib.sha256(content).hexdigest())
    one.file.save("x", ContentFile(content))
    old = time.time() - 3600
    os.utime(one.file.path, (old, old))
"""


def quoted(path: Path) -> str:
    """For the shell inside PostgreSQL's archive_command."""
    return "'" + str(path).replace("'", "'\\''").replace("%", "%%") + "'"


class Drill:
    def __init__(self, folder: Path):
        self.folder = give(folder / ODD)
        self.backups, self.keys = self.folder / "copies", give(self.folder / "keys elsewhere")
        self.data = give(self.folder / "cpe data")
        wal = give(give(self.backups) / "wal")
        self.server = Cluster(
            self.folder / "server",
            archive_mode="on",
            archive_command=f'sh {quoted(DEPLOY / "archive_wal.sh")} "%p" "%f" {quoted(wal)}',
            wal_level="replica",
            fsync="off",
        )
        self.restored: list[Cluster] = []

    def start(self) -> None:
        """The server runs, with an empty database and the roles."""
        self.server.make().start()
        self.server.sql("CREATE DATABASE cpe")
        self.server.run(
            BINARIES / "psql", "--set=ON_ERROR_STOP=1", "--dbname=cpe", "--file", DEPLOY / "roles.sql"
        )

    def environment(self, server: Cluster | None = None, data: Path | None = None) -> dict:
        url = (server or self.server).url("cpe")
        return {"DATABASE_URL": url, "CPE_DATA_DIR": str(data or self.data)}

    def python(self, *arguments, server=None, data=None) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=settings.BASE_DIR,
            env={**os.environ, **self.environment(server, data)},
            capture_output=True,
            text=True,
            check=False,
        )

    def write_files(self, first: int, end: int) -> None:
        done = self.python("-c", FILES, first, end)
        assert done.returncode == 0, done.stderr
        if not os.geteuid():  # as in an installation: the account that copies may read what the website wrote
            subprocess.run(["chown", "-R", "--reference", self.data, self.data], check=True)

    def script(self, name: str, *arguments, check=True, **environment) -> subprocess.CompletedProcess:
        return self.server.run(
            "/bin/bash", DEPLOY / name, *arguments, check=check,
            CPE_BACKUP_DIR=str(self.backups), CPE_DATA_DIR=str(self.data), CPE_KEYS_BACKUP_DIR=str(self.keys),
            PGUSER="cpe_backup", **environment,
        )  # fmt: skip

    def second(self) -> str:
        """Note the second, as somebody reads it off a clock, and let it pass."""
        noted = self.server.sql("SELECT clock_timestamp()")[0][0].astimezone(datetime.UTC)
        time.sleep(1.1)
        return noted.isoformat(sep=" ")

    def archive_all(self) -> None:
        """Write out the current segment and wait until it lies in the archive."""
        name = self.server.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")[0][0]
        self.server.sql("SELECT pg_switch_wal()")
        deadline = time.monotonic() + 120
        while not (self.backups / "wal" / name).exists():
            assert time.monotonic() < deadline, self.server.log.read_text()[-2000:]
            time.sleep(0.05)

    def restore(self, until: str, *more) -> Cluster:
        target = self.folder / f"restored {len(self.restored)}"
        self.script("restore.sh", "--to", target, "--until", until, *more)
        cluster = Cluster(self.folder / f"new {len(self.restored)}", data=target, fsync="off")
        self.restored.append(cluster)
        cluster.start()
        deadline = time.monotonic() + 120
        while cluster.sql("SELECT pg_is_in_recovery()")[0][0]:
            assert time.monotonic() < deadline, cluster.log.read_text()[-2000:]
            time.sleep(0.05)
        return cluster

    def stop(self) -> None:
        for cluster in (self.server, *self.restored):
            cluster.stop()


def checksums(server: Cluster) -> dict[str, tuple]:
    """{table: (rows, digest of all of them)} of the whole database."""
    tables = server.sql(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'", "cpe"
    )
    return {
        name: server.sql(
            f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t", "cpe"
        )[0]
        for (name,) in tables
    }


@pytest.fixture(scope="module")
def drill(tmp_path_factory):
    """Write, back up, write on, note the second, write on, disaster, the disk is gone, restore to that second."""
    one = Drill(tmp_path_factory.mktemp("restore"))
    began = time.monotonic()
    try:
        one.start()
        for command in ("migrate", "load_reference"):
            done = one.python("manage.py", command)
            assert done.returncode == 0, done.stderr
        tally = "INSERT INTO accounts_tally (key, count, until) SELECT '{0} ' || n, n, now() FROM generate_series(1, {1}) n"
        one.server.sql(tally.format("before", 20000), "cpe")
        one.write_files(0, 4)
        one.script("backup.sh")
        one.server.sql(tally.format("after the backup", 20000), "cpe")
        one.server.sql("UPDATE accounts_tally SET count = 0 WHERE count % 7 = 0", "cpe")
        one.write_files(4, 6)
        one.script("backup.sh", "media")
        one.expected = checksums(one.server)
        one.noted = one.second()
        one.server.sql(tally.format("later", 5), "cpe")
        one.server.sql("DELETE FROM accounts_tally WHERE key LIKE 'before%'", "cpe")
        one.server.sql("DROP TABLE orgs_titlename CASCADE", "cpe")
        one.server.sql("DELETE FROM workflow_attachment", "cpe")
        one.archive_all()
        one.server.stop(sign=9)
        shutil.rmtree(one.server.data)
        disaster = time.monotonic()
        one.files = one.folder / "files back"
        one.back = one.restore(one.noted, "--files", one.files / "files")
        ended = time.monotonic()
        print(
            f"\ndrill: {ended - began:.1f} s in all, {ended - disaster:.1f} s from the disaster to a working server"
        )
        yield one
    finally:
        one.stop()


def test_the_noted_second_comes_back(drill):
    assert checksums(drill.back) == drill.expected
    assert drill.expected["public.accounts_tally"][0] == 40000
    assert drill.expected["public.orgs_titlename"][0] > 0


def test_what_came_later_is_not_there(drill):
    assert drill.back.sql("SELECT count(*) FROM accounts_tally WHERE key LIKE 'later%'", "cpe") == [(0,)]
    assert drill.back.sql("SELECT count(*) FROM accounts_tally WHERE key LIKE 'before%'", "cpe") == [(20000,)]


def test_the_website_works_on_it(drill):
    for command in (("migrate", "--check"), ("check", "--database", "default")):
        done = drill.python("manage.py", *command, server=drill.back)
        assert done.returncode == 0, done.stdout + done.stderr
    drill.back.sql("INSERT INTO accounts_tally (key, count, until) VALUES ('new', 1, now())", "cpe")
    assert drill.back.sql("SHOW data_checksums") == [("on",)]


def test_another_second_gives_another_state(drill):
    """The control: to the end of the archive, the disaster comes back too."""
    target = drill.folder / "to the end"
    drill.script("restore.sh", "--to", target)
    cluster = Cluster(drill.folder / "end", data=target, fsync="off")
    drill.restored.append(cluster)
    cluster.start()
    deadline = time.monotonic() + 120
    while cluster.sql("SELECT pg_is_in_recovery()")[0][0]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert cluster.sql("SELECT count(*) FROM accounts_tally WHERE key LIKE 'later%'", "cpe") == [(5,)]
    assert "public.orgs_titlename" not in checksums(cluster)


# --- attachments -------------------------------------------------------------------------------------


def check_media(drill) -> subprocess.CompletedProcess:
    return drill.python("manage.py", "check_media", server=drill.back, data=drill.files)


def test_every_attachment_is_back(drill):
    done = check_media(drill)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("缺少 0，不符 0，没有记录 0")
    assert drill.back.sql("SELECT count(*) FROM workflow_attachment", "cpe") == [(6,)]


def test_a_missing_a_changed_and_a_foreign_file_are_found(drill):
    files = sorted(path for path in (drill.files / "files").rglob("*") if path.is_file())
    missing, changed = files[:2]
    kept = missing.read_bytes(), changed.read_bytes()
    foreign = missing.parent / "foreign.pdf"
    missing.unlink()
    changed.write_bytes(kept[1][:-1] + b"x")
    foreign.write_bytes(b"x")
    try:
        done = check_media(drill)
        assert done.returncode == 1
        assert f"缺少文件：{missing.parent.name}/{missing.name}" in done.stdout
        assert f"内容与摘要不符：{changed.parent.name}/{changed.name}" in done.stdout
        assert f"没有对应的记录：{missing.parent.name}/foreign.pdf" in done.stdout
        assert "缺少 1，不符 1，没有记录 1" in done.stdout
    finally:
        missing.write_bytes(kept[0])
        changed.write_bytes(kept[1])
        foreign.unlink()


def test_an_attachment_changed_on_the_disk_does_not_replace_its_copy(drill):
    path = next(one for one in (drill.data / "files").rglob("*.pdf"))
    copy = drill.backups / "media" / path.relative_to(drill.data / "files")
    before, kept = copy.read_bytes(), path.stat()
    path.write_bytes(b"somebody else's")
    os.utime(path, (kept.st_atime, kept.st_mtime + 1))
    done = drill.script("backup.sh", "media", check=False)
    assert done.returncode == 1
    assert f"changed since it was copied: {path}" in done.stderr
    assert copy.read_bytes() == before
    path.write_bytes(before)
    os.utime(path, (kept.st_atime, kept.st_mtime))
    drill.script("backup.sh", "media")


def test_a_damaged_copy_is_found(drill):
    drill.script("backup.sh", "check")
    path = next(one for one in (drill.backups / "media").rglob("*.pdf"))
    before = path.read_bytes()
    path.write_bytes(before[:-1])
    done = drill.script("backup.sh", "check", check=False)
    path.write_bytes(before)
    assert done.returncode == 1
    assert f"{path.name}: FAILED" in done.stdout


# --- what must not happen ----------------------------------------------------------------------------


def test_a_damaged_base_backup_is_refused(drill):
    base = next((drill.backups / "base").iterdir())
    path = base / "global" / "pg_control"
    before = path.read_bytes()
    path.write_bytes(before[:100] + bytes([before[100] ^ 1]) + before[101:])
    target = drill.folder / "damaged"
    done = drill.script("restore.sh", "--to", target, check=False)
    path.write_bytes(before)
    assert done.returncode != 0
    assert "checksum mismatch" in done.stderr
    assert not target.exists()


def test_nothing_is_written_over(drill):
    target = give(drill.folder / "in use")
    (target / "PG_VERSION").write_text("18")
    done = drill.script("restore.sh", "--to", target, check=False)
    assert done.returncode == 1
    assert "is not empty; nothing was done" in done.stderr
    assert [one.name for one in target.iterdir()] == ["PG_VERSION"]


def test_a_time_before_the_first_backup_is_refused(drill):
    done = drill.script(
        "restore.sh", "--to", drill.folder / "early", "--until", "2020-01-01 00:00:00", check=False
    )
    assert done.returncode == 1
    assert "no base backup was complete by 2020-01-01 00:00:00" in done.stderr


def test_keys_lie_apart(drill):
    [copy] = drill.keys.iterdir()
    assert copy.read_bytes() == (drill.data / "keys.json").read_bytes()
    assert copy.stat().st_mode & 0o777 == 0o600
    beside = drill.backups / "keys"
    done = drill.server.run(
        "/bin/bash", DEPLOY / "backup.sh", check=False,
        CPE_BACKUP_DIR=str(drill.backups), CPE_DATA_DIR=str(drill.data), CPE_KEYS_BACKUP_DIR=str(beside),
    )  # fmt: skip
    assert done.returncode == 1
    assert "CPE_KEYS_BACKUP_DIR lies in CPE_BACKUP_DIR" in done.stderr
    secret = (drill.data / "keys.json").read_text().split('"index_key": "')[1][:32].encode()
    assert not [path for path in drill.backups.rglob("*") if path.is_file() and secret in path.read_bytes()]


def test_a_segment_is_never_replaced(drill, tmp_path):
    """Two servers that archive into one folder: the second is refused, the same segment again is not."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1" * 100)
    other.write_bytes(b"2" * 100)
    command = ["sh", DEPLOY / "archive_wal.sh"]
    assert subprocess.run([*command, one, "00000001", folder]).returncode == 0
    assert subprocess.run([*command, one, "00000001", folder]).returncode == 0
    refused = subprocess.run([*command, other, "00000001", folder], capture_output=True, text=True)
    assert refused.returncode == 1
    assert "is another segment of that name" in refused.stderr
    assert (folder / "00000001").read_bytes() == b"1" * 100
    assert [path.name for path in folder.iterdir()] == ["00000001"]
