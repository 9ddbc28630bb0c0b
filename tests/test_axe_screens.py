"""No violation of the accessibility rules on any screen: filled, empty and with errors, from 320 px up (trust.md 4.9).

The screens are found, not listed: every kind of person follows all links of the demo town from the home page on, and
what no link there leads to is opened with the objects of the matrix (tests/test_matrix.py). A page without a look fails.
The short tier looks at each address once at 360 px. The long tier looks at every role's own at three widths, and each screen that can be empty must have been seen empty, each that asks for something with errors.
"""

import html
import itertools
import os
import re
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command
from django.template.loader import render_to_string
from django.test import Client, RequestFactory, override_settings
from django.test.signals import template_rendered
from django.urls import resolve
from pytest_django.live_server_helper import LiveServer

from accounts.models import Role, RoleAccount
from config.management.commands.load_town import PASSWORD, synthetic_id
from credits import packs
from credits.models import RulePack
from desk.forms import SearchForm
from orgs.models import Duty, OrgAdmin, Organization, Practitioner
from orgs.tree import platform
from orgs.uscc import make_temporary
from tests import declaring, registering, test_relief
from tests.test_browser import RULES, chromium  # noqa: F401
from tests.test_matrix import EVERYBODY, MATRIX, World
from tests.test_second_factor import Phone, key_shown, password_step
from tests.tiers import LONG, figure, times
from tests.town import PASSWORD as TOWN_PASSWORD
from tests.town import Town

pytestmark = [pytest.mark.browser, pytest.mark.django_db]

WIDTHS = (360, 320, 1280) if LONG else (360,)
PAGES = 1  # of one address; per role in the long tier
MATTERS = times(1, 3)  # of these addresses, which look different for every kind of matter
OF_MATTERS = {"workflow:detail", "workflow:receipt"}
SENT = times(1, 2)  # pages of one address whose forms are sent empty
VISITORS = 3  # looks at an address that shows the same to everybody

# Who walks through the demo town, by the numbers of load_town.
WALKERS = {
    "employer": (12, Role.EMPLOYER),
    "practitioner": (30, Role.PRACTITIONER),
    "bureau": (2, Role.BUREAU),
    "authority": (10, Role.AUTHORITY),
    "operator": (1, Role.OPERATOR),
    "rejected": (32, Role.PRACTITIONER),
    "moving": (38, Role.PRACTITIONER),
    "parent unit": (11, Role.EMPLOYER),
    "hours admin": (13, Role.EMPLOYER),
}

SHELTER = "泰安市保障性住房管理服务中心"  # the unit of number 12 and most of the demo town's people

# Addresses with GET that show no screen of ours, and why.
NO_SCREEN = {
    "accounts:reset": "one-use link of a mail; leads on to accounts:set_password",
    "api:api-root": "JSON",
    "api:openapi-json": "JSON",
    "api:event": "JSON",
    "credits:certificate_pdf": "PDF",
    "credits:filing_pdf": "PDF",
    "credits:intake_problems": "spreadsheet",
    "credits:intake_template": "spreadsheet",
    "credits:unit_file": "somebody's file",
    "credits:verifying_key": "PEM",
    "registration:another_role": "leads on to the registration",
    "workflow:approve": "leads back to the application's page; what a refused finding looks like is sent from there",
    "workflow:decide_many": "decides, and leads back to the list",
    "workflow:attachment": "somebody's file",
}

SCREENS = {name for name, page in MATRIX.items() if page.get} - NO_SCREEN.keys()
SAME_FOR_ALL = {name for name in SCREENS if MATRIX[name].role is None} - {"desk:home"}

