"""Who may open what: every address × every kind of person × GET and POST, from one reviewed table.

The table may not forget a page: a new address without a row fails. A page of another role answers 403, a foreign
object 404 with the same bytes as a missing one, a method that a page does not offer 405; whoever is not logged in is
led to the login. No answer carries anybody's whole ID number.
"""

import base64
import contextlib
import datetime
import io
import re
import zipfile
import zlib
from dataclasses import dataclass
from decimal import Decimal

import openpyxl
import pypdf
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import transaction
from django.test import Client, override_settings
from django.urls import get_resolver, reverse
from django.utils import timezone

from accounts import outbox
from accounts.models import User
from credits import certificate_batches, certificates, pack_editing, trial
from credits.api import keys as api_keys
from credits.models import (
    ActivityKind,
    Certificate,
    Declaration,
    IntakeBatch,
    Provider,
    SampleDraw,
    Subject,
    UnitDeclaration,
    Window,
)
from credits.paper.signing import public_keys
from credits.years import current_year
from orgs.models import AdminRole, Division, Duty, OrgAdmin
from orgs.succession import offer
from orgs.uscc import make_temporary
from registration.models import IdentityCorrection, TemporaryCode
from tests.test_credits import sign
from tests.test_exports import stored
from tests.tiers import figure
from tests.town import Town
from transfers.models import Release
from workflow import engine
from workflow.attachments import attach
from workflow.models import Attachment

pytestmark = pytest.mark.django_db

# `person` works at `unit`, whose super admin is "unit"; the objects of the addresses are theirs. `pair` is a super
# admin's successor-to-be at `unit`. "office" is the bureau above, "region" an unrelated bureau.
PRACTITIONERS = ("person", "colleague")
SUPERS = ("unit", "sub_unit", "sibling", "authority", "office", "region", "operator")
LIMITED = ("hours_admin", "pair")
ADMINS = SUPERS + LIMITED
EVERYBODY = ("nobody", *PRACTITIONERS, *ADMINS)
ABOVE = ("authority", "office", "operator")
OFFICES = ("office", "region")  # bureaus
HOLDERS = (*PRACTITIONERS, *OFFICES)
EMPLOYERS = ("unit", "sub_unit", "sibling")
DECLARING = (*EMPLOYERS, "hours_admin")


@dataclass(frozen=True)
class Page:
    """One address. `role`: whose page it is; `get`, `post`: who may with the object (None: method not offered).

    `args` names the object by a key of `World.objects`. A public page has no role.
    """

    get: tuple | None
    post: tuple | None = None
    role: tuple | None = None
    args: str = ""

    def expected(self, who: str, method: str) -> str:
        """open, login, 403, 404 or 405."""
        allowed = self.get if method == "get" else self.post
        if self.role is not None and who == "nobody":
            return "login"
        if allowed is None:
            return "405"
        if self.role is not None and who not in self.role:
            return "403"
        return "open" if who in allowed else "404"


def public(get=EVERYBODY, post=None, args="") -> Page:
    return Page(get, post, None, args)


class Signed(Page):
    """For machines with a key: no login opens it."""

    def expected(self, who: str, method: str) -> str:
        return "405" if (self.get if method == "get" else self.post) is None else "401"


ANY = (*PRACTITIONERS, *ADMINS)
PEOPLE = SUPERS  # the others lack the duty
SEES_PERSON = ("unit", *ABOVE)
SEES_UNIT = ("unit", *LIMITED, *ABOVE)
OWN_SUPER = ("unit",)
KEEPERS = ("office", "region", "operator")  # of learning platforms
OWN_PLATFORM = ("office", "operator")
RULE_MAKERS = ("office", "region", "operator")
OWN_RULES = ("office", "operator")
OPERATORS = ("operator",)
HOURS_ADMINS = (*SUPERS, "hours_admin")

