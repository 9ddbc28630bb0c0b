"""电子证书查验: what a stranger learns from number and code, what a changed row or file shows, how often one may ask."""

import dataclasses
import random
import re
import shutil
import subprocess

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from credits.certificates import issue, revoke
from credits.models import Certificate, CertificateCheck
from credits.paper.content import CODE_ALPHABET, grouped, restored, stored
from credits.printing import certificate_file
from credits.verifying import is_genuine, look_up, masked_twice
from tests import test_certificates
from tests.test_certificates import YEAR, complete, take_back, verified
from tests.test_credits_pages import text
from tests.test_paper_content import mutations

VERIFY = "/hours/verify/"
town, unit, signing_key = test_certificates.town, test_certificates.unit, test_certificates.signing_key


@pytest.fixture
def one(town, unit, settings):
    settings.SITE = settings.SITE | {"url": "https://jxjy.example.org"}
    person = complete(town, unit, "王晓妮")
    return issue(person, YEAR, by=town.actor(person))


def ask(number, code, client=None, **extra):
    return (client or Client()).post(VERIFY, {"number": number, "code": code}, **extra)


def ask_file(content: bytes, name="证书.pdf", **extra):
    return Client().post(VERIFY, {"file": SimpleUploadedFile(name, content), "check_file": "1"}, **extra)


