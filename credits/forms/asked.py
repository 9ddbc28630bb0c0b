"""The further fields that the rule of an activity wants (credits.rules.asks), each as this activity calls it."""

from decimal import Decimal

from django import forms

from credits.forms.fields import WrittenHoursField
from credits.forms.written import WrittenNumberField
from credits.models import Level
from credits.rules.rates import MOST_QUANTITY
from credits.rules.shapes import Activity
from workflow.dates import WrittenDateField

YES_NO = [("yes", "是"), ("no", "否")]
MOST_PEOPLE = Decimal(1000)


def asked_of(activity: Activity) -> dict[str, forms.Field]:
    """By the name of the column that holds the answer."""
    asked = set(activity.asks)
    if activity.conversion is None:
        # Nothing is reckoned from these, but whoever recognises the hours wants to know them (F-113).
        asked |= {"level"} | ({"rank", "people"} if activity.member != Activity.member else set())
    return {
        "stated_hours" if name == "stated" else name: make(activity)
        for name, make in FURTHER.items()
        if name in asked
    }


def _variant(activity: Activity) -> forms.Field:
    return forms.ChoiceField(label="类别", choices=list(activity.variants.items()), widget=forms.RadioSelect)


def _level(activity: Activity) -> forms.Field:
    needed = bool(activity.levels)
    choices = [("", "请选择"), *activity.levels.items()] if needed else [("", "不适用"), *Level.choices]
    return forms.ChoiceField(
        label="级别", required=needed, choices=choices, widget=forms.Select(attrs={"class": "w-m"})
    )


def _people(activity: Activity) -> forms.Field:
    ranked = activity.conversion is not None
    return WrittenNumberField(
        label="总人数",
        required=False,
        most=MOST_PEOPLE,
        whole=True,
        help_text="独立完成填 1。" if ranked else f"共有几位{activity.member}；独立完成填 1。",
    )


def _rank(activity: Activity) -> forms.Field:
    first = f"{activity.leader}填 1。" if activity.leader else ""
    return WrittenNumberField(
        label=f"本人是第几{activity.member}",
        required=False,
        most=MOST_PEOPLE,
        whole=True,
        help_text=f"{first}独立完成的可以不填。",
    )


def _quantity(activity: Activity) -> forms.Field:
    measures = {}
    for row in activity.rates:
        name = activity.variants.get(row.variant, "")
        measures[name] = activity.measure(row.level, row.variant)
    same = set(measures.values())
    each = "；".join(f"{name}的填{measure}数" for name, measure in measures.items() if name and measure)
    return WrittenNumberField(
        label=f"数量（{next(iter(same))}）" if len(same) == 1 else "数量",
        required=all(row.measure for row in activity.rates),
        most=MOST_QUANTITY,
        help_text="" if len(same) == 1 else f"{each}。",
    )


def _surcharge(activity: Activity) -> forms.Field:
    return WrittenNumberField(
        label=f"{activity.surcharge_name}的字数",
        required=False,
        most=MOST_QUANTITY,
        whole=True,
        help_text="没有的可以不填。",
    )


def _graduated(activity: Activity) -> forms.Field:
    return WrittenDateField(label="毕业或取得日期", help_text="毕业证书、学位证书或合格证书上的日期。")


def _yes_no(label: str, hint: str) -> forms.Field:
    return forms.TypedChoiceField(
        label=label,
        choices=YES_NO,
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
        help_text=hint,
    )


def _stated(activity: Activity) -> forms.Field:
    return WrittenHoursField(
        label="证明材料上的学时", most=activity.max_hours, help_text="按证书上的数字填写，例如 12.5"
    )


FURTHER = {
    "variant": _variant,
    "level": _level,
    "people": _people,
    "rank": _rank,
    "quantity": _quantity,
    "surcharge_quantity": _surcharge,
    "graduated_on": _graduated,
    "filed_in_advance": lambda activity: _yes_no("是否已事先备案", "选“是”请附备案材料。"),
    "in_plan": lambda activity: _yes_no("是否已列入单位年度计划", "选“是”请附计划。"),
    "stated": _stated,
}
