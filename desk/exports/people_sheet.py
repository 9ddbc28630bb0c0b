"""专技人员: the list of 专技人员信息查询 (desk/people.py) as a sheet."""

from django.db.models import FilteredRelation, Q, QuerySet
from django.http import QueryDict

from accounts.models import User
from credits.hours_field import ZERO
from credits.models import Subject
from credits.years import current_year
from desk import people, wanted
from desk.exports.sheets import Column, Sheet
from orgs.actor import Actor
from orgs.models import Duty, Organization, TitleLevel
from workflow.wording import masked_name

LEVELS = dict(TitleLevel.choices)
SUBJECTS = (Subject.PUBLIC, Subject.PROFESSIONAL)  # what else a policy pack counts is in 合计


class PeopleSheet(Sheet):
    name, label, duty, page = "people", "专技人员", Duty.PEOPLE, "desk:people"

    @property
    def columns(self) -> list[Column]:
        return [
            Column("姓名", 12),
            Column("证件号码", 22),
            Column("单位", 36),
            Column("职称系列", 18),
            Column("级别", 10),
            Column("取得时间", 12),
            *(Column(f"{current_year()} 年{subject.label}", 16) for subject in SUBJECTS),
            Column(f"{current_year()} 年合计学时", 16),
        ]

    def filters(self, asked: QueryDict, actor: Actor) -> dict:
        return wanted.read(asked, actor)

    def query(self, filters: dict) -> str:
        return wanted.query(filters)

    def words(self, filters: dict) -> str:
        return wanted.words(filters)

    def scope(self, actor: Actor, filters: dict) -> Organization:
        return wanted.scope(actor, filters)

    def rows(self, actor: Actor, filters: dict, *, masked: bool) -> QuerySet:
        found = people.found(actor, filters, self.scope(actor, filters))
        this_year = FilteredRelation("standings", condition=Q(standings__year=current_year()))
        return (
            found.annotate(this_year=this_year)
            .order_by("place", "person")
            .values_list(
                "user__name",
                "employer__name",
                "title_series__name",
                "title_level",
                "title_awarded_on",
                "this_year__hours",
                "this_year__total",
                *self.number(masked),
            )
        )

    @staticmethod
    def number(masked: bool) -> list[str]:
        whole = ["user_id", "user__id_kind", "user__id_index", "user__id_sealed"]
        return ["user__id_masked"] if masked else whole

    def people(self, rows: list[tuple]) -> list[int]:
        return [row[-4] for row in rows]

    @staticmethod
    def who(name: str, number: list, masked: bool) -> list[str]:
        if masked:
            return [masked_name(name), *number]
        _, kind, index, sealed = number
        return [name, User(id_kind=kind, id_index=index, id_sealed=sealed).id_number.reveal()]

    def cells(self, row: tuple, *, masked: bool) -> list:
        name, unit, series, level, awarded_on, hours, total, *number = row
        earned = [(hours or {}).get(subject, ZERO) for subject in SUBJECTS]
        who = self.who(name, number, masked)
        return [*who, unit, series, LEVELS.get(level, ""), awarded_on, *earned, total or ZERO]