MATRIX = {
    # --- for everybody ---------------------------------------------------------------------------
    "desk:home": public(),
    "desk:faq": public(),
    "desk:statement": public(),
    "desk:accessibility": public(post=EVERYBODY),
    "accounts:login": public(post=EVERYBODY),
    "accounts:logout": public(get=None, post=EVERYBODY),
    "accounts:choose": public(post=("nobody",)),
    "accounts:switch": public(get=None, post=("nobody", "sibling"), args="account"),
    "accounts:forgot": public(post=EVERYBODY),
    "accounts:sent": public(),
    "accounts:reset": public(args="token"),
    "accounts:set_password": public(post=EVERYBODY),
    "accounts:second_factor": public(post=EVERYBODY),
    "registration:start": public(),
    "registration:another_role": public(),
    "registration:privacy": public(),
    "registration:progress": public(post=EVERYBODY),
    "registration:withdraw": public(post=EVERYBODY),
    "registration:again": public(get=None, post=EVERYBODY),
    "registration:remind": public(get=None, post=EVERYBODY),
    "registration:done": public(args="application"),
    "registration:situations": public(args="registering_role"),
    "registration:unit": public(args="registering_role"),
    "registration:form": public(post=EVERYBODY, args="registering_role"),
    "registration:check": public(post=EVERYBODY, args="registering_role"),
    # Whoever is not logged in is led to the progress query, where a password opens it.
    "registration:code_document": public(get=("nobody", *SEES_UNIT), args="code"),
    "credits:verify": public(post=EVERYBODY),
    "credits:verifying_keys": public(),
    "credits:verifying_key": public(args="key"),
    # --- for everybody who is logged in ----------------------------------------------------------
    "accounts:password": Page(ANY, ANY, role=ANY),
    "accounts:security": Page(ANY, role=ANY),
    "accounts:end_session": Page(None, ANY, role=ANY),
    "accounts:set_up_second_factor": Page(ANY, ANY, role=ANY),
    "accounts:recovery_codes": Page(ANY, ANY, role=ANY),
    # nobody here has a second factor
    "accounts:renew_recovery_codes": Page((), (), role=ANY),
    "accounts:turn_off_second_factor": Page((), (), role=ANY),
    "accounts:messages": Page(ANY, role=ANY),
    "accounts:read_messages": Page(None, ANY, role=ANY),
    "accounts:open_message": Page(None, ("person",), role=ANY, args="message"),
    "accounts:read_message": Page(None, ("person",), role=ANY, args="message"),
    "workflow:detail": Page(("person", "hours_admin", *SEES_PERSON), role=ANY, args="application"),
    "workflow:receipt": Page(("person", "hours_admin", *SEES_PERSON), role=ANY, args="application"),
    "workflow:attachment": Page(("person", "hours_admin", *SEES_PERSON), role=ANY, args="attachment"),
    "workflow:withdraw": Page(("person",), ("person",), role=ANY, args="application"),
    "workflow:remind": Page(None, ("person", "unit", "hours_admin"), role=ANY, args="application"),
    "transfers:again": Page((), role=ANY, args="application"),
    "orgs:answer_succession": Page(("pair",), ("pair",), role=ANY, args="swap"),
    # --- practitioners ---------------------------------------------------------------------------
    "credits:mine": Page(PRACTITIONERS, role=PRACTITIONERS),
    "credits:declare": Page(PRACTITIONERS, PRACTITIONERS, role=PRACTITIONERS),
    "credits:check": Page(PRACTITIONERS, PRACTITIONERS, role=PRACTITIONERS),
    "credits:done": Page(("person",), role=PRACTITIONERS, args="application"),
    "credits:years": Page(PRACTITIONERS, role=PRACTITIONERS),
    "credits:certificates": Page(PRACTITIONERS, role=PRACTITIONERS),
    "credits:issue_own": Page(None, PRACTITIONERS, role=PRACTITIONERS),
    "credits:filing": Page(PRACTITIONERS, role=PRACTITIONERS),
    "credits:filing_pdf": Page(PRACTITIONERS, role=PRACTITIONERS),
    # --- certificates: the person's own; bureaus above the person --------------------------------
    "credits:certificate": Page(("person", "office"), role=HOLDERS, args="certificate"),
    "credits:certificate_pdf": Page(("person", "office"), role=HOLDERS, args="certificate"),
    "credits:replace_certificate": Page(None, ("person", "office"), role=HOLDERS, args="certificate"),
    "credits:revoke_certificate": Page(("office",), ("office",), role=OFFICES, args="certificate"),
    "credits:issuing": Page(OFFICES, role=OFFICES),
    "credits:issue_all": Page(None, OFFICES, role=OFFICES),
    "credits:issue_to": Page(None, ("office",), role=OFFICES, args="practitioner"),
    "credits:certificate_batch": Page(("office",), role=OFFICES, args="batch"),
    "credits:issued_certificates": Page(OFFICES, role=OFFICES),
    "credits:certificate_checks": Page(OFFICES, role=OFFICES),
    "transfers:transfer": Page(PRACTITIONERS, PRACTITIONERS, role=PRACTITIONERS),
    # --- hours declared by the unit --------------------------------------------------------------
    "credits:unit_declarations": Page(DECLARING, role=DECLARING),
    # Without anything filled in before, people and check lead back to the form.
    "credits:unit_new": Page(DECLARING, DECLARING, role=DECLARING),
    "credits:unit_people": Page(DECLARING, DECLARING, role=DECLARING),
    "credits:unit_check": Page(DECLARING, DECLARING, role=DECLARING),
    "credits:unit_declaration": Page(
        ("unit", "hours_admin", *ABOVE), role=(*SUPERS, "hours_admin"), args="unit_declaration"
    ),
    "credits:unit_remind": Page(None, ("unit", "hours_admin"), role=DECLARING, args="unit_declaration"),
    "credits:unit_cancel": Page(
        ("unit", "hours_admin"), ("unit", "hours_admin"), role=DECLARING, args="unit_declaration"
    ),
    "credits:unit_file": Page(("person", "unit", "hours_admin", *ABOVE), role=ANY, args="unit_file"),
    "credits:unit_offers": Page(PRACTITIONERS, PRACTITIONERS, role=PRACTITIONERS),
    "credits:unit_offer": Page(("person",), ("person",), role=PRACTITIONERS, args="unit_row"),
    # --- own data --------------------------------------------------------------------------------
    "registration:own_data": Page(PRACTITIONERS, PRACTITIONERS, role=PRACTITIONERS),
    "registration:contacts": Page(ANY, ANY, role=ANY),
    "registration:correction": Page(ANY, ANY, role=ANY),
    "registration:close_account": Page(ANY, ANY, role=ANY),
    "credits:relief": Page(PRACTITIONERS, PRACTITIONERS, role=PRACTITIONERS),
    "credits:relief_check": Page(PRACTITIONERS, PRACTITIONERS, role=PRACTITIONERS),
    # Whoever signed it; others, also above, do not answer for it.
    "credits:revoke": Page(
        ("unit", "hours_admin", "authority", "office"),
        ("unit", "hours_admin", "authority", "office"),
        role=(*SUPERS, "hours_admin"),
        args="granted",
    ),
    # --- rules -----------------------------------------------------------------------------------
    "credits:packs": Page(RULE_MAKERS, role=RULE_MAKERS),
    "credits:start_pack": Page(RULE_MAKERS, RULE_MAKERS, role=RULE_MAKERS),
    "credits:pack": Page(OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:pack_changes": Page(OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:new_version": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="pack"),
    "credits:retire_pack": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="pack"),
    "credits:publish_pack": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:discard_pack": Page(None, OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:pack_head": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:pack_year": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:pack_caps": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:pack_text": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:add_activity": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:pack_activity": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="pack_activity"),
    "credits:pack_conversion": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="pack_activity"),
    "credits:switch_activity": Page(None, OWN_RULES, role=RULE_MAKERS, args="pack_activity"),
    "credits:pack_relief": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="pack_relief"),
    "credits:try_pack": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="draft_pack"),
    "credits:trial": Page(("office",), role=RULE_MAKERS, args="trial"),
    "credits:windows": Page(RULE_MAKERS, role=RULE_MAKERS),
    "credits:add_window": Page(RULE_MAKERS, RULE_MAKERS, role=RULE_MAKERS),
    "credits:window": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="window"),
    "credits:remove_window": Page(OWN_RULES, OWN_RULES, role=RULE_MAKERS, args="window"),
    # --- the platform's staff --------------------------------------------------------------------
    "registration:codes": Page(OPERATORS, role=OPERATORS),
    "registration:revoke_code": Page(OPERATORS, OPERATORS, role=OPERATORS, args="code"),
    "registration:corrections": Page(OPERATORS, role=OPERATORS),
    "registration:correction_numbers": Page(None, OPERATORS, role=OPERATORS, args="correction"),
    # --- admins ----------------------------------------------------------------------------------
    "registration:unit_profile": Page(SUPERS, SUPERS, role=SUPERS),
    "registration:replace_code": Page(SUPERS, SUPERS, role=SUPERS),
    "registration:dismiss": Page(("unit",), ("unit",), role=SUPERS, args="practitioner"),
    "workflow:remove_done": Page(None, (), role=ADMINS),
    "workflow:inbox": Page(ADMINS, role=ADMINS),
    "workflow:done": Page(ADMINS, role=ADMINS),
    # Without anything chosen they lead back to the list.
    "workflow:check_many": Page(ADMINS, ADMINS, role=ADMINS),
    "workflow:decide_many": Page(ADMINS, ADMINS, role=ADMINS),
    # --- learning platforms: the region's admin holds the duty, and keeps others -------------------
    "credits:platforms": public(),
    "credits:providers": Page(KEEPERS, role=KEEPERS),
    "credits:add_provider": Page(KEEPERS, KEEPERS, role=KEEPERS),
    "credits:provider": Page(OWN_PLATFORM, role=KEEPERS, args="provider"),
    "credits:edit_provider": Page(OWN_PLATFORM, OWN_PLATFORM, role=KEEPERS, args="provider"),
    "credits:add_key": Page(None, OWN_PLATFORM, role=KEEPERS, args="provider"),
    "credits:revoke_key": Page(None, OWN_PLATFORM, role=KEEPERS, args="provider_key"),
    "credits:intake": Page(KEEPERS, role=KEEPERS),
    "credits:intake_upload": Page(KEEPERS, KEEPERS, role=KEEPERS),
    "credits:intake_template": Page(KEEPERS, role=KEEPERS),
    "credits:intake_waiting": Page(KEEPERS, role=KEEPERS),
    "credits:intake_batch": Page(OWN_PLATFORM, role=KEEPERS, args="intake_batch"),
    "credits:intake_problems": Page(OWN_PLATFORM, role=KEEPERS, args="intake_batch"),
    "credits:intake_commit": Page(None, OWN_PLATFORM, role=KEEPERS, args="intake_batch"),
    "credits:intake_cancel": Page(None, OWN_PLATFORM, role=KEEPERS, args="intake_batch"),
    "api_docs": public(),
    "api:api-root": public(),
    "api:openapi-json": public(),
    "api:hours": Signed(None, ()),
    "api:corrections": Signed(None, ()),
    "api:event": Signed((), args="event"),
    "credits:sampling": Page(("office", "region"), role=HOURS_ADMINS),
    "credits:draw_sample": Page(None, ("office", "region"), role=HOURS_ADMINS),
    "credits:sample": Page(("office",), ("office",), role=HOURS_ADMINS, args="draw"),
    "credits:verification_policies": Page(("office", "region"), ("office", "region"), role=HOURS_ADMINS),
    "credits:overturned": Page(("office", "region"), role=HOURS_ADMINS),
    "workflow:approve": Page(("unit", "hours_admin"), ("unit", "hours_admin"), role=ADMINS, args="step"),
    "workflow:reject": Page(("unit", "hours_admin"), ("unit", "hours_admin"), role=ADMINS, args="step"),
    "desk:my_data": Page(ANY, role=ANY),
    "desk:my_data_copy": Page(ANY, ANY, role=ANY),
    "desk:my_data_seen": Page(ANY, role=ANY),
    "desk:exports": Page(ADMINS, role=ADMINS),
    "desk:export": Page(PEOPLE, PEOPLE, role=PEOPLE, args="sheet"),
    "desk:export_job": Page(("unit",), role=ADMINS, args="export"),
    "desk:export_download": Page(None, ("unit",), role=ADMINS, args="export"),
    "desk:export_cancel": Page(None, ("unit",), role=ADMINS, args="export"),
    "desk:people": Page(PEOPLE, PEOPLE, role=PEOPLE),
    "desk:person": Page(SEES_PERSON, role=PEOPLE, args="practitioner"),
    "desk:person_number": Page(SEES_PERSON, SEES_PERSON, role=PEOPLE, args="practitioner"),
    "desk:person_history": Page(SEES_PERSON, role=PEOPLE, args="practitioner"),
    "desk:statistics": Page(PEOPLE, role=PEOPLE),
    "desk:unmet": Page(PEOPLE, role=PEOPLE),
    "desk:remind": Page(None, PEOPLE, role=PEOPLE),
    "desk:remind_all": Page(PEOPLE, PEOPLE, role=PEOPLE),
    "desk:waiting": Page(ADMINS, role=ADMINS),
    "desk:waiting_at": Page(SEES_UNIT, role=ADMINS, args="organization"),
    "desk:tree": Page(ADMINS, role=ADMINS),
    "desk:below": Page(SEES_UNIT, role=ADMINS, args="organization"),
    "desk:organization": Page(SEES_UNIT, role=ADMINS, args="organization"),
    "desk:organization_history": Page(SEES_UNIT, role=ADMINS, args="organization"),
    "desk:search": Page(ADMINS, ADMINS, role=ADMINS),
    "desk:reset_password": Page(("unit",), ("unit",), role=PEOPLE, args="practitioner"),
    "transfers:release": Page(EMPLOYERS, EMPLOYERS, role=EMPLOYERS),
    "transfers:released": Page(("unit",), ("unit",), role=SUPERS, args="release"),
    "transfers:incoming": Page(EMPLOYERS, role=EMPLOYERS),
    "transfers:records": Page(EMPLOYERS, role=EMPLOYERS),
    "transfers:superior": Page(
        ("unit", "sub_unit", "sibling", "authority"),
        ("unit", "sub_unit", "sibling", "authority"),
        role=("unit", "sub_unit", "sibling", "authority"),
    ),
    "orgs:admins": Page(SUPERS, role=SUPERS),
    "orgs:add_admin": Page(SUPERS, SUPERS, role=SUPERS),
    "orgs:appoint": Page(SUPERS, SUPERS, role=SUPERS),
    "orgs:admin": Page(OWN_SUPER, OWN_SUPER, role=SUPERS, args="admin"),
    "orgs:suspend": Page(None, OWN_SUPER, role=SUPERS, args="admin"),
    "orgs:restore": Page(None, OWN_SUPER, role=SUPERS, args="admin"),
    "orgs:invite": Page(None, OWN_SUPER, role=SUPERS, args="admin"),
    "orgs:remove": Page(OWN_SUPER, OWN_SUPER, role=SUPERS, args="admin"),
    "orgs:turn_off_second_factor": Page(SUPERS, SUPERS, role=SUPERS),
    "orgs:roles": Page(SUPERS, role=SUPERS),
    "orgs:add_role": Page(SUPERS, SUPERS, role=SUPERS),
    "orgs:edit_role": Page(OWN_SUPER, OWN_SUPER, role=SUPERS, args="role"),
    "orgs:delete_role": Page(None, OWN_SUPER, role=SUPERS, args="role"),
    "orgs:succession": Page(SUPERS, SUPERS, role=SUPERS),
    "orgs:cancel_succession": Page(None, SUPERS, role=SUPERS),
}
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class World:
    """The town of the matrix: who is there, their browsers, and the objects that the addresses name."""

    def __init__(self):
        call_command("load_hours", verbosity=0, stdout=open("/dev/null", "w"))  # noqa: SIM115
        town = Town()
        authority, region = town.authority(), town.bureau_under(town.platform)
        unit = town.employer(under=authority)
        sub_unit, sibling = town.employer(under=unit), town.employer(under=authority)
        person = town.practitioner(at=unit)
        hours_admin = town.admin(unit, duties=[Duty.HOURS])
        pair = town.admin(unit, duties=[Duty.REGISTRATIONS])
        accounts = {
            "person": person.account,
            "colleague": town.practitioner(at=unit).account,
            "unit": town.super_admin(unit),
            "hours_admin": hours_admin,
            "pair": pair,
            "sub_unit": town.super_admin(sub_unit),
            "sibling": town.super_admin(sibling),
            "authority": town.super_admin(authority),
            "office": town.super_admin(town.bureau),
            "region": town.super_admin(region),
            "operator": town.operator(),
        }
        assert set(accounts) | {"nobody"} == set(EVERYBODY)
        self.clients = {name: town.login(account) for name, account in accounts.items()} | {
            "nobody": Client()
        }
        application = self._declaration(town, person)
        file = attach(application, SimpleUploadedFile("证明.png", PIXEL))
        role = AdminRole.objects.create(organization=unit, name="测试角色", duties=[Duty.HOURS])
        release = Release.objects.create(
            token="0" * 32,
            organization=unit,
            new_employer=sibling,
            reason="测试",
            by=accounts["unit"].user,
        )
        swap = offer(OrgAdmin.objects.get(account=pair).pk, by=town.actor(unit))
        town.stands(person, public=30, professional=62)
        certificate = certificates.issue(person, current_year(), by=town.actor(person))
        outbox.notify(person.user, "测试消息", "测试", url="/", account=person.account)
        correction = self._correction(town, accounts["colleague"])
        code = TemporaryCode.objects.create(
            code=make_temporary("370900", 1),
            division=Division.objects.create(code="370900", name="泰安市"),
            serial=1,
            name=unit.name,
            organization=unit,
            issued_by=accounts["operator"].user,
        )
        published = town.rules(town.bureau, total=90)
        draft = pack_editing.start_version(published, by=town.actor(town.bureau), year_from=2030)
        platform = Provider.objects.create(code="matrix", name="测试平台", bureau=town.bureau)
        provider_key, _ = api_keys.make(platform, by=town.actor(town.bureau))
        intake = IntakeBatch.objects.create(
            provider=platform,
            organization=town.bureau,
            by=accounts["office"].user,
            name="测试.xlsx",
            digest="0" * 64,
            state="checked",
            rows_total=1,
            rows_new=1,
        )
        self.objects = {
            "event": {"event_id": "E-1"},
            "intake_batch": {"batch_id": intake.pk},
            "provider": {"provider_id": platform.pk},
            "provider_key": {"key_id": provider_key.pk},
            "": {},
            "account": {"account_id": accounts["sibling"].pk},
            "admin": {"admin_id": OrgAdmin.objects.get(account=hours_admin).pk},
            "application": {"application_id": application.pk},
            "attachment": {"attachment_id": file.pk},
            "draw": {
                "draw_id": SampleDraw.objects.create(
                    bureau=town.bureau,
                    seed="0" * 32,
                    population=0,
                    sampled=0,
                    digest="",
                    by=accounts["office"].user,
                ).pk
            },
            "export": {"export_id": stored(town, unit).pk},
            "sheet": {"sheet": "people"},
            "certificate": {"certificate_id": certificate.pk},
            "batch": {"batch_id": certificate_batches.start(current_year(), by=town.actor(town.bureau)).pk},
            "key": {"key_id": next(iter(public_keys()))},
            "granted": {"application_id": sign(town, self._declaration(town, person, "已计入的培训")).pk},
            "window": {"window_id": self._window(town).pk},
            "pack": {"pack_id": published.pk},
            "draft_pack": {"pack_id": draft.pk},
            # inherited from the province: may be made the bureau's own
            "pack_activity": {"pack_id": draft.pk, "code": "paper"},
            "pack_relief": {"pack_id": draft.pk, "code": "new"},
            "trial": {"trial_id": trial.start(draft, current_year(), by=town.actor(town.bureau)).pk},
            "message": {"message_id": person.user.messages.get().pk},
            "code": {"code_id": code.pk},
            "correction": {"application_id": correction.pk},
            "organization": {"organization_id": unit.pk},
            "practitioner": {"practitioner_id": person.pk},
            "registering_role": {"role": "practitioner"},
            "release": {"release_id": release.pk},
            "role": {"role_id": role.pk},
            "step": {"step_id": application.steps.get(state="open").pk},
            "swap": {"swap_id": swap.pk},
            **self._unit_declaration(accounts["unit"], person, file),
            "token": {"token": "0" * 43},
        }
        self.numbers = [user.id_number.reveal().encode() for user in User.objects.all()]

    @staticmethod
    def _declaration(town, person, title="测试培训"):
        day = datetime.date(current_year(), 1, 1)
        payload = Declaration(
            practitioner=person,
            year=day.year,
            subject=Subject.PROFESSIONAL,
            kind=ActivityKind.objects.first(),
            title=title,
            organiser="测试中心",
            started_on=day,
            ended_on=day,
            hours=Decimal("10"),
        )
        return engine.submit("hours-declaration", payload, by=town.actor(person))

    @staticmethod
    def _unit_declaration(account, person, file):
        day = datetime.date(current_year(), 2, 1)
        declared = UnitDeclaration.objects.create(
            organization=person.employer,
            by=account.user,
            year=day.year,
            subject=Subject.PROFESSIONAL,
            kind=ActivityKind.objects.get(code="academic-forum"),
            title="测试论坛",
            organiser="测试中心",
            started_on=day,
            ended_on=day,
            stated_hours=Decimal("8"),
            hours=Decimal("8"),
            draft="unit:" + "0" * 32,
        )
        columns = ("name", "content_type", "extension", "size", "sha256")
        kept = Attachment.objects.create(
            draft=declared.draft, file=file.file.name, **{name: getattr(file, name) for name in columns}
        )
        row = declared.persons.create(practitioner=person)
        return {
            "unit_declaration": {"declaration_id": declared.pk},
            "unit_file": {"attachment_id": kept.pk},
            "unit_row": {"row_id": row.pk},
        }

    @staticmethod
    def _window(town):
        now = timezone.now()
        return Window.objects.create(
            bureau=town.bureau, year=2021, kind="declare", opens_at=now, closes_at=now + datetime.timedelta(1)
        )

    @staticmethod
    def _correction(town, account):
        payload = IdentityCorrection(
            user=account.user, practitioner=account.practitioner, new_name="测试新名", reason="写错"
        )
        return engine.submit("identity-correction", payload, by=town.actor(account))

    def url(self, name: str, missing: bool = False) -> str:
        args = self.objects[MATRIX[name].args]
        return reverse(name, kwargs=dict.fromkeys(args, 99999999) if missing else args)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("matrix")


