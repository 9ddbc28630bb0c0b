"""学时统计: one place's year by child, title series, subject and month (screens.md, A18 and B10).

Every figure comes from the rolled-up counters (credits/tallies.py): a page costs the same for a unit and for the
province. Small numbers are shown as they are: who reads them may open the people behind them anyway, each number is a
link to its list.
"""

from decimal import Decimal
from typing import NamedTuple

from django.http import QueryDict
from django.urls import reverse
from django.utils.safestring import SafeString

from credits.hours_field import ZERO
from credits.required import packs_at, rules_among
from credits.rules.shapes import Pack
from credits.tallies import NONE, Count, counts_by_series, counts_of
from desk import charts, units, wanted
from desk.addresses import for_each
from orgs.models import Organization, TitleSeries
from workflow import keyset
from workflow.wording import NOTHING, percent


class Row(NamedTuple):
    """One line of a table, ready to print: a child of the place, or a title series. A url is "" where nobody is."""

    name: str
    url: str
    people: str
    people_url: str
    met: str
    met_url: str
    unmet: str
    unmet_url: str
    rate: str
    bar: SafeString | str
    hours: tuple[tuple[str, str], ...]  # of each subject, with its name
    average: str


class Month(NamedTuple):
    label: str
    hours: str


class Figures(NamedTuple):
    """The page of one place and year. `subjects` are the names over the columns `hours`."""

    count: Count
    before: Count
    asked: bool
    subjects: tuple[str, ...]
    subject_rows: list[dict]
    children: list[Row]
    page: keyset.Page
    series: list[Row]
    months: list[Month]
    months_total: str
    chart: SafeString


def figures_of(top: Organization, year: int, asked: QueryDict) -> Figures:
    """Five queries, whatever is below the place."""
    rules = rules_among(packs_at(top.path), top.path, None, year)
    page = keyset.page(units.level(top), units.ORDER, asked)
    children = page.rows
    counts = counts_of([top, *(Organization(pk=row["pk"]) for row in children)], [year, year - 1])
    count, by_series = counts[top.pk, year], counts_by_series(top, year)
    codes = list(dict.fromkeys([*rules.subjects, *count.hours]))
    columns = _Columns(top, year, bool(rules.minimums), {code: _label(code, rules) for code in codes})
    rows = [columns.child(row, counts[row["pk"], year]) for row in children]
    if not page.newer and not page.older and children:
        rows += columns.rest(count, [counts[row["pk"], year] for row in children])
    months = [(f"{month:02d}", count.posted.get(f"{month:02d}", ZERO)) for month in range(1, 13)]
    return Figures(
        count=count,
        before=counts[top.pk, year - 1],
        asked=bool(rules.minimums),
        subjects=tuple(_label(code, rules) for code in codes),
        subject_rows=_subjects(count, codes, rules),
        children=rows,
        page=page,
        series=columns.of_series(by_series),
        months=[Month(f"{int(month)} 月", f"{hours:,.1f}") for month, hours in months],
        months_total=f"{sum(hours for _, hours in months):,.1f}" if any(hours for _, hours in months) else "",
        chart=charts.months([(str(int(month)), hours) for month, hours in months], _trend(year, months)),
    )


def tiles(figures: Figures, year: int, narrowed: str) -> list[dict]:
    """The four numbers of a place; each leads to the people behind it."""
    count, before = figures.count, figures.before
    people, unmet = reverse("desk:people"), reverse("desk:unmet")
    found = [{"figure": f"{count.people:,}", "label": "在册人员", "url": f"{people}?{narrowed}"}]
    if count.people and figures.asked:
        found += [
            {
                "figure": percent(count.complete / count.people),
                "label": f"达标率，已达标 {count.complete:,} 人"
                + (f"（上年 {percent(before.complete / count.people)}）" if before.complete else ""),
                "url": f"{people}?{narrowed}&standing=met",
            },
            {"figure": f"{count.people - count.complete:,}", "label": "未达标", "url": f"{unmet}?{narrowed}"},
        ]
    if count.people:
        found.append(
            {"figure": f"{count.total / count.people:,.1f}", "label": f"人均学时（共 {count.total:,.1f}）"}
        )
    return found


