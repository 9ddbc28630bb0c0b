"""Makers that take relations, not ids: `town.practitioner(at=town.employer(under=town.bureau))`.

They write approved rows straight into the database; what is filed and decided goes through the engine or the
pages. All ID numbers are synthetic: sequence 000 is not assigned in practice.
"""

import datetime
import itertools
from decimal import Decimal

from django.test import Client

from accounts.id_number import IdNumber, check_character
from accounts.models import AccountStatus, Role, RoleAccount, User
from credits import packs
from credits.models import IntakeRecord, LedgerEntry, Provider, RulePack, Source, Standing, Verb
from credits.required import is_met, rules_of
from credits.years import current_year
from orgs.actor import Actor, actor_of
from orgs.models import Kind, OrgAdmin, Organization, Practitioner, Status
from orgs.tree import plant, platform

PASSWORD = "correct-horse-9"


def synthetic_id(number: int) -> str:
    """The n-th synthetic resident ID number of 泰山区: another birthday each, sequence 000."""
    born = datetime.date(1960, 1, 1) + datetime.timedelta(days=number)
    first = f"370902{born:%Y%m%d}000"
    return first + check_character(first)


class Town:
    """A bureau and what a test hangs under it. Every organisation gets a super admin."""

    def __init__(self):
        self._numbers = itertools.count(1)
        self.platform = platform()
        self.bureau = self._organization(Kind.BUREAU, "泰安市人力资源和社会保障局", self.platform)

    # --- organisations ---------------------------------------------------------------------------
    def bureau_under(self, superior: Organization, name: str = "") -> Organization:
        return self._organization(Kind.BUREAU, name, superior)

    def authority(self, under: Organization | None = None, name: str = "", **fields) -> Organization:
        return self._organization(Kind.AUTHORITY, name, under or self.bureau, **fields)

    def employer(self, under: Organization | None = None, name: str = "", **fields) -> Organization:
        return self._organization(Kind.EMPLOYER, name, under or self.bureau, **fields)

    def _organization(self, kind, name, superior, with_admin=True, **fields) -> Organization:
        number = next(self._numbers)
        label = {Kind.BUREAU: "测试人社局", Kind.AUTHORITY: "测试局", Kind.EMPLOYER: "测试单位"}[kind]
        organization = plant(
            Organization(
                **{
                    "kind": kind,
                    "name": name or f"{label}{number}",
                    "superior": superior,
                    "status": Status.ACTIVE,
                    "contact_name": f"联系人{number}",
                    "phone": f"0538-{number:07d}",
                    **fields,
                }
            )
        )
        if with_admin:
            self.admin(organization, is_super=True)
        return organization

    # --- people ----------------------------------------------------------------------------------
    def user(self, name: str = "", **fields) -> User:
        number = next(self._numbers)
        return User.objects.create_user(
            IdNumber.parse(synthetic_id(number)),
            PASSWORD,
            **{
                "name": name or f"测试{number}",
                "email": f"p{number}@example.org",
                "mobile": f"+86138{number:08d}",
                **fields,
            },
        )

    def admin(self, of: Organization, user: User | None = None, *, is_super=False, duties=()) -> RoleAccount:
        """An active admin of the organisation; returns the role account."""
        user = user or self.user()
        account = RoleAccount.objects.create(
            user=user, role=of.role, status=AccountStatus.ACTIVE, place=of.name
        )
        OrgAdmin.objects.create(
            account=account, user=user, organization=of, is_super=is_super, duties=list(duties)
        )
        return account

    def practitioner(self, at: Organization, user: User | None = None, **fields) -> Practitioner:
        user = user or self.user()
        account = RoleAccount.objects.create(
            user=user, role=Role.PRACTITIONER, status=AccountStatus.ACTIVE, place=at.name
        )
        return Practitioner.objects.create(
            **{
                "user": user,
                "account": account,
                "employer": at,
                "path": at.path,
                "status": Status.ACTIVE,
                **fields,
            }
        )

    def operator(self) -> RoleAccount:
        """One of the platform's staff (平台后台人员)."""
        return self.admin(self.platform, is_super=not self.platform.admins.filter(is_super=True).exists())

    # --- hours -----------------------------------------------------------------------------------
    def stands(self, person: Practitioner, public=0, professional=0, year: int | None = None) -> Standing:
        """A year written straight into the database, complete or not by the rules in force, as a platform reported it."""
        return all_stand([person], public, professional, year)[0]

    def rules(self, bureau: Organization | None = None, code: str = "", **minimums) -> RulePack:
        """Publish rules of a bureau (none: the whole province) that ask for so many hours; `total` is over all."""
        first = minimums.pop("year_from", 2021)
        lines = [
            f'code = "{code or f"test-{next(self._numbers)}"}"',
            'name = "测试规则"',
            'basis = "测试文号"',
        ]
        lines += [
            'origin = "测试"',
            'mark = "unverified"',
            f"year_from = {first}",
            "[subjects]",
            'public = "公需科目"',
            'professional = "专业科目"',
        ]
        for subject, hours in minimums.items():
            lines += ["[[minimum]]", f"hours = {hours}"]
            lines += [f'subjects = ["{subject}"]'] if subject != "total" else []
        return packs.publish(packs.draft("\n".join(lines), bureau=bureau))

    # --- who acts --------------------------------------------------------------------------------
    def super_admin(self, of: Organization) -> RoleAccount:
        return of.admins.get(is_super=True).account

    def actor(self, who: Organization | Practitioner | RoleAccount) -> Actor:
        """As the super admin of an organisation, as a practitioner, or as this role account."""
        return actor_of(self._account(who))

    def login(self, who: Organization | Practitioner | RoleAccount) -> Client:
        """A browser that went through the login form."""
        account = self._account(who)
        client = Client()
        answer = client.post(
            "/login/",
            {"role": account.role, "id_number": account.user.id_number.reveal(), "password": PASSWORD},
        )
        assert answer.status_code == 302, answer.content.decode()
        if answer.url.startswith("/identity/"):
            answer = client.post(f"/identity/{account.pk}/")
            assert answer.status_code == 302
        return client

    def _account(self, who) -> RoleAccount:
        if isinstance(who, Organization):
            return self.super_admin(who)
        return who.account if isinstance(who, Practitioner) else who


_events = itertools.count()


def all_stand(people, public=0, professional=0, year: int | None = None) -> list[Standing]:
    """The same year for many: records, ledger and sums, in a few statements."""
    year = year or current_year()
    hours = {"public": Decimal(public), "professional": Decimal(professional)}
    people = list(people)
    provider = Provider.objects.get_or_create(code="town", defaults={"name": "测试学习平台"})[0]
    records = IntakeRecord.objects.bulk_create(
        IntakeRecord(
            provider=provider,
            event_id=f"{next(_events)}-{person.pk}-{year}",
            digest="town",
            person_index=person.user.id_index,
            practitioner=person,
            year=year,
            subject=subject,
            hours=hours[subject],
            title="测试课程",
            completed_on=datetime.date(year, 1, 1),
        )
        for person in people
        for subject in hours
        if hours[subject]
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            practitioner=record.practitioner,
            year=year,
            subject=record.subject,
            hours=record.hours,
            verb=Verb.GRANTED,
            source=Source.IMPORT,
            record=record,
        )
        for record in records
    )
    return Standing.objects.bulk_create(
        Standing(
            practitioner=person,
            year=year,
            hours=hours,
            imported=hours,
            total=sum(hours.values()),
            complete=is_met(rules_of(person, [year])[year], hours, hours, [], person.title_level),
        )
        for person in people
    )
