"""Forms of what a year asks for and of what counts at most."""

from dataclasses import replace

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms

from credits.forms.pack_fields import SectionForm, hours_field
from credits.rules.shapes import Cap, Minimum, Pack
from credits.rules.words import SOURCES, TITLE_LEVELS, shown


class PackYearForm(SectionForm):
    """年度要求: over all and of each subject, then what holds for several subjects, a source or title levels alone."""

    SPARE = 1  # empty rows for more

    @staticmethod
    def section(pack: Pack):
        return pack.subjects, pack.minimums

    def __init__(self, *args, pack: Pack, **kwargs):
        super().__init__(*args, pack=pack, **kwargs)
        self.pack = pack
        plain = {one.subjects: one for one in pack.minimums if self._is_plain(one)}
        self.special = [one for one in pack.minimums if not self._is_plain(one)]
        names, sums = [], ["total"]
        self.fields["total"] = hours_field("合计不少于", help_text="全部科目合计。不作要求的不填。")
        self._begin("total", plain.get(()))
        for code, label in pack.subjects.items():
            self.fields[f"of_{code}"] = hours_field(f"{label}不少于")
            self._begin(f"of_{code}", plain.get((code,)))
            self.fields[f"name_{code}"] = forms.CharField(
                label=f"“{label}”的名称", max_length=20, initial=label
            )
            sums.append(f"of_{code}")
            names.append(f"name_{code}")
        self.fields["new_subject"] = forms.CharField(
            label="另加一个科目",
            required=False,
            max_length=20,
            help_text="例如 个人选修科目。保存后可填写它的要求。",
        )
        sets = [Fieldset("每年的要求", *sums, css_class="part")]
        for place, one in enumerate([*self.special, *[None] * self.SPARE]):
            sets.append(self._row(place, one))
        sets.append(Fieldset("科目", *names, "new_subject", css_class="part"))
        self.helper = FormHelper()
        self.helper.layout = Layout("seen", *sets)

    @staticmethod
    def _is_plain(one: Minimum) -> bool:
        return len(one.subjects) <= 1 and not one.source and not one.levels

    def _begin(self, name: str, one: Minimum | None) -> None:
        self.initial.setdefault(name, shown(one.hours) if one else "")

    def _row(self, place: int, one: Minimum | None) -> Fieldset:
        names = [f"more_{place}_{what}" for what in ("hours", "subjects", "source", "levels")]
        self.fields[names[0]] = hours_field("不少于", help_text="清空即删去这一条。" if one else "")
        self.fields[names[1]] = forms.MultipleChoiceField(
            label="哪些科目",
            required=False,
            choices=list(self.pack.subjects.items()),
            widget=forms.CheckboxSelectMultiple,
            help_text="勾选几个就是几个合计；都不勾选为全部科目。",
        )
        self.fields[names[2]] = forms.ChoiceField(
            label="从哪里获得的",
            required=False,
            choices=[("", "不限"), *SOURCES.items()],
            widget=forms.Select(attrs={"class": "w-m"}),
        )
        self.fields[names[3]] = forms.MultipleChoiceField(
            label="只对这些职称层级",
            required=False,
            choices=list(TITLE_LEVELS.items()),
            widget=forms.CheckboxSelectMultiple,
            help_text="都不勾选为所有人。",
        )
        if one:
            for name, value in zip(
                names, (shown(one.hours), one.subjects, one.source, one.levels), strict=True
            ):
                self.initial.setdefault(name, value)
        return Fieldset("另外的要求" if one else "再加一条另外的要求（可不填）", *names, css_class="part")

    def changed(self, pack: Pack) -> Pack:
        data = self.cleaned_data
        subjects = {code: data[f"name_{code}"] for code in pack.subjects if f"name_{code}" in data}
        if data["new_subject"]:
            subjects[_new_subject(subjects)] = data["new_subject"]
        wanted = [((), data["total"], "", ())]
        wanted += [((code,), data.get(f"of_{code}"), "", ()) for code in pack.subjects]
        wanted += [
            tuple(data[f"more_{place}_{what}"] for what in ("subjects", "hours", "source", "levels"))
            for place in range(len(self.special) + self.SPARE)
        ]
        known = {self._key(one.subjects, one.source, one.levels): one.basis for one in pack.minimums}
        minimums = tuple(
            Minimum(
                tuple(of), hours, source, tuple(levels), known.get(self._key(of, source, levels), pack.basis)
            )
            for of, hours, source, levels in wanted
            if hours is not None
        )
        return replace(pack, subjects=subjects, minimums=minimums)

    @staticmethod
    def _key(subjects, source, levels) -> tuple:
        return frozenset(subjects), source, frozenset(levels)


def _new_subject(taken) -> str:
    """elective, the frame's own third subject, or the next free code."""
    free = ["elective", *(f"subject-{number}" for number in range(2, 99))]
    return next(code for code in free if code not in taken)


class CapsForm(SectionForm):
    """上限 of subjects, sources, each provider, and of groups of activities."""

    @staticmethod
    def section(pack: Pack):
        return pack.groups, pack.caps

    def __init__(self, *args, pack: Pack, **kwargs):
        super().__init__(*args, pack=pack, **kwargs)
        self.places: dict[str, tuple[str, str]] = {}
        held = {(one.per, one.name): one.hours for one in pack.caps}
        sets = []
        for title, per, names in (
            ("科目每年最多", "subject", pack.subjects),
            ("来源每年最多", "source", SOURCES),
            (
                "同一主办单位每年最多",
                "provider",
                {"": "每个主办单位", **{n: n for p, n in held if p == "provider" and n}},
            ),
            ("几种形式合计每年最多", "group", pack.groups),
        ):
            fields = []
            for number, (code, label) in enumerate(names.items()):
                name = f"{per}_{number}"
                self.places[name] = (per, code)
                self.fields[name] = hours_field(label)
                hours = held.get((per, code))
                self.initial.setdefault(name, shown(hours) if hours else "")
                fields.append(name)
            if per == "group":
                self.fields["new_group"] = forms.CharField(
                    label="另加一组",
                    required=False,
                    max_length=40,
                    help_text="例如 论文论著。保存后，在各申报形式里选它所属的组。",
                )
                fields.append("new_group")
            sets.append(Fieldset(title, *fields, css_class="part"))
        self.helper = FormHelper()
        self.helper.layout = Layout("seen", *sets)

    def changed(self, pack: Pack) -> Pack:
        caps = tuple(
            Cap(self.cleaned_data[name], per, code)
            for name, (per, code) in self.places.items()
            if self.cleaned_data[name] is not None
        )
        groups = dict(pack.groups)
        if self.cleaned_data["new_group"]:
            code = next(f"group-{number}" for number in range(1, 99) if f"group-{number}" not in groups)
            groups[code] = self.cleaned_data["new_group"]
        return replace(pack, caps=caps, groups=groups)
