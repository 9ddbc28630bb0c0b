"""Where the forms stand that cannot be opened by their address alone: the steps before them, through the pages.

Each entry of ARRANGED brings somebody to a form and returns a `Place`. What a form asks for is read from its page
(tests/fuzzing.py); `fields` adds what only other pages send there.
"""

from dataclasses import dataclass, field
from types import SimpleNamespace
from unittest import mock

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from accounts import password, second_factor
from credits import packs
from credits.models import RulePack
from credits.years import current_year
from orgs.models import Organization, Practitioner
from orgs.uscc import make_temporary
from registration.situations import situations_of
from tests import declaring, registering, test_matrix, test_relief, test_second_factor
from tests.test_matrix import EVERYBODY, MATRIX, World
from tests.town import PASSWORD, Town
from workflow.models import Step

YEAR = current_year()
ROLES = ("practitioner", "employer", "authority")


@dataclass
class Place:
    """A browser, the address that it posts to, and what it may send beyond what the page asks for."""

    client: Client
    url: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    read: str = ""  # the page with the form, where that is another one


class FuzzWorld(World):
    """The matrix's town with the reference data, further people, and the browsers of those who register."""

    def __init__(self):
        super().__init__()
        call_command("load_reference", verbosity=0, stdout=open("/dev/null", "w"))  # noqa: SIM115
        self.town = Town.__new__(Town)
        self.town._numbers = iter(range(5_000, 9_000))
        self.unit = Organization.objects.get(pk=self.objects["organization"]["organization_id"])
        self.sibling = Organization.objects.filter(superior=self.unit.superior).exclude(pk=self.unit.pk)[0]
        self.bureau = self.unit.superior.superior
        self.fresh = self.town.practitioner(at=self.unit)
        self.clients["fresh"] = self.town.login(self.fresh)
        self.cookies = {name: client.cookies.copy() for name, client in self.clients.items()}
        self.ids = [
            value for kwargs in self.objects.values() for value in kwargs.values() if isinstance(value, int)
        ]

    def places(self, name: str) -> list[Place]:
        """Every way to the form: as arranged, else whoever may by the matrix, else whoever reaches the door."""
        for who, client in self.clients.items():
            client.cookies = self.cookies[who].copy()
        if name in ARRANGED:
            return [arrange(self) for arrange in ARRANGED[name]]
        page = MATRIX[name]
        expected = {who: page.expected(who, "post") for who in EVERYBODY}
        right = [who for who in EVERYBODY if expected[who] == "open"]
        right = right or [who for who in EVERYBODY if expected[who] == "404"]
        fields = FIELDS.get(name, {})
        if name in ("accounts:login", "accounts:forgot", "registration:progress"):
            fields = {"id_number": [self.fresh.user.id_number.reveal()]}
        return [Place(self.clients[who], self.url(name), fields) for who in right]


folder, private_files = test_matrix.folder, test_matrix.private_files


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, folder):
    yield from test_matrix.built_once(FuzzWorld, folder, django_db_blocker)


# What is sent to an address from pages that the place itself does not show.
FIELDS = {
    "workflow:check_many": {
        "step": ["1"],
        "all": ["1"],
        "tick": ["none"],
        "everything": ["1"],
        "duty": ["hours"],
        "name": ["测"],
    },
    "credits:verification_policies": {"remove": ["1"]},
    "credits:sample": {"again": ["1"]},
}


# --- before the login ---------------------------------------------------------------------------------


def _registering(role: str, page: str):
    def arrange(world: FuzzWorld) -> Place:
        chosen = {"practitioner": world.unit, "employer": world.unit.superior, "authority": world.bureau}[
            role
        ]
        situation = _situation(role)
        client = Client()
        url = registering.address(page, role, situation, chosen)
        if page == "check":
            answer = registering.fill_in(role, situation, chosen, client)
            assert answer.status_code == 302, registering.errors(answer)
        return Place(client, url)

    return arrange


def _progress(url_name: str, withdrawn: bool = False):
    def arrange(world: FuzzWorld) -> Place:
        client, number = Client(), registering.an_id_number()
        situation = _situation("practitioner")
        application = registering.register("practitioner", situation, world.unit, client, id_number=number)
        progress = reverse("registration:progress")
        answer = client.post(
            progress, {"id_number": number, "password": registering.PASSWORD, "do": "password"}, follow=True
        )
        assert answer.status_code == 200
        if withdrawn:
            client.post(
                reverse("registration:withdraw"),
                {"application": application.pk, "password": registering.PASSWORD},
            )
        return Place(
            client,
            reverse(url_name),
            {"application": [str(application.pk)], "password": [registering.PASSWORD]},
        )

    return arrange


def _situation(role: str) -> str:
    wanted = {"employer": "authority", "authority": "bureau", "practitioner": "unit"}[role]
    return next(one.key for one in situations_of(role) if one.asks == wanted)