def _label(code: str, rules: Pack) -> str:
    return rules.subjects.get(code, code)


def _subjects(count: Count, codes: list[str], rules: Pack) -> list[dict]:
    """Hours by subject, and each one's share of all."""
    found = []
    for code in codes:
        hours = count.hours.get(code, ZERO)
        share = percent(hours / count.total) if count.total else NOTHING
        label = _label(code, rules)
        bar = (
            charts.share(hours, count.total, f"{label} {hours:,.1f} 学时，占 {share}") if count.total else ""
        )
        found.append({"label": label, "hours": f"{hours:,.1f}", "share": share, "bar": bar})
    return found


def _trend(year: int, months: list[tuple[str, Decimal]]) -> str:
    said = "，".join(f"{int(month)} 月 {hours:,.1f}" for month, hours in months if hours)
    return (
        f"{year} 年内每个月新计入的学时，含其他年度的：{said}。" if said else f"{year} 年内还没有计入学时。"
    )


class _Columns:
    """How the lines of one place and year are made."""

    def __init__(self, top: Organization, year: int, asked: bool, subjects: dict[str, str]):
        self.top, self.year, self.asked, self.subjects = top, year, asked, subjects
        self.pages = {page: reverse(page) for page in ("desk:statistics", "desk:people", "desk:unmet")}
        self.organization = for_each("desk:organization")

    def child(self, row: dict, count: Count) -> Row:
        pk, deeper = row["pk"], row["has_below"]
        url = self._url("desk:statistics", unit=pk) if deeper else self.organization(pk)
        return self._row(row["name"], url, count, unit=pk)

    def rest(self, whole: Count, parts: list[Count]) -> list[Row]:
        """The people of the place itself, in one line; none when it has none."""
        count = Count(
            people=whole.people - sum(one.people for one in parts),
            complete=whole.complete - sum(one.complete for one in parts),
            hours={
                code: whole.hours.get(code, ZERO) - sum((one.hours.get(code, ZERO) for one in parts), ZERO)
                for code in self.subjects
            },
        )
        return [self._row("本级人员", "", count)] if count.people > 0 else []

    def of_series(self, found: dict[str, Count]) -> list[Row]:
        names = dict(TitleSeries.objects.values_list("pk", "name"))
        known = [code for code in names if code in found] + ([""] if "" in found else [])
        return [
            self._row(
                names.get(code, "无职称"), "", found[code], unit=self.top.pk, series=code or wanted.WITHOUT
            )
            for code in known
            if found[code] != NONE
        ]

    def _row(self, name: str, url: str, count: Count, **narrowed) -> Row:
        unmet = count.people - count.complete
        rate = percent(count.complete / count.people) if self.asked and count.people else NOTHING
        sentence = f"{name}：在册 {count.people:,} 人，已达标 {count.complete:,} 人，达标率 {rate}"
        lists = bool(narrowed)
        return Row(
            name,
            url,
            f"{count.people:,}",
            self._url("desk:people", **narrowed) if lists and count.people else "",
            f"{count.complete:,}",
            self._url("desk:people", standing="met", **narrowed) if lists and count.complete else "",
            f"{unmet:,}",
            self._url("desk:people" if "series" in narrowed else "desk:unmet", **self._unmet(narrowed))
            if lists and unmet > 0
            else "",
            rate,
            charts.share(count.complete, count.people, sentence) if self.asked and count.people else "",
            tuple((name, f"{count.hours.get(code, ZERO):,.1f}") for code, name in self.subjects.items()),
            f"{count.total / count.people:,.1f}" if count.people else NOTHING,
        )

    @staticmethod
    def _unmet(narrowed: dict) -> dict:
        return {**narrowed, "standing": "unmet"} if "series" in narrowed else narrowed

    def _url(self, page: str, **asked) -> str:
        return f"{self.pages[page]}?{wanted.query({}, year=self.year, **asked)}"
