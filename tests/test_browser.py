"""One journey per role in headless Chromium on the demo town, with axe on every page that is passed.

Without JavaScript for half of them, at phone and desk widths, and one by keyboard alone. The pages load nothing from
outside: a request to any other host fails the test.
"""

import os
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.management import call_command
from django.test import override_settings
from playwright.sync_api import expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from config.management.commands import load_town
from config.management.commands.load_town import synthetic_id

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
FILE = {"name": "证明.png", "mimeType": "image/png"}


@pytest.fixture(scope="module")
def chromium():
    # The browser's driver runs an event loop in this thread; the ORM of the test itself is still plain.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture(scope="module")
def demo(django_db_setup, django_db_blocker, tmp_path_factory):
    """The demo town behind a server, built once for all journeys and taken down after them."""
    folder = tmp_path_factory.mktemp("browser")
    with django_db_blocker.unblock(), override_settings(MEDIA_ROOT=folder), open(os.devnull, "w") as silence:
        for command in ("load_reference", "load_hours", "load_bureaus", "load_town"):
            call_command(command, verbosity=0, stdout=silence)
        server = LiveServer("localhost")
        yield server
        server.stop()
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(autouse=True)
def private_files():
    """As in conftest.py, but for all journeys together (see demo)."""


class Person:
    """Somebody at a browser."""

    def __init__(self, chromium, server, *, width=1280, script=True):
        self.url = server.url
        self.context = chromium.new_context(
            viewport={"width": width, "height": 800}, java_script_enabled=script, locale="zh-CN"
        )
        self.context.set_default_timeout(10_000)
        self.page = self.context.new_page()
        self.script = script
        self.strangers = []
        self.page.on("request", self._note)

    def _note(self, request):
        # Chromium shows PDFs with a part of its own, which it loads like a page, whenever it is ready.
        if not request.url.startswith((self.url, "data:", "about:", "chrome")):
            self.strangers.append(request.url)

    def open(self, path: str):
        self.page.goto(self.url + path)
        self.look()

    def press(self, name: str, role: str = "button"):
        self.page.get_by_role(role, name=name, exact=True).first.click()
        self.look()

    def follow(self, name):
        self.page.get_by_role("link", name=name).first.click()
        self.look()

    def look(self):
        """What must hold on every page: it loaded, fits the window, has no outside request, no axe violation."""
        page = self.page
        page.wait_for_load_state()
        assert "出错" not in page.title()
        assert self.strangers == []
        if not self.script:
            return
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{page.url} is {wide} px too wide"
        found = Axe().run(page, options=RULES).response["violations"]
        assert not found, page.url + "".join(
            f"\n{one['id']}: {one['help']} {[node['html'][:120] for node in one['nodes']][:3]}"
            for one in found
        )

    def login(self, role: str, number: int, name: str):
        self.open("/login/")
        self.page.get_by_label(name, exact=True).check()
        self.give(number)
        expect(self.page).to_have_url(re.compile(re.escape(self.url) + "/(#main)?$"))

    def give(self, number: int):
        """ID number and password into the login form, and off."""
        self.page.locator("input[name=id_number]").fill(synthetic_id(number))
        self.page.locator("input[name=password]").fill(load_town.PASSWORD)
        self.press("登录")


@pytest.fixture
def at(demo, chromium):
    """at(width=360, script=False) -> Person."""
    people = []

    def sit_down(**how) -> Person:
        people.append(Person(chromium, demo, **how))
        return people[-1]

    yield sit_down
    for one in people:
        one.context.close()


def picture() -> dict:
    return {**FILE, "buffer": load_town.picture("证明", "x").read()}


@pytest.mark.parametrize(("width", "script"), [(1280, True), (360, True), (360, False)])
def test_a_practitioner_declares_hours(at, width, script):
    me = at(width=width, script=script)
    me.login("practitioner", 30, "专业技术人员")
    expect(me.page.get_by_role("heading", level=1)).to_contain_text("还差 22 学时")
    me.follow("申报学时")
    page = me.page
    me.follow("参加学术论坛")
    page.get_by_label("专业科目").check()
    page.get_by_label("活动名称").fill("泰安市示例论坛")
    page.get_by_label("主办或出版单位").fill("泰安市示例学会")
    page.get_by_label("开始日期").fill("2026年1月8日")
    page.get_by_label("证明材料上的学时").fill("很多")
    page.locator("input[type=file]").set_input_files(picture())
    me.press("下一步：核对")
    # Wrong hours: said beside the field, nothing typed or uploaded is lost.
    expect(page.get_by_role("alert").first).to_contain_text("学时")
    assert page.title().startswith("错误：")
    expect(page.get_by_label("活动名称")).to_have_value("泰安市示例论坛")
    expect(page.get_by_text("证明.png").first).to_be_visible()
    page.locator("input[name=stated_hours]").fill("２")
    me.press("下一步：核对")
    me.press("同意声明并提交申报")
    expect(page.get_by_text(re.compile(r"\d{8}-\d{6}")).first).to_be_visible()
    me.open("/hours/")
    expect(page.get_by_text("泰安市示例论坛").first).to_be_visible()


def test_a_newcomer_reads_where_the_registration_is(at):
    """FAQ 2, 9, 10: refused at login, one click to the route slip, withdrawn with the password."""
    me = at(width=360, script=True)
    me.open("/login/")
    me.page.get_by_label("专业技术人员", exact=True).check()
    me.give(40)
    expect(me.page.get_by_role("alert").first).to_contain_text("您的账号正在审核中")
    me.follow("查询审核部门")
    expect(me.page.get_by_text("泰安市保障性住房管理服务中心").first).to_be_visible()
    expect(me.page.get_by_text("已等 13 天").first).to_be_visible()


@pytest.mark.parametrize(("width", "script"), [(1280, True), (360, False)])
def test_a_unit_admin_approves_and_rejects(at, width, script):
    me = at(width=width, script=script)
    me.login("employer", 12, "用人单位")
    expect(me.page.get_by_role("heading", level=1)).to_contain_text("项等您审核")
    me.open("/inbox/")
    me.page.locator("main table a").first.click()
    me.look()
    me.press("通过并看下一件")
    expect(me.page.get_by_role("status").first).to_contain_text("通过")
    me.page.locator("input[name=reason]").first.check()
    me.press("驳回")
    expect(me.page.get_by_text("已驳回").first).to_be_visible()


def test_an_authority_and_a_bureau_verify(at):
    authority = at()
    authority.login("authority", 10, "主管部门")
    authority.open("/inbox/")
    authority.page.get_by_role("link", name="专*一").first.click()
    authority.look()
    authority.press("通过")
    bureau = at(width=360)
    bureau.login("bureau", 2, "人社部门")
    bureau.open("/inbox/?duty=hours")
    bureau.page.get_by_role("link", name="专*一").first.click()
    bureau.look()
    bureau.press("通过")
    person = at()
    person.login("practitioner", 30, "专业技术人员")
    expect(person.page.get_by_role("heading", level=1)).to_contain_text("还差 2 学时")


def test_an_operator_sees_the_platform(at):
    me = at()
    me.open("/login/?role=operator")
    me.page.get_by_label("平台后台人员", exact=True).check()
    me.give(1)
    me.open("/inbox/")
    me.open("/people/")


def test_by_keyboard_alone(at):
    """From the skip link to the home page without a mouse; every stop shows where it is."""
    me = at()
    me.open("/login/")
    page = me.page
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("跳到主要内容")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_attribute("name", "role")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.type(synthetic_id(31))
    page.keyboard.press("Tab")
    page.keyboard.type(load_town.PASSWORD)
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("专技二")
