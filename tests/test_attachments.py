"""Files that come with a form: what is taken, what is refused and how it is said, and whose a draft is."""

import io
import zlib
from datetime import timedelta

import pytest
from django import forms
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.http import QueryDict
from django.test import RequestFactory
from django.utils import timezone
from PIL import Image

from workflow.attachments import WithAttachments, claim, copy_to_draft
from workflow.flow import Refused
from workflow.models import Application, Attachment
from workflow.uploads import clean_name

# --- what people and attackers send -----------------------------------------------------------------


def picture(kind="JPEG", size=(60, 40), **save) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#175A6B").save(out, kind, **save)
    return out.getvalue()


def with_camera_data() -> bytes:
    """A photo that lies on its side and says where it was taken."""
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    exif[0x010F] = "SecretCamera"
    return picture(exif=exif.tobytes())


def pdf(body: bytes = b"1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n") -> bytes:
    return b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"


def object_stream(inside: bytes, head: bytes = b"/Type /ObjStm /Filter /FlateDecode") -> bytes:
    packed = zlib.compress(inside)
    return b"5 0 obj << %s /N 1 /First 4 /Length %d >>\nstream\n%s\nendstream\nendobj\n" % (
        head,
        len(packed),
        packed,
    )


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims these dimensions."""
    whole = bytearray(picture("PNG"))
    whole[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    whole[29:33] = zlib.crc32(bytes(whole[12:29])).to_bytes(4, "big")
    return bytes(whole)


WRONG_KIND = "不是 PDF、JPG 或 PNG"
BROKEN = "不完整或已损坏"
ACTIVE = "含有脚本、嵌入文件或外部动作"
PIXELS = "尺寸超过 40 兆像素"

REFUSED = {
    "a program under the name of a PDF": ("a.pdf", b"MZ\x90\x00" + b"\0" * 200, WRONG_KIND),
    "a page under the name of a picture": ("a.jpg", b"<html><script>alert(1)</script></html>", WRONG_KIND),
    "a drawing with a script": (
        "a.png",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>",
        WRONG_KIND,
    ),
    "a GIF that is also an archive": ("a.png", b"GIF89a" + b"\0" * 50 + b"PK\x03\x04", WRONG_KIND),
    "an archive": ("a.pdf", b"PK\x03\x04" + b"\0" * 50, WRONG_KIND),
    "a page with a PDF behind it": ("a.pdf", b"<html></html>\n" + pdf(), WRONG_KIND),
    "a PDF with an archive behind it": ("a.pdf", pdf() + b"PK\x03\x04" + b"\1" * 50, BROKEN),
    "half a PDF": ("a.pdf", pdf()[:-8], BROKEN),
    "only the magic of a PDF": ("a.pdf", b"%PDF-", BROKEN),
    "only the magic of a JPEG": ("a.jpg", b"\xff\xd8\xff", BROKEN),
    "only the magic of a PNG": ("a.png", b"\x89PNG\r\n\x1a\n", BROKEN),
    "half a PNG": ("a.png", picture("PNG", (400, 400))[:300], BROKEN),
    "half a JPEG": ("a.jpg", picture("JPEG", (400, 400))[:500], BROKEN),
    "a PNG with a wrong checksum": ("a.png", picture("PNG").replace(b"IDAT", b"IDAX"), BROKEN),
    "a bomb of 50,000 by 50,000 pixels": ("a.png", png_of(50_000, 50_000), PIXELS),
    "just above 40 megapixels": ("a.png", png_of(8_000, 5_001), PIXELS),
    "a PDF with a script": (
        "a.pdf",
        pdf(b"1 0 obj << /S /JavaScript /JS (app.alert(1)) >> endobj\n"),
        ACTIVE,
    ),
    "the same, spelt otherwise": ("a.pdf", pdf(b"1 0 obj << /S /J#61va#53cript >> endobj\n"), ACTIVE),
    "the same, in a compressed stream": ("a.pdf", pdf(object_stream(b"7 0 << /S /JavaScript >>")), ACTIVE),
    "a PDF that starts a program": ("a.pdf", pdf(b"1 0 obj << /S /Launch /F (cmd.exe) >> endobj\n"), ACTIVE),
    "a PDF that carries a file": (
        "a.pdf",
        pdf(b"1 0 obj << /Names << /EmbeddedFiles 3 0 R >> >> endobj\n"),
        ACTIVE,
    ),
    "a PDF that calls home when opened": (
        "a.pdf",
        pdf(b"1 0 obj << /OpenAction << /S /URI /URI (http://example.org) >> >> endobj\n"),
        ACTIVE,
    ),
    "the same, by reference": (
        "a.pdf",
        pdf(
            b"1 0 obj << /OpenAction 9 0 R >> endobj\n9 0 obj << /S /URI /URI (http://example.org) >> endobj\n"
        ),
        ACTIVE,
    ),
    "by reference to an object that is written twice, harmless first": (
        "a.pdf",
        pdf(
            b"1 0 obj << /OpenAction 09 0 R >> endobj\n9 0 obj << /S /GoTo >> endobj\n"
            b"9 0 obj << /S /URI /URI (http://example.org) >> endobj\n"
        ),
        ACTIVE,
    ),
    "a locked PDF whose objects cannot be read": (
        "a.pdf",
        pdf(object_stream(b"7 0 << >>") + b"8 0 obj << /Encrypt 9 0 R >> endobj\n"),
        "受密码保护或无法检查",
    ),
    "a stream that is not what it says": (
        "a.pdf",
        pdf(b"5 0 obj << /Type /ObjStm /Filter /FlateDecode >>\nstream\nnonsense\nendstream\nendobj\n"),
        "受密码保护或无法检查",
    ),
    "a compressed stream that never ends": ("a.pdf", pdf(object_stream(b"\0" * 70_000_000)), "无法检查"),
    "nothing": ("a.pdf", b"", "是空文件，请重新选择"),
}

TAKEN = {
    "a PDF": ("培训证书.pdf", pdf(), "培训证书.pdf"),
    "a PDF that opens at its second page": (
        "a.pdf",
        pdf(b"1 0 obj << /OpenAction [3 0 R /Fit] >> endobj\n2 0 obj << /S /URI /URI (http://a.cn) >> endobj\n"),
        "a.pdf",
    ),
    "a PDF with compressed objects": ("a.pdf", pdf(object_stream(b"7 0 << /Type /Page >>")), "a.pdf"),
    "a PDF under another name": ("证书.jpg", pdf(), "证书.jpg.pdf"),
    "a JPEG": ("a.JPEG", picture(), "a.JPEG"),
    "a JPEG for print": ("a.jpg", (lambda o: (Image.new("CMYK", (9, 9)).save(o, "JPEG"), o.getvalue())[1])(io.BytesIO()), "a.jpg"),
    "a PNG": ("a.png", picture("PNG"), "a.png"),
    "a PNG under the name of a program": ("a.exe", picture("PNG"), "a.exe.png"),
}  # fmt: skip

NAMES = {
    "../../etc/passwd": "passwd",
    "C:\\Users\\me\\证书.pdf": "证书.pdf",
    "证书\u202efdp.exe": "证书fdp.exe",
    "a\x00b\r\nc.pdf": "ab c.pdf",
    "  .. ": "附件",
    "": "附件",
    ".pdf": "pdf",
    "好" * 300 + ".pdf": "好" * 300 + ".pdf",
}


# --- a form and a browser ----------------------------------------------------------------------------


class ProofForm(WithAttachments, forms.Form):
    title = forms.CharField(label="活动名称", error_messages={"required": "请填写活动名称。"})


class Browser:
    """One browser session of one person (or of nobody yet)."""

    def __init__(self, user=None):
        self.user, self.session = user or AnonymousUser(), SessionStore()

    def send(self, *files, **fields) -> ProofForm:
        request = RequestFactory().post(
            "/", {"title": "论坛", **fields, "files": [file(*one) for one in files]}
        )
        return self._form(request)

    def again(self, form: ProofForm, *files, drop=(), **fields) -> ProofForm:
        """Answer the page that showed `form`: every hidden field, every box ticked but those dropped."""
        data = dict(form.data.lists())
        data["files_keep"] = [one.key for one in form.fields["files"].kept_files if one.name not in drop]
        request = RequestFactory().post("/", {**data, **fields, "files": [file(*one) for one in files]})
        return self._form(request)

    def request(self):
        request = RequestFactory().get("/")
        request.user, request.session = self.user, self.session
        return request

    def _form(self, request) -> ProofForm:
        request.user, request.session = self.user, self.session
        form = ProofForm(request.POST, request=request)
        form.full_clean()
        return form


def file(name, content):
    return SimpleUploadedFile(name, content)


def names(form) -> list[str]:
    return [one.name for one in form.fields["files"].kept_files]


@pytest.fixture
def browser(db):
    return Browser()


# --- what is taken -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_gets_one_sentence(browser, case):
    name, content, sentence = REFUSED[case]
    form = browser.send((name, content))
    assert not form.is_valid()
    assert list(form.errors) == ["files"]
    assert len(form.errors["files"]) == 1
    assert sentence in form.errors["files"][0]
    assert form.errors["files"][0].endswith("。")
    assert not Attachment.objects.exists()


@pytest.mark.parametrize("case", TAKEN)
def test_a_good_file_is_taken_whatever_its_name(browser, case):
    name, content, stored_name = TAKEN[case]
    form = browser.send((name, content))
    assert form.is_valid(), form.errors
    (one,) = form.cleaned_data["files"]
    assert one.name == stored_name
    assert one.size == one.file.size
    assert one.content_type in ("application/pdf", "image/jpeg", "image/png")


def test_the_wrong_kind_is_named(browser):
    form = browser.send(("x.exe", b"MZ"))
    assert form.errors["files"] == ["文件“x.exe”不是 PDF、JPG 或 PNG，请换一个文件。"]


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (10 * 1024 * 1024 - 1, None),
        (10 * 1024 * 1024, None),
        (10 * 1024 * 1024 + 1, "文件“a.pdf”有 10.1 MB，超过 10 MB，请压缩后再传。"),
        (12_897_485, "文件“a.pdf”有 12.4 MB，超过 10 MB，请压缩后再传。"),
    ],
)
def test_ten_megabytes_is_the_limit(browser, size, sentence):
    whole = pdf()
    content = whole[:9] + b"%" + b"x" * (size - len(whole) - 2) + b"\n" + whole[9:]
    assert len(content) == size
    form = browser.send(("a.pdf", content))
    assert form.is_valid() == (sentence is None)
    assert form.errors.get("files", [None]) == [sentence]


def test_no_more_than_the_limit_is_ever_kept_of_an_upload(browser, settings):
    settings.ATTACHMENT_MAX_BYTES = 1000
    request = RequestFactory().post("/", {"title": "论坛", "files": [file("a.pdf", b"x" * 500_000)]})
    upload = request.FILES["files"]
    assert upload.size == 500_000
    assert len(upload.read()) <= 1000
    assert request.POST["title"] == "论坛", "the form's other fields are read all the same"


def test_camera_data_goes_and_the_picture_stands_upright(browser):
    sent = with_camera_data()
    assert b"SecretCamera" in sent
    (one,) = _cleaned(browser.send(("a.jpg", sent)))
    stored = one.file.read()
    assert b"SecretCamera" not in stored
    assert Image.open(io.BytesIO(stored)).size == (40, 60)
    assert not Image.open(io.BytesIO(stored)).getexif()


def test_what_hides_behind_a_picture_does_not_survive(browser):
    for name, content in [
        ("a.jpg", picture() + b"<?php system($_GET['c']); ?>"),
        ("a.jpg", picture(comment=b"<?php system(1); ?>")),
        ("a.png", picture("PNG") + b"<?php PK\x03\x04"),
    ]:
        (one,) = _cleaned(browser.send((name, content)))
        assert b"<?php" not in one.file.read()


@pytest.mark.parametrize("name", NAMES)
def test_names_lose_folders_and_invisible_characters(name):
    assert clean_name(name) == NAMES[name]


@pytest.mark.parametrize("name", [*NAMES, "a" * 400, "文" * 400 + ".PDF", "<img src=x onerror=1>.pdf"])
def test_any_name_can_be_stored(browser, name):
    form = browser.send((name or "无名", pdf()))
    # Django itself drops a part whose name is only dots: then no file was chosen.
    if form.is_valid():
        (one,) = form.cleaned_data["files"]
        assert len(one.name) <= 120
        assert one.name.lower().endswith(".pdf")
        assert one.file.name.count("/") == 1
    else:
        assert form.errors["files"] == ["请上传证明材料"]


# --- nothing is lost -----------------------------------------------------------------------------------


def test_good_files_stay_when_the_form_has_errors(browser):
    form = browser.send(("a.pdf", pdf()), ("b.exe", b"MZ"), title="")
    assert set(form.errors) == {"title", "files"}
    assert names(form) == ["a.pdf"]
    form = browser.again(form, title="论坛")
    assert form.is_valid()
    assert [one.name for one in form.cleaned_data["files"]] == ["a.pdf"]


def test_the_page_lists_what_is_kept_with_a_box_each(browser):
    html = browser.send(("a.pdf", pdf()), title="").as_p()
    assert 'name="draft"' in html
    form = browser.send(("<b>.pdf", pdf()), title="")
    assert names(form) == ["<b>.pdf"]


def test_an_unticked_file_is_removed_from_the_disk_too(browser, django_capture_on_commit_callbacks):
    form = browser.send(("a.pdf", pdf()), ("b.png", picture("PNG")), title="")
    gone = form.fields["files"].kept_files[0].file.name
    with django_capture_on_commit_callbacks(execute=True):
        form = browser.again(form, drop=["a.pdf"], title="论坛")
        assert form.is_valid()
    assert names(form) == ["b.png"]
    assert not default_storage.exists(gone)


def test_removing_the_last_needed_file_asks_for_one(browser):
    form = browser.again(browser.send(("a.pdf", pdf())), drop=["a.pdf"])
    assert form.errors["files"] == ["请上传证明材料"]


def test_going_back_and_sending_again_loses_nothing(browser):
    first = browser.send(("a.pdf", pdf()), title="")
    old_page = first.data.copy()
    browser.again(first, ("b.png", picture("PNG")), title="")
    # The page from before b.png was there, sent once more.
    request = RequestFactory().post("/", {**dict(old_page.lists()), "title": "论坛"})
    form = browser._form(request)
    assert form.is_valid()
    assert [one.name for one in form.cleaned_data["files"]] == ["a.pdf", "b.png"]


def test_the_same_file_twice_is_one_file(browser):
    form = browser.send(("a.pdf", pdf()), ("b.pdf", pdf()), title="")
    form = browser.again(form, ("a.pdf", pdf()), title="论坛")
    assert [one.name for one in _cleaned(form)] == ["a.pdf"]


def test_at_most_five_files(browser):
    many = [(f"{number}.png", picture("PNG", (number, 9))) for number in range(1, 8)]
    form = browser.send(*many)
    assert names(form) == [f"{number}.png" for number in range(1, 6)]
    assert form.errors["files"] == [
        f"最多 5 个文件，“{number}.png”没有收下，请先去掉不需要的文件。" for number in (6, 7)
    ]


def test_what_is_carried_to_a_check_page_binds_again(browser):
    form = browser.send(("a.pdf", pdf()))
    assert form.is_valid()
    carried = QueryDict(form.data.urlencode())
    again = ProofForm(carried, request=browser.request())
    assert again.is_valid()
    assert [one.name for one in again.cleaned_data["files"]] == ["a.pdf"]


# --- whose a draft is ------------------------------------------------------------------------------------


def test_a_token_of_another_session_opens_nothing(browser):
    form = browser.send(("a.pdf", pdf()), title="")
    thief = Browser().send(draft=form.draft_token)
    assert names(thief) == []
    assert thief.errors["files"] == ["请上传证明材料"]


def test_a_draft_belongs_to_the_person_also_after_a_new_login(town):
    user = town.user()
    form = Browser(user).send(("a.pdf", pdf()), title="")
    assert names(Browser(user).again(form)) == ["a.pdf"]
    assert names(Browser(town.user()).again(form)) == []


def test_a_foreign_token_removes_nothing(browser):
    form = browser.send(("a.pdf", pdf()), title="")
    Browser().again(form, drop=["a.pdf"]).is_valid()
    assert Attachment.objects.count() == 1


@pytest.mark.parametrize("token", ["", "x", "'; drop", "0" * 64, "好" * 60, "a" * 5000, "\x00"])
def test_an_invented_token_is_harmless(browser, token):
    form = browser.send(draft=token)
    assert "files" in form.errors
    assert names(form) == []


# --- submission --------------------------------------------------------------------------------------------


@pytest.fixture
def application(town):
    person = town.practitioner(at=town.employer())
    return Application.objects.create(
        kind="x", duty="hours", practitioner=person, person=person.user, submitted_by=person.user
    )


def test_claimed_files_belong_to_the_application(browser, application):
    form = browser.send(("a.pdf", pdf()))
    assert form.is_valid()
    assert claim(form, application) == 1
    (one,) = application.attachments.all()
    assert (one.name, one.draft) == ("a.pdf", "")


def test_a_second_click_finds_nothing_left(browser, application):
    form = browser.send(("a.pdf", pdf()))
    assert form.is_valid()
    claim(form, application)
    with pytest.raises(Refused, match="请重新上传后再提交"):
        claim(form, application)


def test_filing_anew_starts_with_copies(browser, application):
    form = browser.send(("a.pdf", pdf()))
    assert form.is_valid()
    claim(form, application)
    token = copy_to_draft(application, browser.request())
    assert copy_to_draft(application, browser.request()) == token
    fresh = ProofForm(initial={"draft": token}, request=browser.request())
    assert names(fresh) == ["a.pdf"]
    assert fresh.fields["files"].kept_files[0].file.read() == pdf()
    assert application.attachments.count() == 1
    assert Attachment.objects.count() == 2


def test_stale_drafts_are_purged_and_nothing_else(
    browser, application, django_capture_on_commit_callbacks, capsys
):
    submitted, stale, young = (browser.send(("a.pdf", pdf())) for _ in range(3))
    assert all(form.is_valid() for form in (submitted, stale, young))
    claim(submitted, application)
    week = timezone.now() - timedelta(days=8)
    Attachment.objects.exclude(
        draft=Attachment.objects.get(pk=young.cleaned_data["files"][0].pk).draft
    ).update(uploaded_at=week)
    with django_capture_on_commit_callbacks(execute=True):
        call_command("purge_drafts")
    assert "drafts deleted: 1" in capsys.readouterr().out
    left = Attachment.objects.all()
    assert {one.application_id for one in left} == {application.pk, None}
    assert all(default_storage.exists(one.file.name) for one in left)


def _cleaned(form) -> list[Attachment]:
    assert form.is_valid(), form.errors
    return form.cleaned_data["files"]