# Addresses that take a form and are not looked at with errors: most are one button, or a choice where none leads back;
# what the others answer to wrong choices nobody has looked at yet.
NO_ERROR = {
    "accounts:choose", "accounts:recovery_codes", "credits:check", "credits:intake_upload", "credits:pack_conversion",
    "credits:publish_pack", "credits:relief_check", "credits:remove_window", "credits:retire_pack", "credits:sample",
    "credits:unit_cancel", "credits:unit_check", "credits:unit_offers", "credits:unit_people", "desk:accessibility",
    "desk:remind_all", "desk:reset_password", "orgs:answer_succession", "orgs:remove", "registration:check",
    "registration:close_account", "registration:dismiss", "transfers:released", "transfers:transfer",
    "workflow:approve", "workflow:check_many", "workflow:decide_many", "workflow:withdraw",
}  # fmt: skip
# Screens that are never empty in these towns, as their templates make them where nothing is there.
PLACE = SimpleNamespace(pk=1, name="测试单位", kind="employer")
EMPTY_PAGES = {
    "accounts:choose": ("accounts/choose.html", {}),
    "credits:declare": ("credits/kinds.html", {}),
    "credits:platforms": ("credits/platforms.html", {}),
    "credits:retire_pack": ("credits/packs/retire.html", {"pack": PLACE, "scope": "全省适用"}),
    "credits:revoke_certificate": (
        "credits/certificates/revoke.html",
        {"one": PLACE, "holder": "甲*", "back_url": "/"},
    ),
    "credits:unit_declaration": ("credits/unit/one.html", {}),
    "credits:unit_new": ("credits/unit/kinds.html", {}),
    "credits:unit_offers": ("credits/unit/offers.html", {}),
    "credits:unit_people": ("credits/unit/people.html", {}),
    "credits:verifying_keys": ("credits/certificates/keys.html", {}),
    "desk:below": ("desk/tree.html", {"top": PLACE}),
    "desk:faq": ("desk/faq.html", {}),
    "desk:organization_history": ("desk/history.html", {"name": PLACE.name}),
    "desk:person_history": ("desk/history.html", {"name": "甲*"}),
    "desk:search": ("desk/search.html", {"form": SearchForm(), "text": "甲", "found": ()}),
    "desk:waiting_at": ("desk/waiting_at.html", {"unit": PLACE, "promised": 5}),
    "registration:codes": ("registration/codes.html", {}),
    "registration:corrections": ("registration/corrections.html", {}),
}

# Pages for what went wrong, with what their templates are given.
SYSTEM_PAGES = {
    "400.html": {},
    "403_csrf.html": {},
    "409.html": {},
    "413.html": {"limit": "10 MB"},
    "429.html": {"wait": "15 分钟"},
    "500.html": {"request_id": "0123456789abcdef"},
    "503.html": {},
    "people_budget.html": {"sentence": "您今天查看的人数已经很多。"},
}

LOOK = """async (rules) => {
  const root = document.documentElement, wide = root.scrollWidth - root.clientWidth;
  const found = await axe.run(document, {...rules, resultTypes: ['violations']});
  return [...(wide > 0 ? [`${wide} px too wide`] : []), ...found.violations.map(one =>
    `${one.id}: ${one.help} ${one.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(' | ')}`)];
}"""
# Forms that ask for something, and those where one may write something.
FORMS = """() => [...document.forms].map((form, at) => [form, at]).filter(([form]) => form.method === 'post'
  && form.querySelector('main [required], main .req, main [aria-required=true]')).map(([, at]) => at)"""
OPTIONAL = """() => [...document.forms].map((form, at) => [form, at]).filter(([form]) => form.method === 'post'
  && form.querySelector('main input[type=text], main textarea')
  && !form.querySelector('[required], .req, [aria-required=true]')).map(([, at]) => at)"""
# Everything that can be asked for is gone: no answer approves, signs or leaves anything.
CLEAR = """(at) => { const form = document.forms[at]; form.noValidate = true;
  for (const one of form.elements) {
    if (['hidden', 'submit', 'button', 'fieldset', 'file'].includes(one.type)) continue;
    if (['checkbox', 'radio'].includes(one.type)) one.checked = false; else one.value = '';
  }
  form.requestSubmit(form.querySelector('.btn-primary, .btn-danger')); }"""
