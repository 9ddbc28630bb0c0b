"""专技人员: the list of 专技人员信息查询 (desk/people.py) as a sheet."""

from django.db.models import FilteredRelation, Q, QuerySet
from django.http import Http404, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.http import urlencode

from accounts.models import User
from accounts.refused import Refused
from credits.hours_field import ZERO
from credits.models import Subject
from credits.years import current_year
from desk import people
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
        found = {
            "name": asked.get("name", "").strip()[:50],
            "last_four": asked.get("last_four", "").upper()[:4],
            "unmet": asked.get("unmet") == "1",
        }
        unit = asked.get("unit", "")
        if unit:
            if not (unit.isascii() and unit.isdecimal() and len(unit) < 19):
                raise Http404
            found["unit"] = get_object_or_404(Organization.objects.visible_to(actor), pk=unit).pk
        return {key: value for key, value in found.items() if value}

    def query(self, filters: dict) -> str:
        return urlencode({key: "1" if value is True else value for key, value in filters.items()})

    def words(self, filters: dict) -> str:
        said = [
            f"姓名以“{filters['name']}”开头" if "name" in filters else "",
            f"证件号码后四位为 {filters['last_four']}" if "last_four" in filters else "",
            f"{current_year()} 年度未达标" if "unmet" in filters else "",
        ]
        return "，".join(filter(None, said))

    def scope(self, actor: Actor, filters: dict) -> Organization:
        if "unit" not in filters:
            return actor.organization
        unit = Organization.objects.visible_to(actor).filter(pk=filters["unit"]).first()
        if unit is None:
            raise Refused("所选单位已不在您的管理范围内，请重新选择后再导出。")
        return unit

    def rows(self, actor: Actor, filters: dict, *, masked: bool) -> QuerySet:
        found = people.found(
            actor,
            filters.get("name", ""),
            filters.get("last_four", ""),
            filters.get("unmet", False),
            self.scope(actor, filters),
        )
        number = ["user__id_masked"] if masked else ["user__id_kind", "user__id_index", "user__id_sealed"]
        this_year = FilteredRelation("standings", condition=Q(standings__year=current_year()))
        return (
            found.annotate(this_year=this_year)
            .order_by("path", "pk")
            .values_list(
                "user__name",
                "employer__name",
                "title_series__name",
                "title_level",
                "title_awarded_on",
                "this_year__hours",
                "this_year__total",
                *number,
            )
        )

    def cells(self, row: tuple, *, masked: bool) -> list:
        name, unit, series, level, awarded_on, hours, total, *number = row
        if masked:
            who = [masked_name(name), *number]
        else:
            kind, index, sealed = number
            who = [name, User(id_kind=kind, id_index=index, id_sealed=sealed).id_number.reveal()]
        earned = [(hours or {}).get(subject, ZERO) for subject in SUBJECTS]
        return [*who, unit, series, LEVELS.get(level, ""), awarded_on, *earned, total or ZERO]