@pytest.fixture(autouse=True)
def private_files(settings, folder):
    """As in conftest.py, but for all cells together: the attachment is made once."""
    settings.MEDIA_ROOT = folder


def built_once(make, folder, blocker):
    """What `make` builds, for all tests of a module; everything that they do to it is rolled back."""
    with blocker.unblock(), override_settings(MEDIA_ROOT=folder), transaction.atomic():
        yield make()
        transaction.set_rollback(True)


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker, folder):
    yield from built_once(World, folder, django_db_blocker)


def ask(world: World, who: str, method: str, url: str):
    """One request, undone afterwards. The session too: a logout must not reach the next cell."""
    client = world.clients[who]
    cookies = client.cookies.copy()
    client.raise_request_exception = True
    with transaction.atomic():
        answer = getattr(client, method)(url)
        answer.content_read = b"".join(answer.streaming_content) if answer.streaming else answer.content
        transaction.set_rollback(True)
    client.cookies = cookies
    return answer


def kind_of(answer) -> str:
    if answer.status_code == 302 and answer.url.startswith("/login/?next="):
        return "login"
    return "open" if answer.status_code < 400 else str(answer.status_code)


def same_bytes(content: bytes) -> bytes:
    """Without what differs in every answer: the form token."""
    return re.sub(rb'name="csrfmiddlewaretoken" value="[^"]+"', b"", content)


