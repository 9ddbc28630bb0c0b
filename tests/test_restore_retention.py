"""What deploy/backup.sh forgets: nothing that a restore within the kept days would need."""

import os
import sys
import time

import pytest

from tests.cluster import verifies_backups
from tests.test_restore import Drill, checksums

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="deploy's scripts are for Linux"),
    # In CI its absence is a failure.
    pytest.mark.skipif(
        not verifies_backups() and os.environ.get("CI") != "true",
        reason="!!! no working pg_verifybackup: no drill",
    ),
]


@pytest.fixture
def drill(tmp_path):
    one = Drill(tmp_path)
    one.start()
    one.server.sql("CREATE TABLE public.one (n integer)", "cpe")
    (one.data / "keys.json").write_text("{}")
    yield one
    one.stop()


def names(folder) -> list[str]:
    return sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))


def write(drill, name: str) -> None:
    path = drill.data / "files" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(name)
    os.utime(path, (time.time() - 3600,) * 2)


def test_old_backups_go_and_the_one_that_the_kept_days_begin_with_stays(drill):
    base, manifests = drill.backups / "base", drill.backups / "manifests"
    write(drill, "gone.pdf")
    for number, stamp in enumerate(("20200101T000000Z", "20200102T000000Z")):
        drill.server.sql(f"INSERT INTO one VALUES ({number})", "cpe")
        drill.archive_all()
        drill.script("backup.sh")
        [new] = [name for name in names(base) if name > "2020013"]
        (base / new).rename(base / stamp)
        (manifests / names(manifests)[-1]).rename(manifests / stamp)
    (drill.data / "files" / "gone.pdf").unlink()
    write(drill, "kept.pdf")
    drill.server.sql("INSERT INTO one VALUES (7)", "cpe")
    before = names(drill.backups / "wal")
    drill.script("backup.sh")
    # 14 days ago the second of the old ones was the newest: with it the kept time begins.
    assert names(base)[0] == "20200102T000000Z"
    assert len(names(base)) == 2
    after = names(drill.backups / "wal")
    assert len(after) < len(before) + 2
    assert before[0] not in after
    assert names(drill.backups / "media") == ["kept.pdf"]
    assert [line.split("  ")[1] for line in (drill.backups / "media.sha256").read_text().splitlines()] == [
        "kept.pdf"
    ]
    # Both that are left can be restored.
    drill.server.sql("INSERT INTO one VALUES (8)", "cpe")
    expected, noted = checksums(drill.server), drill.second()
    drill.server.sql("INSERT INTO one VALUES (9)", "cpe")
    drill.archive_all()
    assert checksums(drill.restore(noted)) == expected
    newest = names(base)[1]
    (base / newest).rename(drill.folder / newest)
    assert checksums(drill.restore(noted)) == expected