# More than any field takes.
STUFF = """(at) => { const form = document.forms[at]; form.noValidate = true;
  for (const one of form.elements) if (['text', 'textarea'].includes(one.type)) one.value = '甲'.repeat(20001);
  form.requestSubmit(form.querySelector('.btn-primary, .btn-danger, [type=submit]')); }"""


class Suburb(Town):
    """A bureau, an authority, a unit and a person without anything to see; and two with something of their own."""

    def __init__(self):
        self._numbers = itertools.count(5000)
        self.platform = platform()
        self.bureau = self.bureau_under(self.platform)
        authority = self.authority()
        unit = self.employer(under=authority)
        self.owner = self.practitioner(at=self.employer(under=authority))
        relieving = self.bureau_under(self.platform)
        self.relieved = self.practitioner(at=self.employer(under=relieving))
        self.coded = self.employer(under=authority, uscc=make_temporary("370900", 7))
        text = RulePack.objects.get(code="relief-example").text.replace(
            "year_from = 2026", "year_from = 2021"
        )
        text = text.replace('code = "relief-example"', f'code = "b{relieving.pk}-relief"')
        packs.publish(packs.draft(text, bureau=relieving))
        places = {"bureau": self.bureau, "authority": authority, "unit": unit, "person": self.owner}
        self.clients = {f"empty {name}": self.login(one) for name, one in places.items()}


@dataclass
class Places:
    """The server with all towns in it, and the logged-in browsers of who walks through them."""

    server: LiveServer
    world: World
    suburb: Suburb
    clients: dict = field(default_factory=dict)


@pytest.fixture(autouse=True)
def private_files():
    """As in conftest.py, but for all screens together (see places)."""