def url_names(resolver=None, space: str = "") -> set[str]:
    """The names of our addresses (the reference-data admin has its own permissions and tests)."""
    names = set()
    for entry in (resolver or get_resolver()).url_patterns:
        if not hasattr(entry, "url_patterns"):
            names.add(space + entry.name)
        elif entry.namespace != "admin":
            names |= url_names(entry, f"{space}{entry.namespace}:" if entry.namespace else space)
    return names


def test_every_page_is_in_the_matrix():
    assert url_names() == set(MATRIX), "new page: decide who may open it"


# The one page whose purpose it is: on demand, to the platform's staff, each look written down (F-84).
SHOWS_NUMBERS = {"registration:correction_numbers"}


@pytest.mark.parametrize("name", MATRIX)
def test_page(world, name):
    """The whole row of one address: every person, both methods."""
    with figure("cells") as cells, figure("leaks") as leaks:
        wrong, leaking = _row(world, name)
        cells.tried = leaks.tried = 2 * len(EVERYBODY)
        cells.failed, leaks.failed = len(wrong), len(leaking)
    assert not wrong + leaking, "\n".join(wrong + leaking)


def unfolded(content: bytes) -> bytes:
    """An answer with what is packed inside: the members of an .xlsx or .zip; the streams of a PDF, and its words."""
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            return b"\n".join([content, *(unfolded(packed.read(one)) for one in packed.namelist())])
    if not content.startswith(b"%PDF"):
        return content
    inflated = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
        with contextlib.suppress(zlib.error):
            inflated.append(zlib.decompressobj().decompress(stream))
    # Glyphs are written by their numbers in the font, and in pieces: what a reader sees has to be read.
    reader = pypdf.PdfReader(io.BytesIO(content))
    seen = "".join(page.extract_text() for page in reader.pages) + str(reader.metadata)
    attached = [unfolded(one) for files in reader.attachments.values() for one in files]
    return b"\n".join([content, *inflated, re.sub(r"\s+", "", seen).encode(), *attached])


