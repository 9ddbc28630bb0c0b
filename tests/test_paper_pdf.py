"""The pages themselves: what they say, that it is one sheet, that nothing leaves the frame."""

import hashlib
import io
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pypdf
import pytest
import segno
import typst
from PIL import Image

from credits.paper import pdf
from credits.paper.content import LIMITS, MAX_LABEL, MAX_LINES, canonical
from credits.paper.glyphs import shown, unprintable
from credits.paper.pdf import Row, Signed, bundle_pdf, certificate_pdf
from credits.paper.sealing import examine, sealed
from credits.paper.signing import Signature, public_keys, sign
from tests.test_paper_content import content
from tests.test_paper_signing import KEY

CODE, URL = "7K3MQ9TD4XWA", "https://jxjy.example.org/verify/"
SIGNATURE = Signature("0123456789abcdef", bytes(range(64)))
A4 = (595.3, 841.9)
HOSTILE = ["#panic(1)", "$x^2$ *b* _i_", "@a <b> \\ [c]", "`d` \"e\" '{f}'", "// g /* h */", "#import \"@preview/x:1.0.0\"",
           "<script>alert(1)</script>", "= 标题", "- - -- ---", "\\u{41} ~ ...", "%s %% {{ }}", "]#pagebreak()["]  # fmt: skip


def made(url: str = URL, **changes) -> bytes:
    return certificate_pdf(content(**changes), CODE, SIGNATURE, url)


def read(file: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(file))


def words(file: bytes, page: int = 0) -> str:
    """The page's text without blanks and places to break."""
    return re.sub(r"[\s\u200b]+", "", read(file).pages[page].extract_text())


def picture(**changes) -> Image.Image:
    """The same page as pixels, at 72 dpi: one point, one pixel."""
    one = Signed(content(**changes), CODE, SIGNATURE, URL)
    data = {"title": "t", "author": "a", "cover": None, "pages": [pdf._page(one)]}
    return Image.open(io.BytesIO(pdf._set(data, date(2026, 1, 1), format="png", ppi=72))).convert("L")


def assert_inside_the_frame(page: Image.Image) -> None:
    """Between the inner line of the frame (14 mm) and the text (30 mm at the sides, 24 mm below) nothing is printed."""
    mm = 72 / 25.4
    width, height = page.size
    strips = [
        (15 * mm, 15 * mm, 29 * mm, height - 15 * mm),
        (width - 29 * mm, 15 * mm, width - 15 * mm, height - 15 * mm),
        (15 * mm, height - 23 * mm, width - 15 * mm, height - 15 * mm),
        (0, 0, width, 11 * mm),
        (0, height - 11 * mm, width, height),
    ]
    for box in strips:
        assert page.crop(tuple(map(round, box))).getextrema() == (255, 255), box


def test_what_the_page_says():
    text = words(made())
    for part in [
        "专业技术人员",
        "继续教育电子证书",
        "2026年度",
        "姓名王晓妮",
        "证件号码3709**********2233",
        "工作单位泰安市保障性住房管理服务中心",
        "公需科目30学时30学时",
        "专业科目62.5学时60学时",
        "合计92.5学时90学时",
        "减免说明产假，本年度要求减为45学时",
        "依据鲁人社字〔2021〕167号",
        "证书编号SD-2026-370900-0000123",
        "查验码7K3M-Q9TD-4XWA",
        "已审验",
        "泰安市人力资源和社会保障局2026年12月20日",
        "验证地址：https://jxjy.example.org/verify/",
        "查验方法：扫描二维码",
        "密钥0123456789abcdef",
    ]:
        assert part in text, (part, text)


def test_what_does_not_apply_is_not_printed():
    text = words(made(relief="", basis="", unit=""))
    assert "减免说明" not in text
    assert "依据" not in text


def test_one_sheet_of_a4_for_everybody_to_read():
    file = read(made())
    assert len(file.pages) == 1
    box = file.pages[0].mediabox
    assert (float(box.width), float(box.height)) == pytest.approx(A4, abs=0.1)
    assert file.metadata.title == "继续教育电子证书 SD-2026-370900-0000123"
    root = file.trailer["/Root"]
    assert root["/Lang"].lower().startswith("zh")
    assert root["/MarkInfo"]["/Marked"]
    assert "pdfuaid" in root["/Metadata"].get_object().get_data().decode()