def choosing(world: FuzzWorld) -> Place:
    """A login that fits two organisations."""
    user = world.town.user()
    account = world.town.admin(world.unit, user)
    world.town.admin(world.sibling, user)
    client = Client()
    sent = {"role": account.role, "id_number": user.id_number.reveal(), "password": PASSWORD}
    assert client.post("/login/", sent).url.startswith("/identity/")
    return Place(client, reverse("accounts:choose"), {"identity": [str(account.pk)]})


def new_password_by_mail(world: FuzzWorld) -> Place:
    token, _ = password.start_reset(world.fresh.user, with_code=False)
    client = Client()
    client.get(reverse("accounts:reset", args=[token]))
    return Place(client, reverse("accounts:set_password"))


def new_password_by_code(world: FuzzWorld) -> Place:
    client = Client()
    client.post(reverse("accounts:forgot"), {"id_number": world.fresh.user.id_number.reveal(), "way": "sms"})
    return Place(client, reverse("accounts:set_password"), {"code": ["123456"]})


def _with_factor(world: FuzzWorld) -> tuple[Client, Practitioner, str]:
    """Somebody with two-step verification, logged in, and a code that would be right."""
    person = world.town.practitioner(at=world.unit)
    client, clock = world.town.login(person), SimpleNamespace(now=test_second_factor.START)
    with mock.patch.object(second_factor, "time", SimpleNamespace(time=lambda: clock.now)):
        _, codes, _ = test_second_factor.set_up(client, clock)
    return client, person, codes[0]


def second_step(world: FuzzWorld) -> Place:
    _, person, code = _with_factor(world)
    client, _ = test_second_factor.password_step(person.account)
    return Place(client, reverse("accounts:second_factor"), {"code": [code]})


def setting_up(world: FuzzWorld) -> Place:
    client = world.clients["fresh"]
    client.post(reverse("accounts:set_up_second_factor"), {"current_password": PASSWORD})
    return Place(client, reverse("accounts:set_up_second_factor"), {"code": ["123456"]})


def _factor_page(name: str):
    def arrange(world: FuzzWorld) -> Place:
        client, _, code = _with_factor(world)
        return Place(client, reverse(name), {"code": [code], "current_password": [PASSWORD]})

    return arrange


# --- hours ----------------------------------------------------------------------------------------------


