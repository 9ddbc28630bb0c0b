"""Uploads go through the virus scanner (workflow/virus_scan.py): a real socket that speaks clamd's protocol."""

import logging
import socket
import time

import pytest
from django.core.checks import run_checks
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from config.settings import ATTACHMENT_MAX_BYTES
from credits.intake.reading import MOST_BYTES
from credits.models import IntakeBatch, Provider
from tests.clam_server import EICAR, SIGNATURE, ClamServer, ClamSocket
from tests.hostile_files import padded_pdf
from tests.test_attachments import pdf, picture
from workflow import virus_scan
from workflow.models import Attachment
from workflow.uploads import examine

pytestmark = pytest.mark.django_db

FOUND, AWAY = "没有通过病毒检查", "病毒检查暂时没有回应"
INFECTED = pdf(b"1 0 obj << /Type /Catalog >> endobj\n%" + EICAR + b"\n")
NAME = "张三的体检报告.pdf"
FORM = reverse("registration:correction")


@pytest.fixture
def scanner(settings):
    server = ClamServer()
    settings.CLAMD_ADDRESS, settings.CLAMD_SECONDS = server.address, 10
    yield server
    server.close()


def file(content: bytes = INFECTED, name: str = NAME) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def errors_of(answer) -> list[str]:
    assert answer.status_code == 200
    return list(answer.context["form"].errors.get("files", []))


def send(town, *files) -> list[str]:
    """A form with nothing but these files; what stands beside the field afterwards."""
    client = town.login(town.practitioner(at=town.employer()))
    return [error for error in errors_of(client.post(FORM, {"files": list(files)})) if "请上传" not in error]


# --- one file ----------------------------------------------------------------------------------------


def test_what_the_scanner_knows_is_refused_beside_its_field(town, scanner, caplog):
    with caplog.at_level(logging.INFO):
        assert send(town, file()) == [
            f"文件“{NAME}”没有通过病毒检查，不能接收，请先用杀毒软件检查电脑，再换一个没有问题的文件。"
        ]
    assert scanner.scanned == [INFECTED]
    assert not Attachment.objects.exists()
    lines = [one.getMessage() for one in caplog.records if one.name == "workflow.virus_scan"]
    assert lines == [f"virus scan: upload refused, found {SIGNATURE}"]


def test_what_it_does_not_know_is_kept_and_was_seen_as_it_came(town, scanner):
    photo = picture("PNG") + b"behind the picture"
    assert send(town, file(pdf()), file(photo, "甲.png")) == []
    assert scanner.scanned == [pdf(), photo]
    kept = {one.name: one.file.read() for one in Attachment.objects.all()}
    assert kept[NAME] == pdf()  # read again from its beginning
    assert kept["甲.png"].startswith(b"\x89PNG")
    assert b"behind" not in kept["甲.png"]


def test_it_is_seen_before_anything_opens_it(town, scanner):
    """A virus behind a picture would not be stored, and a broken picture is no picture: the scanner has seen both."""
    assert FOUND in send(town, file(picture() + EICAR, "甲.jpg"))[0]
    assert FOUND in send(town, file(b"\xff\xd8\xff" + EICAR, "甲.jpg"))[0]
    assert not Attachment.objects.exists()


def test_the_good_one_of_two_is_kept(town, scanner):
    found = send(town, file(), file(pdf(), "好的.pdf"))
    assert len(found) == 1
    assert FOUND in found[0]
    assert [one.name for one in Attachment.objects.all()] == ["好的.pdf"]


def test_without_an_address_nobody_is_asked(town, scanner, settings):
    settings.CLAMD_ADDRESS = ""
    assert send(town, file()) == []
    assert scanner.scanned == []
    assert Attachment.objects.count() == 1


def test_by_a_unix_socket(town, settings, tmp_path):
    server = ClamSocket(tmp_path / "clamd.ctl")
    settings.CLAMD_ADDRESS = server.address
    try:
        assert FOUND in send(town, file())[0]
        assert send(town, file(pdf())) == []
        assert virus_scan.answers()
    finally:
        server.close()
    assert AWAY in send(town, file(pdf()))[0]