@pytest.fixture(scope="module")
def places(django_db_setup, django_db_blocker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("screens")
    with (
        django_db_blocker.unblock(),
        override_settings(MEDIA_ROOT=folder, ADMIN_SESSION_IDLE=timedelta(hours=2)),
        open(os.devnull, "w") as silence,
    ):
        world = World()
        # The demo town has a city bureau of the same name, and brings its own first operator.
        Organization.objects.filter(name="泰安市人力资源和社会保障局").update(
            name="测试市人力资源和社会保障局"
        )
        OrgAdmin.objects.filter(organization=platform()).update(is_super=False, duties=list(Duty.values))
        for command in ("load_reference", "load_hours", "load_bureaus", "load_town"):
            call_command(command, verbosity=0, stdout=silence)
        server = LiveServer("localhost")
        here = Places(server, world, Suburb())
        here.clients = {"anybody": Client()} | {name: walker(*who) for name, who in WALKERS.items()}
        yield here
        server.stop()
        call_command("flush", interactive=False, verbosity=0)


def walker(number: int, role: str) -> Client:
    client = Client()
    answer = client.post("/login/", {"role": role, "id_number": synthetic_id(number), "password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    if answer.url.startswith("/identity/"):
        place = RoleAccount.objects.filter(user__pk=client.session.get("_auth_user_id"), role=role).first()
        client.post(f"/identity/{place.pk}/")
    return client


def name_of(path: str) -> str:
    return resolve(urlsplit(path).path).view_name


def crawl(client: Client, who: str, known: dict) -> list[str]:
    """All screens that links lead to, from the home page on; the first of each shape that is not known yet.

    The long tier knows for each role by itself, and for those who have nothing yet.
    """
    group = "" if not LONG else "empty " * who.startswith("empty") + WALKERS.get(who, ("", who))[1]
    pages, shapes = known.setdefault(group, (Counter(), set()))
    for_all = known.setdefault("all", Counter())
    screens, queue, tried = [], ["/"], set()
    while queue:
        path = queue.pop(0)
        parts = urlsplit(path)
        if parts.netloc or parts.path.startswith(("/static/", "/reference-data/")):
            continue
        name = name_of(path)
        keys = tuple(sorted(key for key, _ in parse_qsl(parts.query))) if LONG else ()
        enough = pages[name] >= (MATTERS if name in OF_MATTERS else PAGES) or (name, keys) in shapes
        enough = enough or (name in SAME_FOR_ALL and for_all[name] >= VISITORS)
        if path in tried or (enough and path != "/") or name in NO_SCREEN:
            continue
        tried.add(path)
        answer = client.get(path)
        assert answer.status_code < 400, f"{who} is led to {path}: {answer.status_code}"
        if answer.status_code == 302:
            queue.append(urljoin(path, answer.url))
        elif answer["Content-Type"].startswith("text/html"):
            pages[name] += 1
            for_all[name] += 1
            if name not in OF_MATTERS:
                shapes.add((name, keys))
            screens.append(path)
            links = re.findall(r'<a\b[^>]*\bhref="([^"#]+)', answer.content.decode())
            queue += [
                urljoin(path, html.unescape(link))
                for link in links
                if "mailto:" not in link and "tel:" not in link
            ]
    return screens


class Walk:
    """One browser page that becomes one person after the other, and what it found."""

    def __init__(self, browser, places, count):
        self.places, self.count = places, count
        self.context = browser.new_context(viewport={"width": WIDTHS[0], "height": 800}, locale="zh-CN")
        self.context.set_default_timeout(20_000)
        self.page = self.context.new_page()
        self.context.add_init_script(AXE_SCRIPT)
        self.who, self.wrong, self.seen, self.sent, self.accepted = "", [], set(), Counter(), []
        self.states, self.may_be_empty, self.rendered = defaultdict(set), set(), []  # of each address
        template_rendered.connect(self._note)

    def _note(self, template, **kwargs):
        """The server is in this process: what it renders for the page that is open."""
        self.rendered.append(template)

    def become(self, who: str, client: Client):
        self.context.clear_cookies()
        cookies = [
            {"name": name, "value": one.value, "url": self.places.server.url}
            for name, one in client.cookies.items()
        ]
        if cookies:
            self.context.add_cookies(cookies)
        self.who = who

    def visit(self, who: str, client: Client, path: str, status: int = 200):
        """Look at a page that has to be there, and at what it answers to empty forms."""
        self.become(who, client)
        answer = self.open(path)
        if answer.status != status:
            self.wrong.append(f"{who} {path}: {answer.status}")
            return
        if status != 200:
            self.look_at_widths(f"{status}")
        elif name_of(self.page.url) == name_of(path):  # else led on to a page that is visited by itself
            self.look("filled")
            self.errors()

    def open(self, path: str):
        self.rendered.clear()
        return self.page.goto(urljoin(self.places.server.url, path))

    def system_page(self, template: str, values: dict):
        """A page for what went wrong, as its template makes it: most of them need an accident to be seen."""
        self.who = template
        request = RequestFactory().get("/")
        request.user, request.session = AnonymousUser(), SessionStore()
        alone = template in ("500.html", "503.html")
        body = render_to_string(template, values, request=None if alone else request)
        address = f"{self.places.server.url}/{template}"
        self.page.route(
            address, lambda route: route.fulfill(body=body, content_type="text/html; charset=utf-8")
        )
        self.page.goto(address)
        self.look_at_widths("system page")

    def press(self, button: str):
        self.rendered.clear()
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=button, exact=True).click()

    def choose_from_inbox(self):
        """Ticked applications, before they are signed together."""
        self.become("employer", self.places.clients["employer"])
        self.open("/inbox/")
        self.page.locator("main form input[type=checkbox]").first.check()
        self.press("核对所选")
        self.look("filled")
        self.errors()

    def reject_without_a_reason(self):
        """The reason's field may stay empty where one is ticked, so that it carries no mark of its own."""
        self.become("employer", self.places.clients["employer"])
        self.open("/inbox/")
        self.page.locator("main table a").first.click()
        self.press("驳回")
        assert self.page.locator(".errsum").count() or self.page.get_by_role("alert").count()
        self.look("error")

    def look(self, state: str):
        """The open page at all widths, in one of the states of its address; `empty` besides where it says so itself."""
        name = name_of(self.page.url)
        self.look_at_widths(state)
        self.seen.add(name)
        self.states[name].add(state)
        if any("components/empty.html" in one.source for one in self.rendered):
            self.may_be_empty.add(name)
        if self.page.locator("main .empty").count():
            self.states[name].add("empty")

    def look_at_widths(self, state: str):
        for width in WIDTHS:
            found = self.found_at(width)
            self.count.tried += 1
            self.count.failed += len(found)
            self.wrong += [f"{self.who} {self.page.url} {state} {width}: {one}" for one in found]

    def found_at(self, width: int) -> list[str]:
        """What is wrong with the open page at a width in px."""
        if self.page.viewport_size["width"] != width:
            self.page.set_viewport_size({"width": width, "height": 800})
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        return self.page.evaluate(LOOK, RULES)

    def errors(self):
        """Send every form of this page empty, or stuffed where it asks for nothing, and look at the answer."""
        path = self.page.url
        name = name_of(path)
        if self.sent[name] >= SENT:
            return
        forms = [(at, CLEAR) for at in self.page.evaluate(FORMS)]
        if name != "credits:unit_people":  # one of several steps: what is sent there is kept for the next
            forms += [(at, STUFF) for at in self.page.evaluate(OPTIONAL)]
        self.sent[name] += bool(forms)
        for number, (at, spoil) in enumerate(forms):
            if number:
                self.open(path)
            self.rendered.clear()
            with self.page.expect_navigation():
                self.page.evaluate(spoil, at)
            if self.page.locator(".errsum").count():
                self.look("error")
            elif spoil == CLEAR:
                self.accepted.append(f"{self.who} {path} form {at} -> {self.page.url}")


def steps(places: Places):
    """Screens that are reached by an earlier step alone: (who, browser, path), each ready when it is asked for."""
    practitioner, unit = places.clients["practitioner"], places.clients["employer"]
    yield "practitioner", practitioner, "/hours/declare/?kind=academic-forum"
    yield "employer", unit, "/hours/unit/new/?kind=academic-forum"
    declaring.fill_in(practitioner, declaring.answers("academic-forum", stated_hours="2"))
    yield "practitioner", practitioner, "/hours/declare/check/"
    training = declaring.answers("academic-forum", stated_hours="2")
    answer = unit.post("/hours/unit/new/?kind=academic-forum", training)
    assert answer.url == "/hours/unit/new/people/"
    yield "employer", unit, answer.url
    unit.post("/hours/unit/new/people/", {"do": "all"})
    yield "employer", unit, "/hours/unit/new/people/"
    people = [str(one.pk) for one in Practitioner.objects.filter(employer__name=SHELTER)[:3]]
    ids = ",".join(people)
    unit.post("/hours/unit/new/people/", {"do": "check", "picked": ids, "shown": ids, "person": people})
    yield "employer", unit, "/hours/unit/new/check/"
    relieved = places.suburb.login(places.suburb.relieved)
    yield "relieved", relieved, "/hours/relief/"
    relieved.post("/hours/relief/", test_relief.answers())
    yield "relieved", relieved, "/hours/relief/check/"

    # Registering, and what its progress offers.
    newcomer, chosen = Client(), Organization.objects.get(name=SHELTER)
    yield "newcomer", newcomer, registering.address("form", "practitioner", "staff", chosen)
    answer = registering.fill_in("practitioner", "staff", chosen, newcomer)
    yield "newcomer", newcomer, answer.url
    answer = newcomer.post(answer.url)
    yield "registered", newcomer, answer.url
    yield "registered", newcomer, "/register/progress/"
    application = answer.url.strip("/").rsplit("/", 1)[1]
    yield "registered", newcomer, f"/register/progress/withdraw/?application={application}"

    coded = places.suburb.login(places.suburb.coded)
    yield "coded", coded, "/organization/code/"
    coded.post("/organization/admins/add/", {"id_kind": "resident", "id_number": registering.an_id_number()})
    yield "coded", coded, "/organization/admins/add/role/"

    # Two-step login and a forgotten password.
    owner, account = Client(), places.suburb.owner.account
    password_step(account, owner)
    owner.post("/security/second-factor/", {"current_password": TOWN_PASSWORD})
    page = owner.get("/security/second-factor/")
    yield "owner", owner, "/security/second-factor/"
    phone = Phone(key_shown(page), SimpleNamespace(now=time.time()))
    owner.post("/security/second-factor/", {"code": phone.code()})
    yield "owner", owner, "/security/recovery-codes/"
    yield "owner", owner, "/security/recovery-codes/renew/"
    yield "owner", owner, "/security/second-factor/off/"
    yield "owner with the password alone", password_step(account)[0], "/second-factor/"
    forgetful = Client()
    forgetful.post("/forgot/", {"way": "mobile", "id_number": synthetic_id(36)})
    yield "forgetful", forgetful, "/set-password/"
    yield "of two places", unit, "/identity/"


@pytest.fixture(scope="module")
def walk(chromium, places):  # noqa: F811
    """All walks; done before the tests, whose transactions would hold rows that the server writes."""
    with figure("axe") as count:
        walk, known = Walk(chromium, places, count), {}
        walk.visit("anybody", Client(), "/reset/no-such-page/here/", status=404)
        walk.visit("practitioner", places.clients["practitioner"], "/inbox/", status=403)
        for template, values in SYSTEM_PAGES.items():
            walk.system_page(template, values)
        for name, (template, values) in EMPTY_PAGES.items() if LONG else ():
            walk.system_page(template, values)
            if walk.page.locator("main .empty").count():
                walk.states[name].add("empty")
        clients = places.clients | (places.suburb.clients if LONG else {})
        for who, client in clients.items():
            for path in crawl(client, who, known):
                walk.visit(who, client, path)
        for who, client, path in steps(places):
            walk.visit(who, client, path)
        for name in sorted(SCREENS - walk.seen):
            for who in sorted(MATRIX[name].get, key=("person", "unit", *EVERYBODY).index):
                if name not in walk.seen:
                    walk.visit(f"the matrix' {who}", places.world.clients[who], places.world.url(name))
        walk.choose_from_inbox()
        walk.reject_without_a_reason()
        template_rendered.disconnect(walk._note)
        yield walk
        walk.context.close()


def test_a_bad_page_is_seen(walk):
    """The control: an unnamed picture in a page that is too wide."""
    walk.page.set_content(
        '<html lang="zh-CN"><title>x</title><main><h1>x</h1><img src="data:," width="2000"></main>'
    )
    found = walk.found_at(360)
    assert any("px too wide" in one for one in found)
    assert any(one.startswith("image-alt") for one in found)


def test_no_screen_has_a_violation(walk):
    assert not walk.wrong, "\n".join(walk.wrong)


def test_every_address_was_looked_at(walk):
    assert SCREENS & walk.seen == SCREENS, sorted(SCREENS - walk.seen)


def test_every_form_sent_empty_says_what_is_missing(walk):
    assert len(+walk.sent) > 20
    assert not walk.accepted, "\n".join(walk.accepted)
    sent = {name for name in SCREENS if MATRIX[name].post is not None}
    silent = {name for name in sent if "error" not in walk.states[name]}
    assert silent <= NO_ERROR, sorted(silent - NO_ERROR)


@pytest.mark.skipif(not LONG, reason="who has nothing walks in the long tier alone")
def test_every_screen_that_can_be_empty_was_seen_empty(walk):
    never = {name for name in walk.may_be_empty if "empty" not in walk.states[name]}
    assert not never, "\n".join(sorted(never))
