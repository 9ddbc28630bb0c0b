"""学时统计 as a sheet: one line for each unit right below, from the rolled-up counters.

Changes of the last minute that wait to be folded in are not yet in it; the page adds them (credits/tallies.py).
"""

from django.db.models import FilteredRelation, Q, QuerySet, Value
from django.http import QueryDict

from credits.hours_field import ZERO, as_hours
from credits.models import Subject
from credits.models.tallies import ALL_SERIES, NOW
from desk import units, wanted
from desk.exports.sheets import Column, Sheet
from orgs.actor import Actor
from orgs.models import Duty, Kind, Organization

SUBJECTS = (Subject.PUBLIC, Subject.PROFESSIONAL)  # what else a policy pack counts is in 合计


class StatisticsSheet(Sheet):
    name, label, duty, page = "statistics", "学时统计", Duty.PEOPLE, "desk:statistics"
    columns = (
        Column("单位", 36),
        Column("机构类型", 12),
        Column("年度", 8),
        Column("在册人员", 12),
        Column("已达标", 12),
        Column("未达标", 12),
        *(Column(f"{subject.label}学时", 16) for subject in SUBJECTS),
        Column("合计学时", 16),
    )

    def filters(self, asked: QueryDict, actor: Actor) -> dict:
        unit = wanted.unit_in(asked, actor)
        return {"year": wanted.year_in(asked), **({"unit": unit.pk} if unit else {})}

    def query(self, filters: dict) -> str:
        return wanted.query(filters)

    def words(self, filters: dict) -> str:
        return f"{wanted.year_of(filters)} 年度，直接下级"

    def scope(self, actor: Actor, filters: dict) -> Organization:
        return wanted.scope(actor, filters)

    def rows(self, actor: Actor, filters: dict, *, masked: bool) -> QuerySet:
        year = wanted.year_of(filters)
        now = Q(tallies__year=NOW, tallies__series=ALL_SERIES)
        that_year = Q(tallies__year=year, tallies__series=ALL_SERIES)
        return (
            units.level(self.scope(actor, filters))
            .annotate(now=FilteredRelation("tallies", condition=now))
            .annotate(then=FilteredRelation("tallies", condition=that_year))
            .order_by(*units.ORDER)
            .values_list("name", "kind", Value(year), "now__people", "then__complete", "then__hours")
        )

    def cells(self, row: tuple, *, masked: bool) -> list:
        name, kind, year, people, complete, hours = row
        people, complete, hours = people or 0, complete or 0, as_hours(hours)
        earned = [hours.get(subject, ZERO) for subject in SUBJECTS]
        return [
            name,
            Kind(kind).label,
            year,
            people,
            complete,
            people - complete,
            *earned,
            sum(hours.values(), ZERO),
        ]