def test_the_largest_files_are_sent_whole(scanner):
    largest = padded_pdf(ATTACHMENT_MAX_BYTES)
    assert examine(file(largest)).content == largest
    assert scanner.scanned == [largest]
    sheet = bytes(MOST_BYTES - len(EICAR)) + EICAR
    with pytest.raises(virus_scan.Infected):
        virus_scan.check(file(sheet), "表")


# --- a scanner that says nothing of use: fail closed ---------------------------------------------------


def refused_for_now(town, caplog) -> str:
    """Send a clean file; the one line of the log."""
    with caplog.at_level(logging.INFO):
        assert send(town, file(pdf())) == [
            f"文件“{NAME}”这次没有收下：平台的病毒检查暂时没有回应，请过几分钟重新选择文件再提交。"
        ]
    assert not Attachment.objects.exists()
    lines = [one for one in caplog.records if one.name == "workflow.virus_scan"]
    assert len(lines) == 1
    assert lines[0].exc_info is None
    assert NAME not in caplog.text
    assert "%PDF" not in caplog.text
    return lines[0].getMessage().removeprefix("virus scan failed, upload refused: ")


def test_a_dead_port(town, scanner, caplog):
    scanner.close()
    assert refused_for_now(town, caplog) == "ConnectionRefusedError"


@pytest.mark.parametrize("mode", ["silent", "slow", "deaf"])
def test_one_that_never_comes_to_an_end(town, scanner, settings, caplog, mode):
    scanner.mode, settings.CLAMD_SECONDS = mode, 0.5
    began = time.monotonic()
    assert refused_for_now(town, caplog) == "TimeoutError"
    assert time.monotonic() - began < 5


def test_one_that_reads_nothing_of_a_large_file(scanner, settings):
    """More than what the two ends of a connection hold for each other."""
    scanner.mode, settings.CLAMD_SECONDS = "deaf", 0.5
    with pytest.raises(virus_scan.NotScanned):
        virus_scan.check(file(bytes(MOST_BYTES)), "表")


def test_five_files_wait_for_one_silence(town, scanner, settings):
    scanner.mode, settings.CLAMD_SECONDS = "silent", 0.5
    assert len(send(town, *(file(pdf(), f"{number}.pdf") for number in range(5)))) == 1
    assert len(scanner.scanned) == 1


def test_after_a_silence_nobody_waits_for_a_while(scanner, settings, monkeypatch):
    """Also when it is well again meanwhile; fail closed all the time."""
    scanner.mode, settings.CLAMD_SECONDS = "silent", 0.5
    with pytest.raises(virus_scan.NotScanned):
        virus_scan.check(file(pdf()), "甲")
    scanner.mode, settings.CLAMD_SECONDS = "well", 10
    already = len(scanner.scanned)
    with pytest.raises(virus_scan.NotScanned):
        virus_scan.check(file(pdf()), "甲")
    assert len(scanner.scanned) == already
    monkeypatch.setattr(virus_scan, "PAUSE", 0)
    virus_scan.check(file(pdf()), "甲")
    with pytest.raises(virus_scan.Infected):
        virus_scan.check(file(), "甲")
    assert len(scanner.scanned) == already + 2


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("hanging up", "it hung up without an answer"),
        ("stream: Can't allocate memory ERROR", "stream: Can't allocate memory ERROR"),
        ("INSTREAM: scan failed. ERROR", "INSTREAM: scan failed. ERROR"),
        ("OK", "OK"),
        ("stream: OK, more or less", "stream: OK, more or less"),
        ("stream: 张三 OK\n\x1b[2J", "stream:  OK[2J"),
        ("x" * 5_000, "x" * 200),
    ],
)
def test_answers_that_are_none(town, scanner, caplog, mode, said):
    scanner.mode = mode
    assert refused_for_now(town, caplog) == said


def test_a_file_that_is_longer_than_it_takes(scanner):
    scanner.most = 1_000_000
    with pytest.raises(virus_scan.NotScanned):
        virus_scan.check(file(bytes(MOST_BYTES)), "表")
    virus_scan.check(file(bytes(999_999)), "表")