def tampered(certificate, **columns):
    """The row changed past every rule, as who owns the database could."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE credits_certificate DISABLE TRIGGER credits_certificate_append_only")
        Certificate.objects.filter(pk=certificate.pk).update(**columns)
        cursor.execute("ALTER TABLE credits_certificate ENABLE TRIGGER credits_certificate_append_only")


# --- what is told -------------------------------------------------------------------------------------------


def test_number_and_code_show_the_masked_content(one):
    page = text(ask(one.number, grouped(one.code)))
    for words in (
        "有效",
        "王*妮",
        "3****************",
        "测试单位甲",
        f"{YEAR} 年",
        "公需科目",
        "专业科目",
        "92",
        "泰安市人力资源和社会保障局",
    ):
        assert words in page, words
    number = one.practitioner.user.id_number.reveal()
    assert "王晓妮" not in page
    for hidden in (number, number[:4] + "*", number[-4:]):
        assert hidden not in page
    assert masked_twice("3709**********2233") == "3****************3"


def test_typed_loosely_it_is_found(one):
    for number, code in (
        (one.number.lower(), one.code.lower()),
        (f" {one.number} ", f" {grouped(one.code).replace('-', ' ')} "),
        (one.number.replace("-", "－").replace("SD", "ＳＤ"), one.code.translate({ord(c): ord(c) + 0xFEE0 for c in one.code})),
    ):  # fmt: skip
        assert look_up(number, code).genuine


def test_the_address_of_the_qr_code_shows_it_at_once_and_leaves_no_trace(one):
    answer = Client().get(VERIFY, {"number": one.number, "code": one.code})
    assert "王*妮" in text(answer)
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Robots-Tag"] == "noindex"
    assert answer["Referrer-Policy"] == "same-origin"
    assert "填写编号和查验码" in text(Client().get(VERIFY, {"number": one.number}))


def test_each_state_says_what_it_means(town, unit):
    person = complete(town, unit, professional=62)
    application = verified(town, person, 10)
    first = issue(person, YEAR, by=town.actor(person))
    take_back(town, application)
    page = text(ask(first.number, first.code))
    assert "学时已变更" in page
    assert "不再作为学时证明" in page
    assert "证书系伪造" not in page
    second = issue(person, YEAR, by=town.actor(person))
    assert "换发了新证书" in text(ask(first.number, first.code))
    revoke(second, by=town.actor(town.bureau), reason="冒用他人材料")
    page = text(ask(second.number, second.code))
    assert "由人社部门撤销" in page
    assert "冒用他人材料" not in page
    assert "有效。请" not in page


def test_why_somebody_was_relieved_is_not_told(town, unit):
    from credits import packs
    from credits.models import Standing

    packs.publish(packs.draft(test_certificates.RELIEF, bureau=town.bureau))
    person = complete(town, unit, public=15, professional=30)
    Standing.objects.update(relief=[{"code": "maternity", "name": "产假", "months": 6}])
    one = issue(person, YEAR, by=town.actor(person))
    page = text(ask(one.number, one.code))
    assert "产假" not in page
    assert "按规定减免" in page


# --- what is not told ---------------------------------------------------------------------------------------


def same(answer, typed) -> str:
    page = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", text(answer))
    for words in typed:
        page = page.replace(f'value="{words}"', "")
    return page


def test_a_wrong_number_and_a_wrong_code_answer_alike(one):
    other = one.number[:-1] + ("2" if one.number[-1] == "1" else "1")
    code = ("3" if one.code[0] == "2" else "2") + one.code[1:]
    tries = [(other, one.code), (one.number, code), (other, code)]
    answers = [ask(number, wrong, REMOTE_ADDR=f"10.0.0.{n}") for n, (number, wrong) in enumerate(tries)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({same(answer, pair) for answer, pair in zip(answers, tries, strict=True)}) == 1
    page = text(answers[0])
    assert "没有查到" in page
    assert "不等于一定是伪造" in page
    assert not CertificateCheck.objects.exists()
    costs = []
    for number, wrong in tries:
        with CaptureQueriesContext(connection) as queries:
            assert look_up(number, wrong) is None
        costs.append(len(queries))
    assert costs == [1, 1, 1]


def mutated(code: str, count: int) -> set[str]:
    """Another character, one dropped, one doubled, two swapped, several changed, all of it: none is the code itself."""
    dice, found = random.Random(code), set()
    while len(found) < count:
        place, letters = dice.randrange(len(code)), dice.choices(CODE_ALPHABET, k=len(code))
        kinds = [
            code[:place] + letters[0] + code[place + 1 :],
            code[:place] + code[place + 1 :],
            code[:place] + code[place] + code[place:],
            code[:place] + code[place + 1 : place + 2] + code[place] + code[place + 2 :],
            "".join(letters),
            code[:place] + "".join(letters[place:]),
            code[place:] + code[:place],
            code[:place] + dice.choice("0O1I甲%_* '\"\x00") + code[place + 1 :],
        ]
        found.add(dice.choice(kinds))
        found.discard(code)
    return found


def test_ten_thousand_mutated_codes_are_all_refused(town, unit, one):
    others = [issue(complete(town, unit), YEAR, by=town.actor(town.bureau)) for _ in range(3)]
    tried = mutated(one.code, 9_997) | {other.code for other in others}
    assert len(tried) == 10_000
    assert [code for code in tried if look_up(one.number, code)] == []
    assert look_up(one.number, one.code)
    assert not any(look_up(other.number, one.code) for other in others)


def test_eleven_a_minute_from_one_network_by_whatever_way(one):
    file = certificate_file(one)
    ways = [
        lambda **extra: ask(one.number, one.code, **extra),
        lambda **extra: Client().get(VERIFY, {"number": one.number, "code": one.code}, **extra),
        lambda **extra: ask_file(file, **extra),
        lambda **extra: ask(one.number, "2" * 12, **extra),
    ]
    answers = [ways[number % 4](REMOTE_ADDR="10.1.1.1").status_code for number in range(11)]
    assert answers == [200] * 10 + [429]
    late = ask(one.number, one.code, REMOTE_ADDR="10.1.1.1")
    assert "每分钟最多查验 10 次" in text(late)
    assert "王*妮" not in text(late)
    assert one.number in text(late)  # what was typed is kept
    assert ask(one.number, one.code, REMOTE_ADDR="10.1.1.2").status_code == 200
    # A misprint costs nothing: it is told apart by its shape alone.
    assert "查验码为 12 位" in text(ask(one.number, "ABC", REMOTE_ADDR="10.1.1.1"))


# --- what was changed ---------------------------------------------------------------------------------------


def test_any_changed_character_of_what_is_stored_breaks_the_signature(one):
    """Every text of the content, at every place; and the columns that name the row."""
    assert is_genuine(one)
    content, broken = restored(one.content), 0
    for field in dataclasses.fields(content):
        value = getattr(content, field.name)
        for kept in _spoiled(value):
            one.content = stored(content) | {field.name: kept}
            assert not is_genuine(one), (field.name, kept)
            broken += 1
    assert broken > 200
    one.content = stored(content)
    for column, value in (("number", one.number[:-1] + "9"), ("year", YEAR - 1), ("key_id", "0" * 16)):
        kept = getattr(one, column)
        setattr(one, column, value)
        assert not is_genuine(one), column
        setattr(one, column, kept)
    for place in range(64):
        signature = bytearray(one.signature)
        signature[place] ^= 1
        forged = Certificate(number=one.number, year=one.year, content=one.content, key_id=one.key_id)
        forged.signature = bytes(signature)
        assert not is_genuine(forged)
    for other in mutations()[:500]:  # of another certificate altogether
        one.content = stored(other)
        assert not is_genuine(one)


def _spoiled(value):
    if isinstance(value, str):
        yield value + "0"
        for place in range(len(value)):
            yield value[:place] + ("1" if value[place] != "1" else "2") + value[place + 1 :]
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, tuple):
        for row, line in enumerate(value):
            for column, cell in enumerate(line):
                for text_ in _spoiled(cell):
                    changed = [*line[:column], text_, *line[column + 1 :]]
                    yield [*map(list, value[:row]), changed, *map(list, value[row + 1 :])]
    else:
        yield value.replace(day=value.day % 28 + 1).isoformat()


def test_a_changed_row_is_shown_as_not_verified_and_logged(one, caplog):
    lines = [["公需科目", "30", "30"], ["专业科目", "62", "60"], ["合计", "1098.5", "90"]]
    tampered(one, content=one.content | {"lines": lines})
    page = text(ask(one.number, one.code))
    assert "验证未通过" in page
    for hidden in ("1098.5", "王*妮", "有效。请"):
        assert hidden not in page
    assert one.number in caplog.text
    assert "王晓妮" not in caplog.text
    assert list(CertificateCheck.objects.values_list("count", "failed")) == [(1, 1)]
    tampered(one, content={"lines": []})
    assert "验证未通过" in text(ask(one.number, one.code))


def test_a_changed_row_is_not_printed(town, one):
    tampered(one, content=one.content | {"name": "李小妮"})
    answer = town.login(one.practitioner).get(f"/hours/certificates/{one.pk}/pdf/", follow=True)
    assert "与数字签名不一致，不能打印" in text(answer)


# --- the file -----------------------------------------------------------------------------------------------


def test_an_intact_file_says_so_and_where_its_certificate_stands_today(town, one):
    file = certificate_file(one)
    page = text(ask_file(file))
    assert "文件完好" in page
    assert "王*妮" in page
    revoke(one, by=town.actor(town.bureau), reason="材料不实")
    page = text(ask_file(file))
    assert "文件完好" in page
    assert "由人社部门撤销" in page


def test_a_file_made_without_an_address_asks_for_number_and_code(one, settings):
    settings.SITE = settings.SITE | {"url": ""}
    page = text(ask_file(certificate_file(one)))
    assert "文件完好" in page
    assert "请再按证书编号和查验码查验" in page


def test_an_altered_file_says_so_whatever_byte_it_is(one):
    file = certificate_file(one)
    for place in random.Random(1).sample(range(len(file)), 8):
        changed = file[:place] + bytes([file[place] ^ 1]) + file[place + 1 :]
        page = text(ask_file(changed, REMOTE_ADDR=f"10.2.0.{place % 250}"))
        assert "文件完好" not in page
        assert "王*妮" not in page
    assert "文件已被改动" in text(ask_file(file.replace(b"/Title", b"/TitlE", 1)))
    assert "文件已被改动" in text(ask_file(file + b"\n%%EOF\n"))


def test_a_file_of_somebody_else_is_not_ours(one, settings):
    for content in (b"%PDF-1.7\n%%EOF\n", b"hello", certificate_file(one)[:-200]):
        assert "不是本平台签发的原件" in text(ask_file(content))
    foreign = certificate_file(one)
    settings.SIGNING_KEY = "22" * 32
    assert "不是本平台签发的原件" in text(ask_file(foreign))
    assert "请选择证书 PDF 文件" in text(Client().post(VERIFY, {"check_file": "1"}))
    settings.ATTACHMENT_MAX_BYTES = 100
    assert "文件太大" in text(ask_file(foreign))


def test_after_a_change_of_keys_old_certificates_stay_genuine(one, settings):
    from credits.paper.signing import public_half

    old = settings.SIGNING_KEY
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = "22" * 32, [public_half(old)]
    assert look_up(one.number, one.code).genuine
    page = text(Client().get("/hours/verify/keys/"))
    assert "现用" in page
    assert "以前" in page
    assert one.key_id in page


def test_the_published_key_checks_the_file_without_us(one, tmp_path):
    """The three lines of the page, as they stand there, and our own command."""
    page = Client().get("/hours/verify/keys/")
    link = re.search(r'href="(/hours/verify/keys/[0-9a-f]{16}\.pem)"', text(page))[1]
    answer = Client().get(link)
    assert answer["Content-Disposition"].startswith("attachment")
    (tmp_path / "key.pem").write_bytes(answer.content)
    (tmp_path / "cert.pdf").write_bytes(certificate_file(one))
    call_command("verify_certificate", str(tmp_path / "cert.pdf"), "--key", str(tmp_path / "key.pem"))
    lines = re.findall(r"<pre tabindex=\"0\">(head.*?)</pre>", text(page), re.DOTALL)[0]
    lines = lines.replace("&gt;", ">").replace("&#x27;", "'")
    assert Client().get("/hours/verify/keys/0000000000000000.pem").status_code == 404
    if shutil.which("openssl"):
        said = subprocess.run(["bash", "-ec", lines], cwd=tmp_path, capture_output=True, text=True)
        assert "Signature Verified Successfully" in said.stdout
    changed = bytearray((tmp_path / "cert.pdf").read_bytes())
    changed[1000] ^= 1
    (tmp_path / "cert.pdf").write_bytes(bytes(changed))
    with pytest.raises(CommandError, match="已被改动"):
        call_command("verify_certificate", str(tmp_path / "cert.pdf"), "--key", str(tmp_path / "key.pem"))
    if shutil.which("openssl"):
        said = subprocess.run(["bash", "-c", lines], cwd=tmp_path, capture_output=True, text=True)
        assert "Signature Verified Successfully" not in said.stdout


# --- 查验记录 -----------------------------------------------------------------------------------------------


def test_looks_are_counted_by_day_and_seen_by_bureaus_above_alone(town, unit, one):
    for _ in range(3):
        ask(one.number, one.code)
    ask(one.number, "2" * 12)
    row = CertificateCheck.objects.get()
    assert (row.count, row.failed) == (3, 0)
    assert {field.name for field in CertificateCheck._meta.fields} == {
        "id",
        "certificate",
        "day",
        "count",
        "failed",
    }
    page = text(town.login(town.bureau).get("/hours/certificates/checks/"))
    assert one.number in page
    assert "王*妮" in page
    other = town.bureau_under(town.platform)
    assert one.number not in text(town.login(other).get("/hours/certificates/checks/"))
    assert town.login(unit).get("/hours/certificates/checks/").status_code == 403


def test_what_a_look_costs(one):
    look_up(one.number, one.code)
    with CaptureQueriesContext(connection) as queries:
        look_up(one.number, one.code)
    assert len(queries) == 3
    with CaptureQueriesContext(connection) as queries:
        ask(one.number, one.code)
    assert len(queries) <= 7
