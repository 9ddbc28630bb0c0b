"""Forms of policy packs: a new one, its head, its year, caps, reductions, the whole text.

They change a credits.rules Pack; what is put together wrongly is refused by its reader (credits/pack_editing.py).
"""

from dataclasses import replace
from decimal import Decimal

from django import forms
from django.conf import settings

from credits.forms.fields import WrittenHoursField
from credits.forms.pack_fields import LinesField, SectionForm
from credits.rules.editing import with_basis, with_relief
from credits.rules.pack import FIRST_YEAR, LAST_YEAR
from credits.rules.places import line_of_place
from credits.rules.shapes import Pack, Relief
from credits.rules.tables import Malformed
from credits.rules.words import MARKS, shown
from credits.years import current_year
from orgs.models import TitleSeries

SHORT = {"class": "w-s", "inputmode": "numeric", "autocomplete": "off"}


class YearField(forms.IntegerField):
    """A year in which rules may begin or end."""

    def __init__(self, **kwargs):
        super().__init__(
            min_value=FIRST_YEAR,
            max_value=LAST_YEAR,
            widget=forms.TextInput(attrs=SHORT),
            error_messages={
                "min_value": f"年度请填 {FIRST_YEAR} 到 {LAST_YEAR} 之间的年份",
                "max_value": f"年度请填 {FIRST_YEAR} 到 {LAST_YEAR} 之间的年份",
            },
            **kwargs,
        )


