"""What templates need beyond plain values: wording filters, the error summary, the body of a form."""

import copy

from crispy_forms.helper import FormHelper
from crispy_forms.templatetags.crispy_forms_filters import as_crispy_field
from crispy_forms.utils import render_crispy_form
from django import forms, template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from markupsafe import escape

from workflow import wording

register = template.Library()

for plain in (
    wording.masked_name,
    wording.hours,
    wording.days_waited,
    wording.shown_wait,
    wording.size,
    wording.shown_date,
    wording.shown_time,
    wording.letter_date,
    wording.percent,
):
    register.filter(plain.__name__, plain)


@register.filter
def arc(fraction):
    """A share between 0 and 1 as an SVG dash pattern on a circle of pathLength 100."""
    filled = min(1.0, max(0.0, float(fraction or 0)))
    return f"{filled * 100:.1f} 100"


@register.filter
def first_id(field):
    """The id of the control that a link to this field should reach (the first of a group)."""
    if field.id_for_label:
        return field.id_for_label
    if isinstance(field.field.widget, forms.MultiWidget):
        return f"{field.auto_id}_0"
    # Grouped options count twice (id_x_0_0), and a group may be empty: then its frame is the target.
    options = field.subwidgets
    return options[0].id_for_label if options else f"div_{field.auto_id}"


_PLAIN = {forms.TextInput: "textinput form-control", forms.Select: "select form-select"}


@register.filter
def in_filter(field):
    """A field of a filter bar: the markup of bootstrap5/field.html, in Python where there is nothing but a label and a
    control. These bars stand over the lists that are opened most, and the templates of six fields take longer than the
    fifty rows below."""
    looks = _PLAIN.get(type(field.field.widget))
    if not looks or field.errors or field.help_text or field.field.required or _grouped(field.field.widget):
        return as_crispy_field(field)
    return format_html(
        '<div id="div_{}" class="fg"><label for="{}" class="form-label">{}</label>{}</div>',
        field.auto_id,
        field.id_for_label,
        field.label,
        _control(field, looks),
    )


def _grouped(widget) -> bool:
    return any(isinstance(label, (list, tuple)) for _, label in getattr(widget, "choices", ()))


def _control(field, looks: str) -> SafeString:
    """What Django's templates make of a TextInput and a Select, attribute for attribute."""
    widget = field.field.widget
    attrs = field.build_widget_attrs({"class": looks, "id": field.auto_id}, widget)
    attrs = _written(widget.build_attrs(widget.attrs, attrs))
    name, value = escape(field.html_name), widget.format_value(field.value())
    if isinstance(widget, forms.TextInput):
        value = "" if value is None else f' value="{escape(value)}"'
        return SafeString(f'<input type="{widget.input_type}" name="{name}"{value}{attrs}>')
    options = [
        f'<option value="{escape(str(key))}"{" selected" if str(key) in value else ""}>{escape(str(label))}</option>'
        for key, label in widget.choices
    ]
    return SafeString(f'<select name="{name}"{attrs}>{"".join(options)}</select>')


def _written(attrs: dict) -> str:
    return "".join(
        f" {key}" if value is True else f' {key}="{escape(str(value))}"'
        for key, value in attrs.items()
        if value is not None and value is not False
    )


@register.simple_tag
def menu(entries, here="page"):
    """The items of a menu level. `here`: what the current one is, "true" when a second level below holds the page itself.
    In Python, since its dozen links stand on every page."""
    return SafeString("".join([_item(entry, here) for entry in entries]))


def _item(entry: dict, here: str) -> str:
    current = f' aria-current="{here}"' if entry["current"] else ""
    count = entry.get("count")
    if count:
        count = f' <span class="n">{escape(str(count))}<span class="visually-hidden"> 项</span></span>'
    return f'<li><a href="{escape(entry["url"])}"{current}>{escape(entry["label"])}{count or ""}</a></li>\n'


@register.filter
def has_optional(form):
    """Whether a form mixes fields that must be filled with fields that need not: then the star wants a word."""
    return len({field.field.required for field in form.visible_fields()}) == 2


@register.filter
def sentences(field):
    """What is wrong with a bound field, in sentences: a form's own words as they are, Django's stock words made plain."""
    return [_stock_sentence(field, error) or next(iter(error)) for error in field.errors.as_data()]


def _stock_sentence(field, error):
    """The plain sentence for an error that still has Django's stock message, else None."""
    label, kind, widget = field.label, field.field, field.field.widget
    stock = {}
    for cls in reversed(type(kind).__mro__):
        stock |= getattr(cls, "default_error_messages", {})
    if error.code not in stock or str(error.message) != str(stock[error.code]):
        return None
    if error.code == "required":
        if isinstance(widget, forms.CheckboxInput):
            return f"请勾选“{label}”"
        if isinstance(widget, forms.FileInput):
            return f"请上传{label}"
        return f"请选择{label}" if isinstance(widget, (forms.Select, forms.RadioSelect)) else f"请填写{label}"
    if error.code in ("invalid_choice", "invalid_list", "invalid_pk_value"):
        return f"请从列出的选项中选择{label}"
    if error.code == "invalid" and isinstance(kind, forms.DateField):
        return f"{label}请按 2026-11-08 的样子填写"
    if error.code == "invalid" and isinstance(kind, (forms.IntegerField, forms.DecimalField)):
        return f"{label}请填数字"
    if error.code == "empty":
        return f"{label}是空文件，请换一个"
    return None


@register.inclusion_tag("components/error_summary.html")
def error_summary(form):
    """The list of what is wrong, each with a link to its field; once per form, wherever it is asked for first.

    base.html asks above the heading for the page's own `form`, the form templates ask again for all others.
    """
    if not form.errors or getattr(form, "summary_is_shown", False):
        return {"problems": []}
    form.summary_is_shown = True
    fields = [field for field in _as_they_stand(form) if field.errors]
    problems = [{"text": text, "href": ""} for text in form.non_field_errors()]
    problems += [
        {"text": text, "href": "" if field.is_hidden else "#" + first_id(field)}
        for field in fields
        for text in sentences(field)
    ]
    if fields:
        title = f"请先改正 {len(problems)} 处问题"
    else:
        title = getattr(form, "error_title", "这次没有提交成功")
    return {"problems": problems, "title": title, "kept": _what_is_kept(form)}


def _as_they_stand(form):
    """The fields in the order of the page, which a helper's layout may have made another than the form's."""
    layout = getattr(getattr(form, "helper", None), "layout", None)
    if layout is None:
        return list(form)
    places = {one.name: place for place, one in enumerate(layout.get_field_names())}
    return sorted(form, key=lambda field: places.get(field.name, len(places)))


def _what_is_kept(form):
    """The sentence that says which input survived: browsers return neither passwords nor chosen files."""
    if getattr(form, "nothing_kept", False):
        return ""
    files = sum(len(getattr(field, "kept_files", ())) for field in form.fields.values())
    said = f"您已填写的内容和已上传的 {files} 个文件都已保留" if files else "您已填写的内容都已保留"
    if any(isinstance(field.widget, forms.PasswordInput) for field in form.fields.values()):
        return said + "，密码请重新输入。"
    return said + "。"


@register.simple_tag
def form_body(form):
    """A form's error summary and fields without the <form> element; a helper's layout and buttons are followed."""
    helper = copy.copy(getattr(form, "helper", None) or FormHelper())
    helper.form_tag = False
    helper.disable_csrf = True
    return render_crispy_form(form, helper)
