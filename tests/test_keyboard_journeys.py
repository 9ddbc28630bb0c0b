"""Journeys by keyboard alone, in a real Chromium without JavaScript (screens.md §4: G3, G4).

Every journey of tests/test_click_targets.py is walked again, with the same clicks; further ones follow. The pages of
one test and the test itself share one connection to the database, so that everything is rolled back.
"""

import os

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections
from django.test import Client
from django.test.testcases import LiveServerThread, ThreadedWSGIServer
from playwright.sync_api import BrowserContext, sync_playwright

from tests import registering, test_click_targets
from tests.keyboard import Keyboard, all_stops, controls
from tests.test_browser import FLAGS
from tests.test_click_targets import JOURNEYS, Scene
from tests.test_inbox import declare
from tests.town import PASSWORD
from workflow import engine
from workflow.models import Application

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

# Tab stops from one thing done to the next, from the page's beginning by its skip link (G3).
MOST = 15
# What is further, counted: the last of the menu's cards on a home page, and buttons that stand behind a list which
# is to be read first.
FURTHER = {
    "单位调转": 16,
    "全选，批量审核": 16,
    "更换上级部门": 16,
    "新增管理员": 17,
    "更换超级管理员": 18,
    "提交注册": 20,  # behind a link 更改 for each line
    "通过勾选的事项": 80,  # behind 25 matters, each with a box and its links
}


class Shared(ThreadedWSGIServer):
    """Answers within the test's own transaction: its connection is not closed after a request."""

    def _close_connections(self):
        pass


class Server(LiveServerThread):
    server_class = Shared


@pytest.fixture(scope="module")
def server(django_db_setup):
    shared = {alias: connections[alias] for alias in connections}
    for one in shared.values():
        one.inc_thread_sharing()
        one.close_if_unusable_or_obsolete = lambda: None  # a transaction that is open looks obsolete to it
    server = Server("localhost", static_handler=StaticFilesHandler, connections_override=shared)
    server.daemon = True
    server.start()
    server.is_ready.wait()
    assert not server.error, server.error
    yield server
    server.terminate()
    for one in shared.values():
        one.dec_thread_sharing()
        del one.close_if_unusable_or_obsolete


@pytest.fixture(scope="module")
def chromium():
    # The browser's driver runs an event loop in this thread; the ORM of the test itself is still plain.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def visit(chromium, server):
    """visit(client, url): a browser in which that client's person is logged in; or one that was visited before."""
    opened, origin = [], f"http://localhost:{server.port}"

    def sit_down(client, url: str = "/") -> Keyboard:
        context = (
            client
            if isinstance(client, BrowserContext)
            else chromium.new_context(
                viewport={"width": 1280, "height": 800},
                java_script_enabled=False,
                locale="zh-CN",
                reduced_motion="reduce",
            )
        )
        context.set_default_timeout(15_000)
        opened.append(context)
        if context is not client:
            for cookie in client.cookies.values():
                context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": origin}])
        keyboard = Keyboard(context.new_page(), origin)
        assert keyboard.page.goto(origin + url).status == 200, url
        visited.append(keyboard)
        return keyboard

    visited = []
    sit_down.visited = visited
    yield sit_down
    for context in {id(one): one for one in opened}.values():
        context.close()


scene_of_clicks = test_click_targets.scene


@pytest.fixture
def scene(scene_of_clicks, visit) -> Scene:
    scene_of_clicks.visit = visit
    return scene_of_clicks


def too_far(visit) -> list:
    return [
        (words, tabs)
        for keyboard in visit.visited
        for words, tabs in keyboard.stops
        if tabs > FURTHER.get(words, MOST)
    ]


@pytest.mark.parametrize("name", JOURNEYS)
def test_a_journey_by_keyboard_alone(scene, visit, name):
    most, walk = JOURNEYS[name]
    assert walk(scene).clicks <= most
    assert not too_far(visit)


# --- what the promised clicks leave out ---------------------------------------------------------------------


def test_a_practitioner_registers_and_the_unit_approves(scene, visit):
    registering.load_lists()
    visitor = scene.stranger()
    visitor.click("注册")
    visitor.click("专业技术人员")
    visitor.click("我在机关、事业单位或国有企业工作")
    visitor.type("q", scene.unit.name)
    visitor.click("查找")
    visitor.click(scene.unit.name)
    filled = registering.practitioner()
    for name in ("id_number", "name", "password", "password2", "mobile", "education", "field_of_study"):
        visitor.type(name, filled[name])
    for name in ("title_series", "title_level", "title", "title_awarded_on"):
        visitor.type(name, filled[name])
    visitor.tick("title_mode", filled["title_mode"])
    visitor.click("下一步：核对")
    visitor.click("提交注册")
    filed = Application.objects.get()
    assert filed.receipt in visitor.text
    admin = scene.at_home(scene.unit)
    admin.open(f"/applications/{filed.pk}/")
    admin.press("通过")
    filed.refresh_from_db()
    assert filed.state == "approved"
    assert not too_far(visit)


def test_a_bureau_verifies(scene, visit):
    filed = declare(scene.town, scene.person)
    for place in (scene.unit, scene.authority):
        engine.approve(filed.steps.get(state="open").pk, by=scene.town.actor(place))
    visitor = scene.at_home(scene.town.bureau)
    visitor.open(f"/applications/{filed.pk}/")
    visitor.press("通过")
    filed.refresh_from_db()
    assert filed.state == "approved"
    assert not too_far(visit)


def test_people_are_exported(scene, visit):
    visitor = scene.at_home(scene.unit)
    visitor.click("查询统计")
    visitor.click("导出")
    visitor.tick("format", "csv")
    file = visitor.download("导出")
    assert scene.person.user.id_masked in file.decode("utf-8-sig")
    assert not too_far(visit)


def test_somebody_logs_in(scene, visit):
    visitor = scene.stranger("/login/")
    visitor.tick("role", "practitioner")
    visitor.type("id_number", scene.person.user.id_number.reveal())
    visitor.type("password", PASSWORD)
    visitor.press("登录")
    assert "本年度还没有学时" in visitor.text
    assert not too_far(visit)


# --- the way through a page -----------------------------------------------------------------------------------

PAGES = {
    "nobody": ["/", "/login/", "/register/", "/register/practitioner/", "/register/progress/", "/hours/verify/", "/faq/"],
    "person": [
        "/", "/hours/", "/hours/declare/", "/hours/declare/?kind=academic-forum", "/hours/certificates/", "/my/data/",
        "/moves/unit/", "/security/", "/messages/", "/applications/{filed}/",
    ],
    "unit": [
        "/", "/inbox/", "/applications/{filed}/", "/people/", "/people/{person}/", "/statistics/", "/organization/admins/", "/organizations/",
        "/moves/release/", "/exports/", "/exports/new/people/",
    ],
    "bureau": ["/", "/inbox/", "/people/", "/hours/certificates/issuing/", "/hours/sampling/", "/hours/rules/", "/hours/windows/"],
}  # fmt: skip


@pytest.mark.parametrize("who", PAGES)
def test_tab_comes_to_every_control_in_the_order_of_the_page_and_leaves_it(scene, who):
    """No trap, nothing left out, and the focus is seen at every stop."""
    filed = declare(scene.town, scene.person)
    of = {"person": scene.person, "unit": scene.unit, "bureau": scene.town.bureau}
    client = scene.town.login(of[who]) if who in of else Client()
    for page in PAGES[who]:
        keyboard = scene.visit(client, page.format(filed=filed.pk, person=scene.person.pk))
        expected = controls(keyboard)
        assert [stop["order"] for stop in all_stops(keyboard)] == expected, page
