"""Load the reference data of credits/reference: kinds of activity and the yearly requirement."""

import csv
from decimal import Decimal
from pathlib import Path

from django.core.management.base import BaseCommand
from django.db import transaction

from credits.models import ActivityKind, Requirement

FOLDER = Path(__file__).resolve().parents[2] / "reference"


class Command(BaseCommand):
    help = "写入申报形式和年度学时要求；可重复运行，只补缺，不改平台上已修改的内容。"

    @transaction.atomic
    def handle(self, **options):
        kinds = [
            ActivityKind.objects.get_or_create(code=row.pop("code"), defaults=row)[1]
            for row in _rows("activity_kinds.csv")
        ]
        required = [
            Requirement.objects.get_or_create(
                bureau=None,
                year_from=int(row["year_from"]),
                subject=row["subject"],
                defaults={"hours": Decimal(row["hours"]), "basis": row["basis"]},
            )[1]
            for row in _rows("requirements.csv")
        ]
        self.stdout.write(f"申报形式：新增 {sum(kinds)}；年度学时要求：新增 {sum(required)}")


def _rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
