"""未达标名单 as a sheet: the people of the list (desk/unmet.py) with their hours of that year."""

from django.db.models import FilteredRelation, Q, QuerySet, Value
from django.http import QueryDict

from credits.hours_field import ZERO
from desk import people, unmet, wanted
from desk.exports.people_sheet import LEVELS, SUBJECTS, PeopleSheet
from desk.exports.sheets import Column
from orgs.actor import Actor


class UnmetSheet(PeopleSheet):
    name, label, page = "unmet", "未达标名单", "desk:unmet"
    columns = (
        Column("姓名", 12),
        Column("证件号码", 22),
        Column("单位", 36),
        Column("职称系列", 18),
        Column("级别", 10),
        Column("年度", 8),
        *(Column(f"{subject.label}学时", 14) for subject in SUBJECTS),
        Column("合计学时", 14),
    )

    def filters(self, asked: QueryDict, actor: Actor) -> dict:
        unit = wanted.unit_in(asked, actor)
        found = unmet.filters_of(wanted.year_in(asked))
        return {**found, "standing": str(found["standing"]), **({"unit": unit.pk} if unit else {})}

    def query(self, filters: dict) -> str:
        return wanted.query(filters, standing="")

    def rows(self, actor: Actor, filters: dict, *, masked: bool) -> QuerySet:
        year = wanted.year_of(filters)
        found = people.found(actor, filters, self.scope(actor, filters))
        that_year = FilteredRelation("standings", condition=Q(standings__year=year))
        return (
            found.annotate(that_year=that_year)
            .order_by("place", "person")
            .values_list(
                "user__name",
                "employer__name",
                "title_series__name",
                "title_level",
                Value(year),
                "that_year__hours",
                "that_year__total",
                *self.number(masked),
            )
        )

    def cells(self, row: tuple, *, masked: bool) -> list:
        name, unit, series, level, year, hours, total, *number = row
        earned = [(hours or {}).get(subject, ZERO) for subject in SUBJECTS]
        who = self.who(name, number, masked)
        return [*who, unit, series, LEVELS.get(level, ""), year, *earned, total or ZERO]