def test_only_the_fonts_of_the_package():
    fonts = read(made()).pages[0]["/Resources"]["/Font"].get_object()
    names = {font.get_object()["/BaseFont"].partition("+")[2] for font in fonts.values()}
    assert names == {"NotoSerifSC-Regular", "CPECertificateTitle-Bold", "DejaVuSansMono"}


def test_the_title_is_bold_to_the_last_character():
    """The bold font holds only these characters: one that it lacks would fall back to the thin one."""
    bold = []

    def look(text, _cm, _tm, font, _size):
        if font and "CPECertificateTitle" in font["/BaseFont"]:
            bold.append(text)

    read(made()).pages[0].extract_text(visitor_text=look)
    text = re.sub(r"\s", "", "".join(bold))
    assert "继续教育电子证书" in text
    assert "合计92.5学时" in text
    assert "已审验" in text


@pytest.mark.parametrize("name", ["𬭚𠅤㛃䶮", "阿卜杜热合曼·麦麦提吐尔逊", "〇𫖯𬸣", "José·王", "Анна"])
def test_rare_characters_print(name):
    assert unprintable(name) == ""
    assert f"姓名{name}" in words(made(name=name))


def test_a_character_no_font_has_is_named_not_boxed():
    assert unprintable("王𪛗😀妮") == "𪛗😀"
    assert "姓名王〔U+2A6D7〕" in words(made(name="王𪛗"))
    assert "工作单位〓〓〓〓〓公司" in words(made(unit="𪛗" * 5 + "公司"))
    assert unprintable("〓〔〕U+") == ""


def test_what_steers_the_direction_of_writing_is_not_printed():
    assert shown("王\u202e晓\u200d妮\u2066\x00\n\t x\u2028") == "王晓妮 x"


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("field", ["name", "unit", "relief", "basis", "issuer", "id_number_masked"])
def test_hostile_words_print_as_they_are(field, hostile):
    file = made(**{field: hostile})
    assert len(read(file).pages) == 1
    assert re.sub(r"\s", "", hostile) in words(file)


def test_hostile_hours_and_labels_print_as_they_are():
    assert r"#a[*]\30$#1学时" in words(made(lines=((r"#a[*]\30", "$#1", "<2>"),)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "阿卜杜热合曼·麦麦提吐尔逊·" * 3 + "阿卜杜热合曼·麦麦提吐", "unit": "泰" * 120},
        {"unit": "A" * 140, "issuer": "B" * 140},
        {"unit": "ᠮ" * 140, "name": "W" * 60},
        {"name": "\U0002a6d7" * 60, "unit": "\U0002a6d7" * 140},
        {"number": "W" * 40},
        *(
            {
                **{field: letter * limit for field, limit in LIMITS.items() if field != "number"},
                "lines": ((letter * MAX_LABEL, letter * 12, letter * 12),) * MAX_LINES,
            }
            for letter in "宽W𪛗"
        ),
    ],
    ids=[
        "usual",
        "long name and unit",
        "letters",
        "other script",
        "not in the font",
        "number",
        "all wide",
        "all letters",
        "all not in the font",
    ],
)
def test_one_sheet_and_nothing_outside_the_frame(changes):
    assert len(read(made(**changes)).pages) == 1
    assert_inside_the_frame(picture(**changes))


def test_what_does_not_fit_is_refused_rather_than_printed_over_the_rest(monkeypatch):
    monkeypatch.setitem(LIMITS, "basis", 10**6)
    with pytest.raises(typst.TypstError, match="one sheet"):
        made(basis="宽" * 40_000)


def test_the_frame_test_can_fail():
    page = picture()
    page.putpixel((60, 400), 0)
    with pytest.raises(AssertionError):
        assert_inside_the_frame(page)


def test_number_code_and_address_can_be_copied():
    """No invisible places to break within what people copy into the verification page."""
    text = read(made()).pages[0].extract_text()
    for part in ["SD-2026-370900-0000123", "7K3M-Q9TD-4XWA", URL, "3709**********2233"]:
        assert part in text


