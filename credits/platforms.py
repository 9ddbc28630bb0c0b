"""The learning platforms that the platform starts with: those the FAQ names (F-109), and the history of F-106."""

import csv
from pathlib import Path

from credits.models import Provider

FILE = Path(__file__).resolve().parent / "reference" / "platforms.csv"


def load() -> int:
    """Add the platforms that are not there yet; what was edited stays. Returns how many were added."""
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known = set(Provider.objects.values_list("code", flat=True))
    new = [
        Provider(
            code=row["code"],
            name=row["name"],
            url=row["url"],
            order=int(row["order"]),
            is_listed=row["is_listed"] == "1",
            year_from=int(row["year_from"]) if row["year_from"] else None,
            year_to=int(row["year_to"]) if row["year_to"] else None,
            note=row["note"],
        )
        for row in rows
        if row["code"] not in known
    ]
    Provider.objects.bulk_create(new)
    return len(new)
