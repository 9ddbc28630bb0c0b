"""The look and the form rendering: contrast, no inline code, errors beside their fields, nothing undefined."""

import datetime
import gzip
import re
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace as Thing

import pytest
from django import forms
from django.conf import settings
from django.template import Context, engines
from django.test import RequestFactory
from django.utils.html import format_html

from workflow import wording

ROOT = Path(settings.BASE_DIR)
CSS = (ROOT / "static" / "cpe.css").read_text(encoding="utf-8")
TOKENS = dict(re.findall(r"--cpe-([a-z0-9-]+):(#[0-9A-F]{6})", CSS.partition("@media(prefers-contrast")[0]))
TEMPLATES = sorted(
    page
    for folder in ROOT.iterdir()
    if folder.is_dir() and not folder.name.startswith(".")
    for page in (
        folder.glob("**/*.html") if folder.name == "templates" else folder.glob("templates/**/*.html")
    )
)


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """The contrast ratio of WCAG 2.2, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


# what is written -> on which grounds
TEXT = {
    "ink": ["paper", "card", "shiqing-l", "zhe-l", "seal-l", "song-l"],
    "ink-2": ["paper", "card", "shiqing-l"],
    "ink-3": ["paper", "card"],
    "shiqing": ["paper", "card", "zhe-l"],
    "shiqing-d": ["paper", "card", "shiqing-l"],
    "seal": ["paper", "card", "seal-l"],
    "song": ["card", "song-l"],
    "zhe": ["card", "zhe-l"],
    "dai": ["card", "dai-l"],
    "hui": ["card", "hui-l"],
    # white on what is filled
    "card": ["shiqing", "shiqing-d", "seal", "seal-d", "song"],
}
# what is only seen: borders of controls, arcs, discs, the focus ring (yellow on the band, ink elsewhere)
SEEN = {
    "line-strong": ["paper", "card"],
    "gold": ["card"],
    "shiqing": ["card"],
    "song": ["card"],
    "zhe": ["card"],
    "seal": ["paper", "card"],
    "focus": ["shiqing-d", "ink"],
    "ink": ["paper", "card"],
}


@pytest.mark.parametrize(("colour", "ground"), [(c, g) for c, grounds in TEXT.items() for g in grounds])
def test_text_can_be_read(colour, ground):
    assert contrast(TOKENS[colour], TOKENS[ground]) >= 4.5


@pytest.mark.parametrize(("colour", "ground"), [(c, g) for c, grounds in SEEN.items() for g in grounds])
def test_what_is_not_text_can_be_seen(colour, ground):
    assert contrast(TOKENS[colour], TOKENS[ground]) >= 3


def test_contrast_is_computed_as_wcag_does():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#767676", "#FFFFFF") == pytest.approx(4.54, abs=0.01)


def test_all_styles_weigh_at_most_36_kilobytes_and_ask_for_nothing_outside():
    files = list((ROOT / "static").glob("*.css"))
    assert sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) <= 36 * 1024
    assert "@import" not in CSS
    assert "url(" not in CSS


@pytest.mark.parametrize("page", TEMPLATES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_template_holds_no_inline_code_and_every_posted_form_its_token(page):
    html = re.sub(
        r"{% comment %}.*?{% endcomment %}|{#.*?#}", "", page.read_text(encoding="utf-8"), flags=re.S
    )
    assert not re.search(r"\sstyle\s*=|<style|<script|javascript:|\son[a-z]+\s*=\s*[\"']", html, re.I)
    assert not re.search(r"(?:src|href|action)=[\"'](?:https?:)?//", html)
    assert "|safe" not in html or page.name == "help_text.html"
    for form in re.findall(r"<form\b.*?(?:</form>|$)", html, re.S):
        if re.search(r"method=[\"']?(post|{%|{{)", form, re.I):
            assert "csrf_token" in form


def test_pages_speak_chinese_without_exclamation_or_blame():
    for page in TEMPLATES:
        text = re.sub(r"{%.*?%}|{{.*?}}|{#.*?#}|<[^>]*>", "", page.read_text(encoding="utf-8"), flags=re.S)
        assert not re.search("！|系统异常|操作失败|非法|参数错误|网络繁忙", text), page


# --- forms ---------------------------------------------------------------------------------------


class EveryWidget(forms.Form):
    name = forms.CharField(label="活动名称", help_text="按证书填写")
    kind = forms.ChoiceField(label="形式", choices=[("", "请选择"), ("forum", "学术论坛")])
    subject = forms.ChoiceField(
        label="科目", widget=forms.RadioSelect, choices=[("1", "公需"), ("2", "专业")]
    )
    fields_of_study = forms.MultipleChoiceField(
        label="专业",
        widget=forms.CheckboxSelectMultiple,
        choices=[("工程", [("a", "建筑")]), ("卫生", [("b", "临床")])],
    )
    hours = forms.DecimalField(
        label="学时", widget=forms.TextInput, error_messages={"required": "学时不能空着"}
    )
    ended = forms.DateField(label="结束日期", widget=forms.TextInput)
    password = forms.CharField(label="密码", widget=forms.PasswordInput)
    proof = forms.FileField(label="证明材料", widget=forms.FileInput)
    remark = forms.CharField(label="说明", widget=forms.Textarea, required=False)
    true = forms.BooleanField(label="内容真实")
    token = forms.CharField(widget=forms.HiddenInput, required=False)


def template(source):
    """A template in which every undefined name is an error."""

    class Undefined(str):
        __slots__ = ()

        def __contains__(self, part):
            return True

        def __mod__(self, name):
            raise AssertionError(f"undefined: {name}")

    source = engines["django"].engine.from_string(source)
    was = source.engine.string_if_invalid

    def render(**context):
        source.engine.string_if_invalid = Undefined("%s")
        try:
            with_request = Context({"csrf_token": "t", **context})
            return source.render(with_request)
        finally:
            source.engine.string_if_invalid = was

    return render


def shown(form, **options):
    return template('{% include "components/form.html" %}')(form=form, submit="提交申报", **options)


def test_every_control_has_a_label_and_the_form_is_checked_by_the_server_alone():
    html = shown(EveryWidget())
    assert "novalidate" in html
    assert 'enctype="multipart/form-data"' in html
    for control in re.findall(r"<(?:input|select|textarea)\b[^>]*>", html):
        if 'type="hidden"' not in control:
            identity = re.search(r'id="([^"]+)"', control).group(1)
            assert f'<label for="{identity}"' in html or f'for="{identity}"' in html, control
    assert html.count("<fieldset") == html.count("<legend") == 2
    assert 'role="alert"' not in html


def test_an_error_stands_beside_its_field_and_in_the_summary_with_a_link():
    form = EveryWidget({"name": "", "subject": "9", "ended": "昨天", "hours": "", "kind": "forum"})
    html = shown(form)
    for said, target in [
        ("请填写活动名称", "id_name"),
        ("请从列出的选项中选择科目", "id_subject_0"),
        ("请选择专业", "id_fields_of_study_0_0"),
        ("学时不能空着", "id_hours"),
        ("结束日期请按 2026-11-08 的样子填写", "id_ended"),
        ("请上传证明材料", "id_proof"),
        ("请勾选“内容真实”", "id_true"),
    ]:
        assert f'<a href="#{target}">{said}</a>' in html
        assert f"<p>{said}</p>" in html
        assert f'id="{target}"' in html
    assert "请先改正 8 处问题" in html
    assert "您已填写的内容都已保留，密码请重新输入。" in html
    # each broken control names its hint and its error
    assert 'aria-describedby="id_name_helptext id_name_error"' in html
    assert 'aria-describedby="id_subject_error"' in html
    for identity in re.findall(r'aria-describedby="([^"]+)"', html):
        for part in identity.split():
            assert f'id="{part}"' in html
    assert html.count("fg bad") == 8
    assert 'value="昨天"' in html


def test_the_page_shows_the_summary_once_above_the_heading_and_says_so_in_its_title():
    source = (
        '{% extends "base.html" %}{% block title %}申报{% endblock %}{% block heading %}<h1>申报</h1>{% endblock %}'
        '{% block content %}{% include "components/form.html" with submit="提交" %}{% endblock %}'
    )
    html = template(source)(form=EveryWidget({}))
    assert "<title>错误：申报 - " in html
    assert html.count('class="errsum"') == 1
    assert html.index("errsum") < html.index("<h1>")
    assert "错误：" not in template(source)(form=EveryWidget())


def test_words_about_the_whole_form_may_hold_a_link_and_input_is_escaped():
    class Login(forms.Form):
        error_title = "未能登录"
        id_number = forms.CharField(label="身份证号")

        def clean(self):
            raise forms.ValidationError(format_html('由 {} 审核，<a href="/x">查看进度</a>', "<b>甲单位</b>"))

    html = shown(Login({"id_number": "<i>"}))
    assert "未能登录" in html
    assert '由 &lt;b&gt;甲单位&lt;/b&gt; 审核，<a href="/x">查看进度</a>' in html
    assert "<i>" not in html


def test_files_already_here_are_listed_and_counted():
    form = EveryWidget({})
    form.fields["proof"].kept_files = [Thing(key="k1", name="<证书>.pdf", size=1258291)]
    html = shown(form)
    assert 'name="proof_keep" value="k1" checked' in html
    assert "&lt;证书&gt;.pdf" in html
    assert "1.2 MB" in html
    assert "您已填写的内容和已上传的 1 个文件都已保留，密码请重新输入。" in html


def test_a_helper_with_its_own_form_tag_is_drawn_inside_the_one_form():
    from crispy_forms.helper import FormHelper
    from crispy_forms.layout import Fieldset, Layout, Submit

    class Laid(forms.Form):
        one = forms.CharField(label="一")
        two = forms.CharField(label="二")

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.helper = FormHelper()
            self.helper.layout = Layout(Fieldset("先填这些", "two", css_class="part"), "one")

    html = shown(Laid({}))
    assert html.count("<form") == html.count("csrfmiddlewaretoken") == 1
    assert html.index("先填这些") < html.index('id="id_two"') < html.index('id="id_one"')
    form = Laid({})
    form.helper.add_input(Submit("go", "提交"))
    whole = template("{% load crispy_forms_tags %}{% crispy form %}")(form=form)
    assert whole.count("<form") == whole.count("csrfmiddlewaretoken") == whole.count('class="errsum"') == 1
    assert "novalidate" in whole
    assert template("{% load crispy_forms_filters %}{{ form|crispy }}")(form=Laid({})).count("errsum") == 1


# --- components ----------------------------------------------------------------------------------


def line(state, title, **more):
    empty = {
        "organization": "",
        "person": "",
        "at": "",
        "took": "",
        "waited_days": None,
        "usual": "",
        "phone": "",
    }
    return Thing(
        **{**empty, "contact": "", "comment": "", "note": "", "state": state, "title": title, **more}
    )


def test_the_route_slip_says_where_it_is_how_long_and_whom_to_call():
    now = line(
        "now",
        "主管部门审验",
        organization="甲局",
        waited_days=3,
        usual="2–5 天",
        phone="0538-0000000",
        contact="某科",
    )
    slip = Thing(
        lines=[
            line("done", "用人单位审核", organization="乙中心", person="赵*"),
            now,
            line("next", "人社部门审验"),
        ]
    )
    html = template(
        '{% include "components/slip.html" %}{% include "components/slip_line.html" with line=slip.lines.1 %}'
    )(slip=slip)
    assert html.count('aria-current="step"') == 1
    assert "现在在这里，已等 3 天；这里通常 2–5 天。" in html
    assert '<a class="nw" href="tel:0538-0000000">0538-0000000</a>（某科）' in html
    assert "用人单位审核：通过" in html
    back = template('{% include "components/slip.html" %}')(
        slip=Thing(lines=[line("back", "用人单位审核", comment="缺材料")])
    )
    assert "理由：缺材料" in back


def test_the_ring_is_drawn_from_plain_attributes():
    row = Thing(
        label="公需科目",
        earned=Decimal("12.5"),
        pending=Decimal(0),
        required=Decimal("30.0"),
        missing=Decimal("17.5"),
        done=False,
    )
    standing = Thing(
        year=2026, rows=[row], total_earned=Decimal("12.5"), total_required=Decimal(90), sentence="已获 12.5 学时",
        professional_fraction=0.0, public_fraction=1.7,
    )  # fmt: skip
    html = template('{% include "components/hours.html" %}')(standing=standing)
    assert 'stroke-dasharray="0.0 100"' in html
    assert 'stroke-dasharray="100.0 100"' in html
    assert 'aria-label="已获 12.5 学时"' in html
    assert "还差 17.5" in html
    assert ">30<" in html


@pytest.mark.parametrize(
    ("source", "context", "expected"),
    [
        ('{% include "components/tag.html" with tag=tag %}', {"tag": ("wait", "待审核")}, "t-wait"),
        ('{% include "components/todo.html" %}', {"rows": [{"url": "/1", "title": "补充材料"}]}, "补充材料"),
        ('{% include "components/tiles.html" %}', {"tiles": [{"figure": "5", "label": "待办"}]}, "待办"),
        ('{% include "components/summary_list.html" %}', {"rows": [{"label": "年度", "value": ""}]}, "—"),
        ('{% include "components/confirmation.html" with title="已提交" %}', {}, "已提交"),
        ('{% include "components/notice.html" with text="请注意" %}', {}, "请注意"),
        ('{% include "components/seal.html" with text="已审验" %}', {}, "已审验"),
        ('{% include "components/pages.html" with older_url="?b=1" newer_url="" %}', {}, "下一页"),
        ('{% include "components/empty.html" with text="没有待办。" %}', {}, "没有待办。"),
        ('{% include "components/tasks.html" %}', {"tasks": [{"title": "处理第一件"}]}, "还不能开始"),
        ('{% include "components/filter.html" %}', {"filter": EveryWidget()}, "查询"),
    ],
)
def test_a_component_asks_for_no_more_than_it_says(source, context, expected):
    assert expected in template(source)(**context)


@pytest.mark.parametrize("page", ["400", "403", "403_csrf", "404", "409", "413", "429", "500", "503"])
def test_a_page_for_what_went_wrong_stands_without_any_context(page):
    html = template('{% include "' + page + '.html" %}')()
    assert '<html lang="zh-CN">' in html
    assert html.count("<h1>") == 1
    assert 'href="/"' in html


def test_the_frame_shows_who_acts_and_leaves_by_post():
    who = {
        "name": "甲一",
        "role": "专业技术人员",
        "logout_url": "/l",
        "others": [{"label": "单位管理员", "url": "/s"}],
    }
    nav = [
        {"label": "首页", "url": "/", "current": True, "count": 0},
        {"label": "待办审核", "url": "/t", "current": False, "count": 5},
    ]
    request = RequestFactory().get("/")
    html = template('{% extends "base.html" %}')(who=who, nav=nav, elder=True, request=request)
    assert '<html lang="zh-CN" class="elder">' in html
    assert html.count('aria-current="page"') == 1
    assert '<form method="post" action="/l">' in html
    assert "切换为单位管理员" in html
    assert html.count("csrfmiddlewaretoken") == 2


# --- wording -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("王晓妮", "王*妮"),
        ("孙立", "孙*"),
        ("欧阳测试", "欧**试"),
        ("阿·测试", "阿**试"),
        ("甲", "甲"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_name_is_masked_for_others(value, expected):
    assert wording.masked_name(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("12.5"), "12.5"),
        (Decimal("20.0"), "20"),
        (Decimal("100.0"), "100"),
        (0, "0"),
        (None, "—"),
        (7.25, "7.2"),
    ],
)
def test_hours_have_one_decimal_at_most(value, expected):
    assert wording.hours(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(800, "800 字节"), (2048, "2 KB"), (1258291, "1.2 MB"), (None, "—")]
)
def test_a_size_is_short(value, expected):
    assert wording.size(value) == expected


def test_days_are_counted_in_the_platforms_time_zone():
    late = datetime.datetime(2026, 11, 12, 15, 59, tzinfo=datetime.UTC)  # 23:59 in Shanghai
    next_day = datetime.datetime(2026, 11, 12, 16, 1, tzinfo=datetime.UTC)  # 00:01 of the 13th
    assert wording.days_waited(late, next_day) == 1
    assert wording.shown_date(next_day) == "2026-11-13"
    assert wording.shown_time(next_day) == "2026-11-13 00:01"
    assert wording.shown_date(datetime.date(2026, 1, 2)) == "2026-01-02"
    assert wording.letter_date(datetime.date(2026, 1, 2)) == "2026 年 1 月 2 日"
    assert wording.shown_date(None) == wording.shown_time(None) == "—"
    assert [wording.shown_wait(n) for n in (None, 0, 3)] == ["", "今天到达", "已等 3 天"]
    assert wording.percent(Decimal("0.614")) == "61.4%"