def test_a_very_long_address_breaks_too():
    file = made(url="https://" + "a" * 300 + ".example.org/verify/")
    assert len(read(file).pages) == 1


def test_the_qr_code_holds_address_number_and_code():
    one = Signed(content(), CODE, SIGNATURE, URL)
    expected = io.BytesIO()
    segno.make_qr(f"{URL}?number=SD-2026-370900-0000123&code={CODE}", error="m").save(
        expected, kind="svg", border=0, dark="#1C2A30", xmldecl=False, omitsize=True
    )
    assert pdf._qr(one) == expected.getvalue().decode()
    assert pdf._qr(Signed(content(), CODE, SIGNATURE, "")) != pdf._qr(one)


def links(file: bytes) -> set[str]:
    found = [note.get_object() for note in read(file).pages[0].get("/Annots", [])]
    return {note["/A"]["/URI"] for note in found}


def test_address_and_qr_code_can_be_clicked():
    assert links(made()) == {f"{URL}?number=SD-2026-370900-0000123&code={CODE}"}


def test_without_an_address_the_page_says_where_to_click():
    assert "验证地址：平台首页›综合查询›电子证书查验" in words(made(url=""))
    assert links(made(url="")) == set()


def test_the_same_bytes_every_time():
    one = made()
    made(name="别人")
    assert made() == one
    assert made(name="王晓泥") != one


def test_the_same_bytes_in_another_process():
    script = (
        "import hashlib; from tests.test_paper_pdf import made; print(hashlib.sha256(made()).hexdigest())"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == hashlib.sha256(made()).hexdigest()


def test_several_at_the_same_time():
    names = [f"王{chr(0x4E00 + i)}" for i in range(24)]
    alone = [made(name=name) for name in names]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda name: made(name=name), names)) == alone


def test_a_real_certificate_sealed(settings):
    settings.SIGNING_KEY, settings.VERIFYING_KEYS = KEY, []
    file = sealed(certificate_pdf(content(), CODE, sign(canonical(content())), URL))
    assert examine(file, public_keys()).intact
    assert words(file) == words(file[: file.rindex(b"%CPE")])  # readers do not mind the last line
    for place in range(0, len(file), len(file) // 500):
        changed = file[:place] + bytes([file[place] ^ 1]) + file[place + 1 :]
        assert not examine(changed, public_keys()).intact


# --- several years ---------------------------------------------------------------------------------


def bundle(years: int = 3) -> bytes:
    rows = [
        Row(2026, "92.5", "SD-2026-370900-0000123", "有效"),
        Row(2025, "61.5", "", "未完成：专业科目还差 28.5 学时"),
    ]
    rows += [Row(2024 - i, "90", f"SD-{2024 - i}-370900-0000001", "#有效[") for i in range(years - 2)]
    certificates = [
        Signed(content(year=year, number=f"SD-{year}-370900-0000001"), CODE, SIGNATURE, URL)
        for year in (2026, 2024)
    ]
    person = [("姓名", "王晓妮"), ("证件号码", "3709**********2233")]
    return bundle_pdf("继续教育年度汇总", person, rows, certificates, date(2026, 12, 21))


def test_a_bundle_has_a_cover_and_a_sheet_for_each():
    file = bundle()
    assert len(read(file).pages) == 3
    cover = words(file)
    for part in [
        "继续教育年度汇总",
        "姓名王晓妮",
        "2026年92.5SD-2026-370900-0000123有效",
        "2025年61.5—未完成：专业科目还差28.5学时",
        "#有效[",
        "后附证书2张",
    ]:
        assert part in cover, (part, cover)
    assert "2026年度" in words(file, 1)
    assert "2024年度" in words(file, 2)
    assert bundle() == file


def test_many_years_take_more_covers_and_nothing_is_lost():
    file = bundle(years=60)
    text = "".join(words(file, page) for page in range(len(read(file).pages)))
    assert all(f"SD-{2024 - i}-370900-0000001" in text for i in range(58))


def test_a_bundle_without_certificates():
    file = bundle_pdf(
        "继续教育年度汇总", [("姓名", "王晓妮")], [Row(2026, "3", "", "未完成")], [], date(2026, 1, 2)
    )
    assert len(read(file).pages) == 1
    assert "没有可附的证书" in words(file)