def test_it_works_again_when_the_scanner_does(town, scanner):
    scanner.mode = "UNKNOWN COMMAND"
    client = town.login(town.practitioner(at=town.employer()))
    assert AWAY in errors_of(client.post(FORM, {"files": [file(pdf())]}))[0]
    scanner.mode = "well"
    client.post(FORM, {"files": [file(pdf())]})
    assert Attachment.objects.count() == 1


# --- the other ways in (all of them: tests/test_virus_scan_doors.py) --------------------------------------------------------------------------------------


def test_a_spreadsheet_waits_for_a_scanner_that_is_away(town, scanner, settings):
    provider = Provider.objects.create(code="test", name="示例学习平台", bureau=town.bureau)
    client, url = town.login(town.bureau), reverse("credits:intake_upload")
    scanner.mode = "UNKNOWN COMMAND"
    answer = client.post(url, {"provider": provider.pk, "file": file(b"x" * 100, "学时.xlsx")})
    assert AWAY in str(answer.context["form"].errors["file"])
    assert not IntakeBatch.objects.exists()
    scanner.mode = "well"
    answer = client.post(url, {"provider": provider.pk, "file": file(b"x" * 100, "学时.xlsx")})
    assert answer.status_code == 302
    batch = IntakeBatch.objects.get()
    assert batch.file.read() == scanner.scanned[-1] == b"x" * 100


def test_who_verifies_too_often_reaches_no_scanner(scanner):
    client = Client()
    statuses = [
        client.post(reverse("credits:verify"), {"check_file": "1", "file": file(pdf())}).status_code
        for _ in range(12)
    ]
    assert statuses == [200] * 10 + [429] * 2
    assert len(scanner.scanned) == 10


# --- those who watch -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("127.0.0.1:3310", ("127.0.0.1", 3310)),
        ("clam.example.org:1", ("clam.example.org", 1)),
        ("[::1]:3310", ("::1", 3310)),
        ("/run/clamav/clamd.ctl", "/run/clamav/clamd.ctl"),
    ],
)
def test_addresses(settings, address, place):
    settings.CLAMD_ADDRESS = address
    assert virus_scan.place_of(address) == place
    assert "cpe.E002" not in [one.id for one in run_checks()]


@pytest.mark.parametrize(
    "address",
    ["clamd", "127.0.0.1", ":3310", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:3310", "a b:1",
     "tcp://127.0.0.1:3310", "run/clamd.ctl", "host:1\n"],
)  # fmt: skip
def test_an_address_that_is_none_is_told_at_the_start_and_refuses_every_file(town, settings, caplog, address):
    settings.CLAMD_ADDRESS = address
    assert [one.id for one in run_checks() if one.id == "cpe.E002"] == ["cpe.E002"]
    assert refused_for_now(town, caplog) == "ValueError"


def test_ready_and_metrics_tell_of_it(client, scanner, settings):
    def told() -> tuple[int, str, str]:
        answer = client.get("/ready/")
        figures = client.get("/metrics").content.decode()
        return answer.status_code, answer.content.decode(), figures

    status, ready, figures = told()
    assert (status, "scanner: ok" in ready, "cpe_scanner_up 1" in figures) == (200, True, True)
    scanner.close()
    status, ready, figures = told()
    # Only uploads are refused: no host is taken away for it.
    assert (status, "scanner: no answer" in ready, "cpe_scanner_up 0" in figures) == (200, True, True)
    settings.CLAMD_ADDRESS = ""
    _, ready, figures = told()
    assert "scanner" not in ready
    assert "cpe_scanner_up" not in figures


def test_the_control_a_port_where_nobody_speaks_the_protocol(town, settings, caplog):
    """The scanner of these tests is no stand-in that says yes to anything."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.CLAMD_ADDRESS = f"127.0.0.1:{silent.getsockname()[1]}"
        settings.CLAMD_SECONDS = 0.3
        assert not virus_scan.answers(0.3)
        assert refused_for_now(town, caplog) == "TimeoutError"