def test_a_number_is_found_inside_what_is_packed(world):
    """The scan of the leaks sees into tables and certificates."""
    number = world.numbers[0].decode()
    table = io.BytesIO()
    book = openpyxl.Workbook()
    book.active["B2"] = number
    book.save(table)
    assert number.encode() not in table.getvalue()
    assert number.encode() in unfolded(table.getvalue())
    paper = ask(world, "person", "get", world.url("credits:certificate_pdf")).content_read
    printed = Certificate.objects.get(pk=world.objects["certificate"]["certificate_id"]).number.encode()
    assert printed in unfolded(paper)


def _row(world, name: str) -> tuple[list[str], list[str]]:
    """What is wrong in the cells of one address, and which of the answers hold a whole ID number."""
    wrong, leaking = [], []
    for who in EVERYBODY:
        for method in ("get", "post"):
            answer = ask(world, who, method, world.url(name))
            expected, found = MATRIX[name].expected(who, method), kind_of(answer)
            # An empty form, a missing earlier page: the door was open, what came in was judged.
            if expected == "open" and answer.status_code in (400, 409, 422, 429):
                found = "open"
            if found != expected:
                wrong.append(f"{who} {method}: {expected} expected, {found} found")
            unpacked = unfolded(answer.content_read)
            for number in world.numbers if name not in SHOWS_NUMBERS else ():
                if number in unpacked:
                    leaking.append(f"{who} {method}: a whole ID number in the answer")
    return wrong, leaking


