"""What a move asks for, and how a few characters of a name become the one organisation meant."""

import secrets

from django import forms
from django.utils.html import format_html

from orgs.choosing import Found, find
from orgs.models import Kind, Organization
from orgs.tree import closes_ring
from transfers.flows import SUPERIOR_LABELS, SUPERIORS_OF
from transfers.picking import MOST

WRITE = "写名称中的几个字，或完整的统一社会信用代码。"


class DestinationForm(forms.Form):
    """A destination by search, and the reason.

    Valid and `destination` set: there is no doubt which one is meant. Valid and not set: `found` holds several, one of
    which is to be chosen (button "chosen").
    """

    use_required_attribute = False
    error_title = "这次没有提交成功"
    text_field: str

    reason = forms.CharField(
        label="调转原因",
        max_length=200,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="一两句话即可，审核的单位会原样看到。",
        error_messages={"max_length": "请写在 200 字以内。"},
    )

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.found = Found()
        self.destination: Organization | None = None
        self.fields["reason"].widget.attrs.pop("maxlength", None)

    def among(self):
        """The organisations that may be chosen."""
        raise NotImplementedError

    def refusal(self, organization: Organization) -> str:
        """Why this one, though approved, is no destination; "" when it is."""
        raise NotImplementedError

    def clean(self):
        cleaned = super().clean()
        text = cleaned.get(self.text_field)
        if text and not self.has_error(self.text_field):
            self._search(text)
        return cleaned

    def _search(self, text: str) -> None:
        chosen = self.data.get("chosen", "")
        if chosen.isascii() and chosen.isdecimal() and len(chosen) < 19:
            one = self.among().filter(pk=chosen).first()
            if one is None:
                self.add_error(self.text_field, "所选的机构现在不能选择，请重新查找。")
                return
            refusal = self.refusal(one)
            if refusal:
                self.add_error(self.text_field, refusal)
            else:
                self.destination = one
            return
        found = find(text, self.among())
        possible = tuple(hit for hit in found.hits if not self.refusal(hit.organization))
        if found.only and not self.refusal(found.only):
            self.destination = found.only
        elif found.only or (found.hits and not possible):
            self.add_error(self.text_field, self.refusal(found.only or found.hits[0].organization))
        elif not possible:
            self.add_error(self.text_field, self.nothing_found(text))
        elif len(possible) == 1 and not found.more:
            self.destination = possible[0].organization
        else:
            self.found = Found(possible, None, found.more)

    def nothing_found(self, text: str) -> str:
        """The sentence for a text that no organisation fits."""
        raise NotImplementedError


class TransferForm(DestinationForm):
    """单位调转 (F-56, F-65): the new unit among the approved ones, and why."""

    text_field = "new_unit"
    new_unit = forms.CharField(label="新单位", max_length=120, help_text=WRITE)
    field_order = ["new_unit", "reason"]

    def __init__(self, *args, employer: Organization, **kwargs):
        self.employer = employer
        super().__init__(*args, **kwargs)

    def among(self):
        return Organization.objects.choosable(Kind.EMPLOYER)

    def refusal(self, organization):
        return f"“{organization.name}”就是现在的单位，请另选单位。" if organization == self.employer else ""

    def nothing_found(self, text):
        return f"没有找到名称含“{text}”的用人单位。请换几个字再查找；新单位注册通过审核后才能选到。"


class ReleaseForm(TransferForm):
    """人员调出 (F-60): besides the destination, which people; they are read by transfers.picking."""

    token = forms.CharField(widget=forms.HiddenInput, max_length=32, required=False)

    def __init__(self, *args, people: set[int], **kwargs):
        super().__init__(*args, **kwargs)
        self.people = people
        self.fields["new_unit"].label = "调往单位"
        self.initial.setdefault("token", secrets.token_hex(16))

    def clean_token(self):
        token = self.cleaned_data["token"]
        if len(token) != 32 or not token.isalnum() or not token.isascii():
            return secrets.token_hex(16)
        return token

    def clean(self):
        cleaned = super().clean()
        if not self.people:
            self.add_error(None, format_html('<a href="{}">请勾选要调出的人员</a>', "#people"))
        if len(self.people) > MOST:
            self.add_error(None, f"一次最多调出 {MOST} 人，请分几次办理。")
        return cleaned


class SuperiorForm(DestinationForm):
    """更换上级部门 (F-67): the kind of superior, then the superior, and why."""

    text_field = "new_superior"
    kind = forms.ChoiceField(label="机构类型", widget=forms.RadioSelect, help_text="新的上级是哪一类机构。")
    new_superior = forms.CharField(label="新的上级", max_length=120, help_text=WRITE)
    field_order = ["kind", "new_superior", "reason"]

    def __init__(self, *args, organization: Organization, **kwargs):
        self.organization = organization
        super().__init__(*args, **kwargs)
        kinds = SUPERIORS_OF[organization.kind]
        self.fields["kind"].choices = [(kind.value, SUPERIOR_LABELS[kind]) for kind in kinds]
        self.fields["reason"].label = "更换原因"
        if len(kinds) == 1:
            self.initial.setdefault("kind", kinds[0].value)

    def among(self):
        # Without a valid kind the search says nothing of its own: the missing kind is the error.
        return Organization.objects.choosable(self.cleaned_data["kind"])

    def _search(self, text):
        if self.cleaned_data.get("kind"):
            super()._search(text)

    def refusal(self, organization):
        if organization.pk == self.organization.superior_id:
            return f"“{organization.name}”就是现在的上级，请另选。"
        if closes_ring(self.organization, organization):
            return f"“{organization.name}”是本单位自己或本单位的下级，不能作为上级。"
        return ""

    def nothing_found(self, text):
        label = SUPERIOR_LABELS[self.cleaned_data["kind"]]
        others = [kind for kind in SUPERIORS_OF[self.organization.kind] if kind != self.cleaned_data["kind"]]
        elsewhere = find(text, Organization.objects.choosable(*others)) if others else Found()
        if elsewhere.hits:
            other = SUPERIOR_LABELS[elsewhere.hits[0].organization.kind]
            return f"{label}中没有找到“{text}”，但在{other}中有，请核对机构类型。"
        return f"没有找到名称含“{text}”的{label}。请换几个字再查找；对方注册通过审核后才能选到。"
