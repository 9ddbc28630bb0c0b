"""Load the reference data: divisions, title series and names, fields of study; and the ready-made admin roles."""

import csv
from datetime import date
from pathlib import Path

from django.core.management.base import BaseCommand
from django.db import transaction

from orgs.granting import load_ready_made
from orgs.models import Division, FieldOfStudy, TitleName, TitleSeries

FOLDER = Path(__file__).resolve().parents[2] / "reference"


class Command(BaseCommand):
    help = "写入行政区划、职称系列、所学专业等基础数据；可重复运行，只增改、不删除。"

    @transaction.atomic
    def handle(self, **options):
        self._report("行政区划", upsert(Division, ["code"], divisions()))
        self._report("职称系列", upsert(TitleSeries, ["code"], title_series()))
        self._report("职称名称", upsert(TitleName, ["series_id", "level", "name"], title_names()))
        self._report("所学专业", upsert(FieldOfStudy, ["code"], fields_of_study()))
        self._report("管理员角色", load_ready_made())

    def _report(self, name: str, counts: tuple[int, int, int]):
        self.stdout.write("{}：新增 {}，更新 {}，未变 {}".format(name, *counts))


def rows_of(name: str) -> list[dict[str, str]]:
    """Return the rows of one of the shipped files."""
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def divisions() -> list[dict]:
    return [
        {
            "code": row["code"],
            "name": row["name"],
            "parent_id": row["parent"] or None,
            "valid_from": date.fromisoformat(row["valid_from"]) if row["valid_from"] else None,
            "valid_to": date.fromisoformat(row["valid_to"]) if row["valid_to"] else None,
            "is_local": row["is_local"] == "1",
        }
        for row in rows_of("divisions.csv")
    ]


def title_series() -> list[dict]:
    names = {row["series_code"]: row["series"] for row in rows_of("title_series.csv")}
    return [{"code": code, "name": name, "order": int(code)} for code, name in names.items()]


def title_names() -> list[dict]:
    return [
        {
            "series_id": row["series_code"],
            "level": row["level"],
            "name": row["title"],
            "is_current": row["is_current"] == "1",
        }
        for row in rows_of("title_series.csv")
    ]


def fields_of_study() -> list[dict]:
    return [
        {"code": row["code"], "name": row["name"], "parent_id": row["parent"] or None}
        for row in rows_of("fields_of_study.csv")
    ]


def upsert(model, key: list[str], rows: list[dict]) -> tuple[int, int, int]:
    """Write `rows`, found again by `key`; return how many are new, changed and as before. Deletes nothing."""
    known = {tuple(getattr(one, name) for name in key): one for one in model.objects.all()}
    new, changed = [], []
    for row in rows:
        one = known.get(tuple(row[name] for name in key))
        if one is None:
            new.append(model(**row))
        elif any(getattr(one, name) != value for name, value in row.items()):
            for name, value in row.items():
                setattr(one, name, value)
            changed.append(one)
    model.objects.bulk_create(new)
    rest = [name for name in rows[0] if name not in key]
    model.objects.bulk_update(changed, rest)
    return len(new), len(changed), len(rows) - len(new) - len(changed)