class VersionForm(forms.Form):
    """A new version of a pack that exists."""

    year_from = YearField(
        label="自哪一年起", help_text="更早的年度仍按原来的版本。填过去的年份，会影响以往年度的达标认定。"
    )
    note = forms.CharField(
        label="为什么改",
        required=False,
        max_length=300,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="例如 省厅 2027 年新文件。",
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.initial.setdefault("year_from", current_year() + 1)


class StartForm(forms.Form):
    """A pack of one's own: from an example, or empty."""

    name = forms.CharField(label="名称", max_length=80)
    year_from = YearField(label="自哪一年起")

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.initial.setdefault("year_from", current_year() + 1)


class HeadForm(SectionForm):
    name = forms.CharField(label="名称", max_length=80)
    basis = forms.CharField(
        label="依据",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="文件名称和文号，申报、审核页面和证书都会引用。",
    )
    origin = forms.CharField(label="数值从哪里来", max_length=500, help_text="例如 文件原文附件 2。")
    mark = forms.ChoiceField(label="可信程度", choices=list(MARKS.items()), widget=forms.RadioSelect)
    year_from = YearField(label="自哪一年起")
    year_to = YearField(label="到哪一年止", required=False, help_text="不填为一直有效。")
    note = forms.CharField(label="显示给使用者的说明", required=False, max_length=500)
    inherits = forms.BooleanField(
        label="叠加上级的规则",
        required=False,
        help_text="勾选：这里没有写的，仍按上级的规则。不勾选：自成一套，例如会计行业。",
    )
    series = forms.MultipleChoiceField(
        label="只适用于这些职称系列",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="都不勾选为适用所有人。",
    )
    change_note = forms.CharField(label="这一版改了什么", required=False, max_length=300)

    @staticmethod
    def section(pack: Pack):
        return replace(
            pack,
            subjects={},
            minimums=(),
            activities={},
            reliefs={},
            groups={},
            caps=(),
            empty_conversions=False,
        )

    def __init__(self, *args, pack: Pack, change_note: str, **kwargs):
        super().__init__(*args, pack=pack, **kwargs)
        known = list(TitleSeries.objects.values_list("pk", "name"))
        unknown = [(code, code) for code in pack.series if code not in dict(known)]
        self.fields["series"].choices = [*known, *unknown]
        for name in ("name", "basis", "origin", "mark", "year_from", "year_to", "note", "inherits", "series"):
            self.initial.setdefault(name, getattr(pack, name))
        self.initial.setdefault("change_note", change_note)

    def clean(self):
        cleaned = super().clean()
        first, last = cleaned.get("year_from"), cleaned.get("year_to")
        if first and last and last < first:
            self.add_error("year_to", f"结束年度不能早于开始年度（{first}）")
        return cleaned

    def changed(self, pack: Pack) -> Pack:
        fields = {
            name: self.cleaned_data[name]
            for name in ("name", "origin", "mark", "year_from", "year_to", "note", "inherits")
        }
        return replace(
            with_basis(pack, _one_line(self.cleaned_data["basis"])),
            series=tuple(self.cleaned_data["series"]),
            **fields,
        )


class ReliefKindForm(SectionForm):
    """One kind of reduction."""

    EFFECTS = {
        "exempt": "免除本年度全部学时要求",
        "months": "按减免月数占全年的比例减少各项要求",
        "fraction": "各项要求减少一定比例",
    }
    name = forms.CharField(label="名称", max_length=40, help_text="例如 产假。")
    effect = forms.ChoiceField(label="怎样减免", choices=list(EFFECTS.items()), widget=forms.RadioSelect)
    percent = WrittenHoursField(
        label="减少百分之几",
        name="比例",
        least=Decimal("0.1"),
        most=Decimal(100),
        required=False,
        help_text="只在按比例减少时填，例如 50。",
    )
    evidence = LinesField(label="须提交的证明", required=False, help_text="一行一种。")
    basis = forms.CharField(
        label="依据", required=False, max_length=500, help_text="和政策包的依据相同时不填。"
    )

    def section(self, pack: Pack):
        return pack.reliefs.get(self.code)

    def __init__(self, *args, pack: Pack, code: str, **kwargs):
        self.code = code
        super().__init__(*args, pack=pack, **kwargs)
        relief = pack.reliefs.get(code)
        if relief:
            self.initial = {
                "name": relief.name,
                "effect": relief.effect,
                "percent": shown(relief.value * 100) if relief.value else "",
                "evidence": "\n".join(relief.evidence),
                "basis": relief.basis if relief.basis != pack.basis else "",
                **self.initial,
            }

    def clean(self):
        cleaned = super().clean()
        if (
            cleaned.get("effect") == "fraction"
            and cleaned.get("percent") is None
            and "percent" not in self.errors
        ):
            self.add_error("percent", "请填减少百分之几，例如 50")
        return cleaned

    def changed(self, pack: Pack) -> Pack:
        data = self.cleaned_data
        value = data["percent"] / Decimal(100) if data["effect"] == "fraction" else None
        basis = data["basis"] or pack.basis
        return with_relief(
            pack, Relief(self.code, data["name"], data["effect"], value, data["evidence"], "", basis)
        )


class TrialForm(forms.Form):
    year = forms.TypedChoiceField(
        label="用哪一年的数据",
        coerce=int,
        widget=forms.Select(attrs={"class": "w-s"}),
        help_text="草稿即使从以后的年度开始，也按这一年的数据试算。",
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        years = range(current_year(), settings.FIRST_DECLARABLE_YEAR - 1, -1)
        self.fields["year"].choices = [(year, f"{year} 年度") for year in years]
        self.initial.setdefault("year", max(current_year() - 1, settings.FIRST_DECLARABLE_YEAR))


class PackTextForm(forms.Form):
    """The whole text. Mistakes are listed with their lines."""

    text = forms.CharField(
        label="全文",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 28, "class": "code", "spellcheck": "false"}),
        max_length=200_000,
    )
    seen = forms.CharField(required=False, max_length=16, widget=forms.HiddenInput)
    error_title = "全文有需要修改的地方"

    def clean_text(self):
        return self.cleaned_data["text"].replace("\r\n", "\n").replace("\r", "\n")

    def add_mistakes(self, error: Malformed) -> None:
        """Each place to correct, with its line where it can be told."""
        text = self.cleaned_data["text"]
        for where, sentence in error.errors:
            line = line_of_place(text, where)
            place = where if line is None or where.startswith("第") else f"第 {line} 行 {where}"
            self.add_error("text", f"{place}：{sentence}")


def _one_line(text: str) -> str:
    return " ".join(text.split())
