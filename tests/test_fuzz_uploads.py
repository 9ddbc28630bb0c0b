"""Hostile files through the real pages (trust.md 3.9, 4.5): stored safely or refused with one sentence, nothing else.

Stored safely: a picture is written anew, so that nothing hidden in it survives; a PDF can do nothing by itself; the
name has no folder and nothing invisible; the file lies in the private folder and is served as what it is, with nosniff
and a policy that lets it run nothing.
"""

import io
import re
from itertools import islice
from pathlib import Path

import pytest
from django.db import transaction
from django.test import override_settings
from django.urls import reverse
from PIL import Image

from config.media import cross_check
from tests.fuzzing import chance
from tests.hostile_files import MARKS, corpus, mutants
from tests.sheets import xlsx
from tests.test_matrix import World
from tests.tiers import figure, times
from workflow.models import Attachment
from workflow.uploads import _ACTIVE

pytestmark = pytest.mark.django_db

MUTANTS = times(100, 600)
TYPES = {"application/pdf": b"%PDF-", "image/jpeg": b"\xff\xd8\xff", "image/png": b"\x89PNG\r\n\x1a\n"}
INVISIBLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069/\\\\]")
FORM = reverse("registration:correction")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """What lies around the private folder stays as it is."""
    folder = tmp_path_factory.mktemp("around")
    (folder / "private").mkdir()
    return folder


@pytest.fixture(autouse=True)
def private_files(settings, place):
    settings.MEDIA_ROOT = place / "private"


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, place):
    with django_db_blocker.unblock(), override_settings(MEDIA_ROOT=place / "private"), transaction.atomic():
        yield World()
        transaction.set_rollback(True)


def part(name: str, content: bytes, field: str = "files", raw: bytes | None = None) -> bytes:
    """One part of a multipart body, its file name written as it is, quotes and all."""
    written = raw if raw is not None else name.encode("utf-8", "surrogatepass")
    head = b'--XX\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\nContent-Type: image/svg+xml\r\n\r\n'
    return head % (field.encode(), written) + content + b"\r\n"


def send(client, *parts: bytes, url: str = FORM):
    answer = client.post(
        url, b"".join(parts) + b"--XX--\r\n", content_type="multipart/form-data; boundary=XX"
    )
    assert answer.status_code < 500
    return answer


def judged(world, *parts: bytes, who: str = "person") -> list[Attachment]:
    """Send a form that lacks everything but its files: the good ones are kept, each bad one is told."""
    before = set(Attachment.objects.values_list("pk", flat=True))
    answer = send(world.clients[who], *parts)
    kept = list(Attachment.objects.exclude(pk__in=before).order_by("pk"))
    if answer.status_code == 200:
        sentences = answer.context["form"].errors.get("files", [])
        assert all(
            sentence.rstrip("。").count("。") == 0 and len(sentence) < 200 for sentence in sentences
        ), sentences
        assert kept or sentences, "neither kept nor told"
    else:
        assert answer.status_code == 400
        assert not kept
    for one in kept:
        look_at(world, one)
    return kept


def look_at(world, one: Attachment) -> None:
    """What was kept, on the disk and as it is served."""
    private = Path(world.private)
    path = Path(one.file.path).resolve()
    assert path.is_relative_to(private.resolve())
    assert path.stat().st_mode & 0o777 == 0o600
    content = path.read_bytes()
    assert content.startswith(TYPES[one.content_type])
    if one.content_type == "application/pdf":
        assert not _ACTIVE.search(content)
    else:
        assert not [mark for mark in MARKS if mark in content]
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            assert not image.getexif()
    assert 0 < len(one.name) <= 120
    assert not INVISIBLE.search(one.name)
    one.draft, one.application_id = "", world.objects["application"]["application_id"]
    one.save()
    url = reverse("workflow:attachment", args=[one.pk])
    for query, disposition in (("", "attachment"), ("?open", "inline")):
        answer = world.clients["person"].get(url + query)
        assert b"".join(answer.streaming_content) == content
        headers = answer.headers
        assert headers["Content-Type"] == one.content_type
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Disposition"].startswith(disposition)
        assert "\n" not in headers["Content-Disposition"]
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "sandbox" in policy or (query and one.content_type == "application/pdf")
    assert world.clients["region"].get(url).status_code == 404


@pytest.fixture
def undone(world, place):
    world.private = place / "private"
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


CORPUS = corpus()
REFUSED_ALWAYS = [
    case
    for case in CORPUS
    if case.startswith(("svg", "html", "pdf with", "only magic", "half", "zip", "gif", "eicar", "png of"))
]


