"""Lists to choose from, read from the reference data: fields of study, divisions, title series."""

from django.core.exceptions import ValidationError

from orgs.models import Division, FieldOfStudy, TitleName, TitleSeries

NO_TITLE = "none"
EMPTY = ("", "请选择")
SHANDONG = "37"


def fields_of_study() -> list:
    """所学专业 as a grouped list: each category may be chosen as well as its classes (F-08).

    The single subjects below the classes are left out: the FAQ asks for the category or a close subject.
    """
    rows = list(FieldOfStudy.objects.filter(code__regex=r"^[0-9]{2}([0-9]{2})?$"))
    children: dict[str, list] = {}
    for row in rows:
        if row.parent_id:
            children.setdefault(row.parent_id, []).append((row.code, row.name))
    roots = [row for row in rows if not row.parent_id and row.code != "99"]
    groups = [
        (row.name, [(row.code, f"{row.name}（整个大类）"), *children[row.code]])
        for row in roots
        if row.code in children
    ]
    single = [(row.code, row.name) for row in roots if row.code not in children]
    other = [(row.code, f"{row.name}（以上都不合适）") for row in rows if row.code == "99"]
    return [EMPTY, *groups, ("其他门类和高职专科大类", single + other)]


def divisions(empty: str = "请选择") -> list:
    """Divisions of the province, grouped by city; codes that are no longer valid are left out."""
    rows = list(Division.objects.filter(code__startswith=SHANDONG, valid_to__isnull=True))
    cities = [row for row in rows if row.code.endswith("00") and not row.code.endswith("0000")]
    province = [(row.code, row.name) for row in rows if row.code.endswith("0000")]
    groups = [
        (city.name, [(city.code, f"{city.name}（市级）")]
         + [(row.code, row.name) for row in rows if row.parent_id == city.code])
        for city in cities
    ]  # fmt: skip
    return [("", empty), *groups, *province]


def title_series() -> list:
    """职称系列 with 无 first, for people without a title certificate (F-10)."""
    return [EMPTY, (NO_TITLE, "无（没有职称证书）"), *TitleSeries.objects.values_list("code", "name")]


def title_names() -> list[str]:
    """All current names of titles, as suggestions while typing."""
    return list(
        TitleName.objects.filter(is_current=True).values_list("name", flat=True).distinct().order_by("name")
    )


def check_level(series: TitleSeries, level: str, name: str) -> None:
    """Refuse a level that contradicts the name of the title; names that the list does not know pass (F-09)."""
    known = list(TitleName.objects.filter(series=series, name=name))
    if known and level not in {one.level for one in known}:
        raise ValidationError(f"“{name}”是{known[0].get_level_display()}职称，请核对职称级别。")
