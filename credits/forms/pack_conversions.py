"""The table by which an 申报形式 converts: which rows it has is asked first, then a form with exactly these."""

from dataclasses import dataclass, replace
from decimal import Decimal

from django import forms

from credits.forms.fields import WrittenHoursField
from credits.forms.pack_fields import LinesField, NumbersField, SectionForm, hours_field
from credits.rules.editing import COLUMNS, NOT_PUBLISHED, SHAPES, shape_of, with_activity, with_rates
from credits.rules.rates import MOST_QUANTITY
from credits.rules.shapes import Activity, Pack, Rate
from credits.rules.words import LEVELS, MEASURES, UNITS, shown


@dataclass(frozen=True)
class Table:
    """Which table is filled in: how it counts, and which rows it has."""

    shape: str
    levels: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()  # their Chinese names

    @classmethod
    def of(cls, activity: Activity) -> "Table":
        """The table that an activity has; without a shape where one form cannot show it."""
        levels = tuple(code for code in LEVELS if any(row.level == code for row in activity.rates))
        return cls(shape_of(activity.rates), levels, tuple(activity.variants.values()))

    def codes(self, known: dict[str, str]) -> dict[str, str]:
        """Codes of the variants: a name that was there keeps its own."""
        by_name = {name: code for code, name in known.items()}
        free = (f"variant-{number}" for number in range(1, 999))
        free = (code for code in free if code not in known)
        return {by_name.get(name) or next(free): name for name in self.variants}


class TableForm(forms.Form):
    """怎样折算: chosen first, in the address, so that the rows below fit it."""

    shape = forms.ChoiceField(label="怎样折算", choices=list(SHAPES.items()), widget=forms.RadioSelect)
    levels = forms.MultipleChoiceField(
        label="按级别分",
        required=False,
        choices=list(LEVELS.items()),
        widget=forms.CheckboxSelectMultiple,
        help_text="都不勾选为不分级别。",
    )
    variants = LinesField(
        label="按类别分", required=False, most=40, help_text="一行一类，例如 主课题、子课题；不分的不填。"
    )

    def table(self) -> Table:
        data = self.cleaned_data
        if data["shape"] == NOT_PUBLISHED:
            return Table(NOT_PUBLISHED)
        levels = tuple(code for code in LEVELS if code in data["levels"])
        return Table(data["shape"], levels, data["variants"])


LABELS = {
    "hours": "学时",
    "per": "按什么",
    "only_full": "只计满的",
    "ranks": "依次学时",
    "alone": "独立完成",
    "first": "第一位",
    "others": "其他每位",
    "less": "每后一位少",
    "last": "只计前几位",
}
OPTIONAL = ("alone", "last", "only_full")


class ConversionForm(SectionForm):
    """The rows of one table, as many as its levels and variants make."""

    least = WrittenHoursField(
        label="达到多少才计",
        name="数量",
        least=Decimal(1),
        most=MOST_QUANTITY,
        required=False,
        help_text="例如 2000 字以上才计；不限的不填。",
    )
    measure = forms.ChoiceField(
        label="数量的单位",
        required=False,
        choices=[("", "不限"), *MEASURES.items()],
        widget=forms.Select(attrs={"class": "w-m"}),
    )

    def __init__(self, *args, pack: Pack, activity: Activity, table: Table, **kwargs):
        self.activity, self.table = activity, table
        super().__init__(*args, pack=pack, **kwargs)
        self.variants = table.codes(activity.variants)
        self.columns = COLUMNS.get(table.shape, ())
        known = {(row.level, row.variant): row for row in activity.rates}
        self.keys = [(level, code) for level in table.levels or ("",) for code in self.variants or ("",)]
        if table.shape == NOT_PUBLISHED:
            self.keys = []
        for place, key in enumerate(self.keys):
            for column in self.columns:
                self._ask(place, column, known.get(key))
        self.with_least = table.shape in ("fixed", "per")
        if not self.with_least:
            del self.fields["least"], self.fields["measure"]
        elif activity.rates and activity.rates[0].least is not None:
            self.initial.setdefault("least", shown(activity.rates[0].least))
            self.initial.setdefault("measure", activity.rates[0].measure)

    def section(self, pack: Pack):
        return pack.activities.get(self.activity.code)

    def _ask(self, place: int, column: str, row: Rate | None) -> None:
        name, label = f"{column}_{place}", f"{self.label_of(place)}{LABELS[column]}"
        required = column not in OPTIONAL
        value = getattr(row, column) if row else None
        if column == "per":
            choices = [("", "请选择"), *((code, unit.label) for code, unit in UNITS.items())]
            field = forms.ChoiceField(
                label=label, choices=choices, widget=forms.Select(attrs={"class": "form-select"})
            )
        elif column == "only_full":
            field = forms.BooleanField(
                label=label, required=False, widget=forms.CheckboxInput(attrs={"class": "form-check-input"})
            )
        elif column == "ranks":
            field = NumbersField(label=label)
            value = "、".join(map(shown, value)) if value else ""
        elif column == "last":
            wrong = "只计前几位请填 1 到 100 之间的整数，不限的不填"
            field = forms.IntegerField(
                label=label, required=False, min_value=1, max_value=100, widget=forms.TextInput(attrs={"class": "w-s", "inputmode": "numeric"}),
                error_messages={"min_value": wrong, "max_value": wrong, "invalid": wrong},
            )  # fmt: skip
        else:
            field = hours_field(label, required=required)
            value = shown(value) if value is not None else ""
        field.widget.attrs.setdefault("aria-label", label)
        if not isinstance(field.widget, forms.Select | forms.CheckboxInput):
            field.widget.attrs["class"] = f"form-control {field.widget.attrs.get('class', '')}".strip()
        self.fields[name] = field
        if value not in (None, ""):
            self.initial.setdefault(name, value)

    def label_of(self, place: int) -> str:
        """Which row: 国家级主课题; "" where there is only one."""
        level, variant = self.keys[place]
        return LEVELS.get(level, "") + self.variants.get(variant, "")

    @property
    def rows(self) -> list[dict]:
        """For the page's table: a label and the bound fields of each row."""
        return [
            {
                "label": self.label_of(place) or "每项",
                "fields": [(LABELS[column], self[f"{column}_{place}"]) for column in self.columns],
            }
            for place in range(len(self.keys))
        ]

    @property
    def heads(self) -> list[str]:
        return [LABELS[column] for column in self.columns]

    def clean(self):
        cleaned = super().clean()
        if self.with_least and (cleaned.get("least") is None) != (not cleaned.get("measure")):
            self.add_error("measure", "“达到多少才计”和它的单位请一起填，或都不填")
        return cleaned

    def changed(self, pack: Pack) -> Pack:
        now = pack.activities.get(self.activity.code, self.activity)
        rows = [self._rate(place, *key) for place, key in enumerate(self.keys)]
        variants = self.variants if rows else {}
        if not rows:
            now = replace(now, surcharges=(), surcharge_name="")
        return with_activity(pack, with_rates(now, rows, variants))

    def _rate(self, place: int, level: str, variant: str) -> Rate:
        data = self.cleaned_data
        said = {column: data[f"{column}_{place}"] for column in self.columns}
        least = data.get("least")
        measure = data.get("measure", "") if least is not None else ""
        if not measure and said.get("per"):
            measure = UNITS[said["per"]].measure
        return Rate(
            level=level,
            variant=variant,
            least=least,
            measure=measure,
            fills=self.table.shape == "fills",
            **said,
        )