def declaring_kind(number: int):
    def arrange(world: FuzzWorld) -> Place:
        declaring.publish("shandong", world.bureau)
        kinds = sorted(declaring.activities_of(world.fresh))
        kind = kinds[number * len(kinds) // 8]
        return Place(world.clients["fresh"], reverse("credits:declare"), {"kind": [kind]}, f"?kind={kind}")

    return arrange


def checking(world: FuzzWorld) -> Place:
    activity = next(iter(declaring.activities_of(world.fresh).values()))
    declaring.fill_in(world.clients["fresh"], declaring.usual(activity))
    return Place(world.clients["fresh"], reverse("credits:check"))


def relief_checked(world: FuzzWorld) -> Place:
    return relief(world, check=True)


def relief(world: FuzzWorld, check: bool = False) -> Place:
    example = RulePack.objects.get(code="relief-example").text
    words = example.replace('code = "relief-example"', 'code = "fuzz-relief"').replace(
        "year_from = 2026", "year_from = 2021"
    )
    packs.publish(packs.draft(words, bureau=world.bureau))
    client = world.clients["fresh"]
    if check:
        answer = client.post(reverse("credits:relief"), test_relief.answers())
        assert answer.status_code == 302, answer.content.decode()
    return Place(client, reverse("credits:relief_check" if check else "credits:relief"))


def _unit_training(world: FuzzWorld) -> None:
    sent = {
        "kind": "academic-forum", "title": "测试论坛", "organiser": "测试中心", "subject": "professional", "year": YEAR,
        "started_on": f"{YEAR}-01-08", "ended_on": f"{YEAR}-01-08", "stated_hours": "8", "files": [declaring.proof()],
    }  # fmt: skip
    answer = world.clients["unit"].post(reverse("credits:unit_new"), sent)
    assert answer.status_code == 302, declaring.errors_of(answer)


def unit_new(world: FuzzWorld) -> Place:
    return Place(
        world.clients["unit"],
        reverse("credits:unit_new"),
        {"kind": ["academic-forum"]},
        "?kind=academic-forum",
    )


def unit_people(world: FuzzWorld) -> Place:
    _unit_training(world)
    more = {
        "do": ["all", "none", "names", "find", "check", "enter"],
        "go": ["?after=1"],
        "names": ["测试5001"],
        "title_level": ["middle"],
    }
    return Place(world.clients["unit"], reverse("credits:unit_people"), more)


def unit_check(world: FuzzWorld) -> Place:
    _unit_training(world)
    world.clients["unit"].post(reverse("credits:unit_people"), {"person": world.fresh.pk, "do": "check"})
    return Place(world.clients["unit"], reverse("credits:unit_check"))


def _issuing(name: str, who: str, *objects: str):
    def arrange(world: FuzzWorld) -> Place:
        args = [world.fresh.pk] if objects else []
        world.town.stands(world.fresh, public=30, professional=62)
        return Place(world.clients[who], reverse(name, args=args), {"year": [str(YEAR)]})

    return arrange


# --- people and units -----------------------------------------------------------------------------------


def transfer(world: FuzzWorld) -> Place:
    more = {"do": ["edit", "submit"], "new_employer": [str(world.sibling.pk)]}
    return Place(world.clients["fresh"], reverse("transfers:transfer"), more)


def dismiss(world: FuzzWorld) -> Place:
    return Place(world.clients["unit"], reverse("registration:dismiss", args=[world.fresh.pk]))


def replace_code(world: FuzzWorld) -> Place:
    world.unit.uscc = make_temporary("370900", 77)
    world.unit.save()
    return Place(world.clients["unit"], reverse("registration:replace_code"))


def succession(world: FuzzWorld) -> Place:
    client = world.clients["unit"]
    assert client.post(reverse("orgs:cancel_succession")).status_code == 302
    return Place(client, reverse("orgs:succession"))


def appoint(world: FuzzWorld) -> Place:
    client = world.clients["unit"]
    answer = client.post(reverse("orgs:add_admin"), {"id_number": registering.an_id_number()})
    assert answer.status_code == 302, answer.content.decode()
    return Place(client, reverse("orgs:appoint"))


def appoint_known(world: FuzzWorld) -> Place:
    client = world.clients["unit"]
    assert client.post(reverse("orgs:add_admin"), {"person": world.fresh.pk}).status_code == 302
    return Place(client, reverse("orgs:appoint"))


def _deciding(name: str):
    def arrange(world: FuzzWorld) -> Place:
        step = Step.objects.get(pk=world.objects["step"]["step_id"])
        page = reverse("workflow:detail", args=[step.application_id])
        return Place(world.clients["unit"], reverse(name, args=[step.pk]), {}, page)

    return arrange


def remove_done(world: FuzzWorld) -> Place:
    step = Step.objects.filter(approver=world.unit, state="approved")[0]
    return Place(
        world.clients["unit"], reverse("workflow:remove_done"), {"step": [str(step.pk)], "restore": ["1"]}
    )


def end_session(world: FuzzWorld) -> Place:
    world.town.login(world.fresh)  # another browser
    return Place(world.clients["fresh"], reverse("accounts:end_session"), {}, reverse("accounts:security"))


def issue_all(world: FuzzWorld) -> Place:
    return Place(world.clients["office"], reverse("credits:issue_all"), {}, reverse("credits:issuing"))


def decide_many(world: FuzzWorld) -> Place:
    step = Step.objects.get(pk=world.objects["step"]["step_id"])
    more = {
        "step": [str(step.pk)],
        "unlisted": [f"{step.pk},1"],
        "verdict": ["approve", "reject"],
        "comment": ["好"],
        "reject-reason": ["x"],
        "all": [f"{step.pk},1"],
        "more": ["1"],
    }
    return Place(world.clients["unit"], reverse("workflow:decide_many"), more)


ARRANGED = {
    "registration:form": [_registering(role, "form") for role in ROLES],
    "registration:check": [_registering(role, "check") for role in ROLES],
    "registration:withdraw": [_progress("registration:withdraw")],
    "registration:remind": [_progress("registration:remind")],
    "registration:again": [_progress("registration:again", withdrawn=True)],
    "registration:dismiss": [dismiss],
    "registration:replace_code": [replace_code],
    "accounts:choose": [choosing],
    "accounts:set_password": [new_password_by_mail, new_password_by_code],
    "accounts:second_factor": [second_step],
    "accounts:set_up_second_factor": [_factor_page("accounts:set_up_second_factor"), setting_up],
    "accounts:renew_recovery_codes": [_factor_page("accounts:renew_recovery_codes")],
    "accounts:turn_off_second_factor": [_factor_page("accounts:turn_off_second_factor")],
    "credits:declare": [declaring_kind(number) for number in range(8)],
    "credits:check": [checking],
    "credits:relief": [relief],
    "credits:relief_check": [relief_checked],
    "credits:unit_new": [unit_new],
    "credits:unit_people": [unit_people],
    "credits:unit_check": [unit_check],
    "credits:issue_own": [_issuing("credits:issue_own", "fresh")],
    "credits:issue_to": [_issuing("credits:issue_to", "office", "person")],
    "transfers:transfer": [transfer],
    "orgs:succession": [succession],
    "orgs:appoint": [appoint, appoint_known],
    "workflow:decide_many": [decide_many],
    "workflow:approve": [_deciding("workflow:approve")],
    "workflow:reject": [_deciding("workflow:reject")],
    "workflow:remove_done": [remove_done],
    "accounts:end_session": [end_session],
    "credits:issue_all": [issue_all],
}
