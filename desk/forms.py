"""What is asked for when a person is looked up."""

from django import forms

from accounts.id_number import IdNumber, InvalidIdNumber, normalise


class PeopleSearch(forms.Form):
    """Name, or the last four characters of the ID number, or all of it. `clean()` sorts the number out."""

    name = forms.CharField(label="姓名", required=False, max_length=50)
    number = forms.CharField(
        label="身份证号或后四位",
        required=False,
        max_length=64,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )

    def clean(self):
        cleaned = super().clean()
        text = normalise(cleaned.get("number") or "")
        cleaned["last_four"] = text if len(text) == 4 else ""
        cleaned["id_number"] = None
        if text and not cleaned["last_four"]:
            try:
                cleaned["id_number"] = IdNumber.read(text)
            except InvalidIdNumber as error:
                sentence = "请填写身份证号的后四位，或完整的身份证号。" if len(text) < 15 else error.sentence
                self.add_error("number", sentence)
        return cleaned


class SearchForm(forms.Form):
    """综合查询. What the text is, desk.search finds out."""

    nothing_kept = True
    q = forms.CharField(
        label="查找",
        required=False,
        max_length=120,
        help_text="受理号、姓名、身份证号后四位、单位名称或代码。",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def clean_q(self):
        text = self.cleaned_data["q"].strip()
        if not text:
            raise forms.ValidationError("请填写要查找的内容。")
        return text


class UnitSearch(forms.Form):
    q = forms.CharField(label="名称或统一社会信用代码", required=False, max_length=120)