@pytest.mark.usefixtures("undone")
@pytest.mark.parametrize("case", CORPUS)
def test_a_hostile_file_is_kept_safely_or_refused_with_a_sentence(world, case):
    name, content = CORPUS[case]
    with figure("hostile_files") as counted:
        counted.tried += 1
        kept = judged(world, part(name, content))
        assert not (kept and case in REFUSED_ALWAYS), "kept"
        # Django drops a part that is named like a folder or in no UTF-8; a line end or 1 kB of name ends its head.
        unreadable = "\n" in name or "\ud800" in name or len(name) > 1_000 or not name.strip(". /\\~")
        if case.startswith("name:") and not unreadable:
            assert kept, "a good file under a strange name"


@pytest.mark.usefixtures("undone")
def test_mutants_of_good_files(world):
    with figure("hostile_files") as counted:
        kept = 0
        for name, content in mutants(chance("mutants"), MUTANTS):
            counted.tried += 1
            with transaction.atomic():
                kept += len(judged(world, part(name, content)))
                transaction.set_rollback(True)
    assert 0 < kept < MUTANTS, "all or none of them: then the mutants are no test"


@pytest.mark.usefixtures("undone")
def test_names_that_no_browser_writes(world):
    content = CORPUS["pdf and html"][1]
    written = [
        b"\xff\xfe.pdf", b"\xc0\xae\xc0\xae/x.pdf", b"=?utf-8?B?Li4v?=", b"x\\", b'x\\".pdf', b"\x1b[2J.pdf", b"a\tb\x0bc.pdf",
        b"%00.pdf", b"x.pdf\xe5\xa5", b"utf-8''..%2f..%2fx.pdf",
    ]  # fmt: skip
    with figure("hostile_files") as counted:
        for raw in written:
            counted.tried += 1
            with transaction.atomic():
                judged(world, part("", content, raw=raw))
                transaction.set_rollback(True)
        for header in (
            b"filename*=utf-8''..%2F..%2Fetc%2Fx.pdf",
            b"filename*=x''%FF",
            b'filename="a.pdf"; filename="../b.exe"',
            b"filename*0=..; filename*1=/x.pdf",
        ):
            counted.tried += 1
            with transaction.atomic():
                body = (
                    b'--XX\r\nContent-Disposition: form-data; name="files"; '
                    + header
                    + b"\r\n\r\n"
                    + content
                    + b"\r\n"
                )
                judged(world, body)
                transaction.set_rollback(True)


@pytest.mark.usefixtures("undone")
def test_parts_of_the_same_name_are_judged_one_by_one(world):
    good, bad = CORPUS["pdf at the limit"][1], CORPUS["eicar"][1]
    with figure("hostile_files") as counted:
        counted.tried += 3
        assert [
            one.name for one in judged(world, part("a.pdf", good), part("a.pdf", bad), part("a.pdf", good))
        ] == ["a.pdf"]
        assert judged(world, *(part(f"{number}.pdf", bad) for number in range(10))) == []
        many = send(world.clients["person"], *(part(f"{number}.pdf", bad) for number in range(11)))
        assert many.status_code == 400


@pytest.mark.usefixtures("undone")
@pytest.mark.parametrize("who", ["office", "nobody"])
def test_other_doors_for_files_refuse_them(world, who):
    """A spreadsheet for the intake, a certificate to be checked: the same files, and mutants of good ones."""
    door = {"office": ("credits:intake_upload", "file"), "nobody": ("credits:verify", "file")}[who]
    provider = str(world.objects["provider"]["provider_id"]).encode()
    fields = b'--XX\r\nContent-Disposition: form-data; name="provider"\r\n\r\n' + provider + b"\r\n"
    fields += b'--XX\r\nContent-Disposition: form-data; name="check_file"\r\n\r\n1\r\n'
    sheet = [
        (
            "学时.xlsx",
            xlsx([["E-1", "370902196001010008", "测试", 2025, "公需科目", 6, "课程", "2025-06-18"]]),
        )
    ]
    files = [*CORPUS.values(), *mutants(chance(who), times(20, 300), sheet if who == "office" else None)]
    with figure("hostile_files") as counted:
        for name, content in islice(files, times(60, 400)):
            counted.tried += 1
            with transaction.atomic():
                answer = send(world.clients[who], fields, part(name, content, door[1]), url=reverse(door[0]))
                assert answer.status_code in (200, 302, 400, 429), name
                transaction.set_rollback(True)


def test_nothing_lies_outside_the_private_folder(world, place):
    """After all of the above."""
    assert [one.name for one in place.iterdir()] == ["private"]
    strange = [
        path for path in place.rglob("*") if path.is_file() and not re.fullmatch(r"[\w./-]+", str(path))
    ]
    assert not strange
    assert not [one for one in cross_check() if one.what != "without row"], (
        "rows of the world whose file is gone"
    )