def has_foreigners(page: Page) -> bool:
    return bool(page.args) and any(
        page.expected(who, "post" if page.get is None else "get") == "404" for who in EVERYBODY
    )


@pytest.mark.parametrize(
    "name", [name for name, page in MATRIX.items() if page.role and has_foreigners(page)]
)
def test_a_foreign_object_answers_as_a_missing_one(world, name):
    page, url, gone = MATRIX[name], world.url(name), world.url(name, missing=True)
    with figure("cells") as compared:
        for who in EVERYBODY:
            for method in ("get", "post"):
                if page.expected(who, method) == "404":
                    compared.tried += 1
                    foreign, missing = ask(world, who, method, url), ask(world, who, method, gone)
                    assert foreign.status_code == missing.status_code == 404
                    assert same_bytes(foreign.content_read) == same_bytes(missing.content_read), (who, method)
    assert compared.tried


OTHERS = ("head", "options", "put", "patch", "delete", "trace")


@pytest.mark.parametrize("name", MATRIX)
def test_other_methods_are_not_offered(world, name):
    """405 for whoever is logged in, whatever role the page is of; who is not is led to the login, as ever.

    HEAD is offered by few; where it is, it opens to the same people as GET.
    """
    wrong = []
    with figure("cells") as cells:
        for who in ("nobody", "person", "unit", "office", "operator"):
            for method in OTHERS:
                cells.tried += 1
                found = kind_of(ask(world, who, method, world.url(name)))
                expected = "login" if who == "nobody" and MATRIX[name].role else "405"
                if method == "head" and found != "405":
                    expected = MATRIX[name].expected(who, "get")
                if found != expected:
                    wrong.append(f"{who} {method}: {expected} expected, {found} found")
        cells.failed = len(wrong)
    assert not wrong, "\n".join(wrong)
