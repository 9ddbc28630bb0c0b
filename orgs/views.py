"""账户管理 → 本级机构管理: the admins of one's own organisation, their roles, the change of the super admin.

Every page but the successor's answer is the super admin's alone (F-72, F-77). Foreign rows are missing rows.
"""

import base64
import binascii
from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from accounts import crypto, throttle
from accounts.entrance import enter
from accounts.id_number import IdNumber
from accounts.kept import forget, form_data, keep, kept
from accounts.login import knows_own_password
from accounts.masked import masked_name
from accounts.models import AccountStatus, User
from accounts.refused import Refused
from orgs import appointment, granting, lost_phone
from orgs import succession as handover
from orgs.doors import for_any_role, for_super_admins
from orgs.forms import (
    AppointForm,
    LostPhoneForm,
    NewPersonForm,
    PersonSearch,
    RoleForm,
    SuccessionForm,
    WhoForm,
    WithRole,
    successors,
)
from orgs.models import AdminRole, Kind, OrgAdmin, Practitioner, SuperSwap, SwapState

NEW = "new-admin"  # between the two pages of 新增管理员
LOOKUPS = 30  # ID numbers that one person may look up in an hour: each answer tells whether somebody is known
INVITATIONS = 5  # to one person in a day
MOST_PEOPLE = 10  # of the own unit, shown as a shortcut

# --- 管理单位管理员 (A11) ------------------------------------------------------------------------------


@require_http_methods(["GET"])
@for_super_admins
def admins(request: HttpRequest) -> HttpResponse:
    rows = [_row(admin) for admin in OrgAdmin.objects.visible_to(request.actor).for_list()]
    context = {"rows": rows, "alone": len(rows) == 1, "swap": _pending_swap(request)}
    return render(request, "orgs/admins.html", context)


def _row(admin: OrgAdmin) -> dict:
    return {
        "admin": admin,
        "role": "超级管理员" if admin.is_super else admin.role.name if admin.role else "单独授权",
        "can_do": granting.in_words(admin.duties),
        "two_step": hasattr(admin.user, "authenticator"),
        "tag": _tag(admin),
    }


def _tag(admin: OrgAdmin) -> tuple[str, str]:
    if admin.account.status == AccountStatus.SUSPENDED:
        return "draft", "已停用"
    if admin.user.last_login is None:
        return "wait", "尚未登录"
    return "ok", admin.account.get_status_display()


@require_http_methods(["GET", "POST"])
@for_super_admins
def admin(request: HttpRequest, admin_id: int) -> HttpResponse:
    """One admin: another role, suspend or restore, remove."""
    one = _other(request, admin_id)
    form = WithRole(form_data(request), actor=request.actor, initial={"role": one.role_id})
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            granting.assign(one.pk, form.cleaned_data["role"].pk, by=request.actor)
        except Refused as refusal:
            form.add_error(None, str(refusal))
            status = 409
        else:
            messages.success(request, "角色已更改，立即生效；对方正在登录的，需要重新登录。")
            return redirect("orgs:admins")
    context = {
        "form": form,
        "row": _row(one),
        "suspended": one.account.status == AccountStatus.SUSPENDED,
        "may_invite": not one.user.has_usable_password(),
        "never": granting.NEVER,
    }
    return render(request, "orgs/admin.html", context, status=status)


@require_http_methods(["POST"])
@for_super_admins
def suspend(request: HttpRequest, admin_id: int) -> HttpResponse:
    one = _other(request, admin_id)
    return _press(
        request,
        lambda: appointment.suspend(one.pk, by=request.actor),
        "已停用，对方正在登录的会立即退出。",
        reverse("orgs:admin", args=[one.pk]),
    )


@require_http_methods(["POST"])
@for_super_admins
def restore(request: HttpRequest, admin_id: int) -> HttpResponse:
    one = _other(request, admin_id)
    return _press(
        request,
        lambda: appointment.restore(one.pk, by=request.actor),
        "已恢复，对方可以重新登录。",
        reverse("orgs:admin", args=[one.pk]),
    )


@require_http_methods(["POST"])
@for_super_admins
def invite(request: HttpRequest, admin_id: int) -> HttpResponse:
    """重新发送邀请, to an admin who never set a password."""
    one = _other(request, admin_id)

    def send():
        try:
            throttle.spend("invitation", one.user_id, limit=INVITATIONS, per=throttle.DAY)
        except throttle.TooMany as too_many:
            raise Refused(f"今天已多次发送邀请，请在 {too_many.words} 后再试。") from too_many
        appointment.invite_again(one.pk, by=request.actor, link=_link(request))

    return _press(request, send, "邀请已重新发送。", reverse("orgs:admin", args=[one.pk]))


@require_http_methods(["GET", "POST"])
@for_super_admins
def remove(request: HttpRequest, admin_id: int) -> HttpResponse:
    """移除管理员: asks once more, with what follows from it."""
    one = _other(request, admin_id)
    if request.method == "POST":
        return _press(
            request,
            lambda: appointment.remove(one.pk, by=request.actor),
            "管理员已移除。",
            reverse("orgs:admins"),
        )
    return render(request, "orgs/remove.html", {"row": _row(one)})


def _other(request: HttpRequest, admin_id: int) -> OrgAdmin:
    """An admin of the own organisation; the super admin has no page, that right changes by 更换超级管理员 alone."""
    others = OrgAdmin.objects.visible_to(request.actor).filter(is_super=False)
    return get_object_or_404(others.for_list(), pk=admin_id)


def _press(request: HttpRequest, verb: Callable[[], object], success: str, url: str) -> HttpResponse:
    """Run what a lone button stands for, say what came of it, go back."""
    try:
        verb()
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, success)
    return redirect(url)


# --- 新增管理员 (A12) ------------------------------------------------------------------------------------


@sensitive_post_parameters("id_number")
@require_http_methods(["GET", "POST"])
@for_super_admins
def add_admin(request: HttpRequest) -> HttpResponse:
    """Whom: by ID number, or one of the own unit's people."""
    picked = request.POST.get("person", "")
    form = WhoForm(None if picked else form_data(request))
    status = 200
    if request.method == "POST" and (picked or form.is_valid()):
        number = _own_person(request, picked) if picked else form.cleaned_data["id_number"]
        try:
            if not picked:
                throttle.spend("admin-lookup", request.user.pk, limit=LOOKUPS, per=throttle.HOUR)
            appointment.candidate(number, request.actor.organization)
        except throttle.TooMany as too_many:
            form.add_error(None, f"查询身份证号的次数太多，请在 {too_many.words} 后再试。")
            status = 429
        except Refused as refusal:
            if picked:
                messages.error(request, str(refusal))
            else:
                form.add_error("id_number", str(refusal))
        else:
            keep(request, NEW, {"person": _sealed(number)})
            return redirect("orgs:appoint")
    search = PersonSearch(request.GET)
    name = search.cleaned_data["name"].strip() if search.is_valid() else ""
    people = _own_people(request, name)
    context = {
        "form": form,
        "search": search,
        "name": name,
        "people": people[:MOST_PEOPLE],
        "more": len(people) > MOST_PEOPLE,
        "has_people": request.actor.organization.kind == Kind.EMPLOYER,
    }
    return render(request, "orgs/add_admin.html", context, status=status)


def _own_people(request: HttpRequest, name: str) -> list[Practitioner]:
    """People employed here who are not admins yet, one more than are shown."""
    unit = request.actor.organization
    people = Practitioner.objects.visible_to(request.actor).active().filter(employer=unit)
    people = people.exclude(user__in=unit.admins.values("user"))
    if name:
        people = people.filter(user__name__contains=name)
    return list(people.select_related("user").order_by("pk")[: MOST_PEOPLE + 1])


def _own_person(request: HttpRequest, picked: str) -> IdNumber:
    people = Practitioner.objects.visible_to(request.actor).filter(employer=request.actor.organization)
    if not picked.isdecimal() or len(picked) > 18:
        raise Http404
    return get_object_or_404(people.select_related("user"), pk=int(picked)).user.id_number


@require_http_methods(["GET", "POST"])
@for_super_admins
def appoint(request: HttpRequest) -> HttpResponse:
    """The person and the role: who is known is only named, masked; who is new is entered."""
    data = form_data(request)
    number = _number(data) or _number(kept(request, NEW))
    if number is None:
        messages.warning(request, "请先填写新管理员的身份证号。")
        return redirect("orgs:add_admin")
    try:
        user = appointment.candidate(number, request.actor.organization)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("orgs:add_admin")
    if user and data is not None and "name" in data:
        # Entered as new, and registered since: the person is looked at before anything happens.
        messages.warning(request, appointment.APPEARED)
        data = None
    form = (AppointForm if user else NewPersonForm)(data, actor=request.actor)
    status = 200
    if request.method == "POST" and data is not None and form.is_valid():
        try:
            one = _appoint(request, number, form, user)
        except Refused as refusal:
            form.add_error(None, str(refusal))
            status = 409
        else:
            forget(request, NEW)
            invited = not one.user.has_usable_password()
            messages.success(
                request,
                "管理员已添加，设置密码的邀请已发出。" if invited else "管理员已添加，可用现有密码登录。",
            )
            return redirect("orgs:admins")
    context = {
        "form": form,
        "number": number,
        "user": user,
        "person": _sealed(number),
        "never": granting.NEVER,
    }
    return render(request, "orgs/appoint.html", context, status=status)


def _appoint(request: HttpRequest, number: IdNumber, form: AppointForm, user: User | None) -> OrgAdmin:
    entry = None
    if user is None:
        entry = appointment.Entry(**{key: form.cleaned_data[key] for key in ("name", "mobile", "email")})
    role = form.cleaned_data["role"]
    return appointment.appoint(number, role.pk, by=request.actor, link=_link(request), entry=entry)


def _link(request: HttpRequest) -> appointment.Link:
    return lambda token: request.build_absolute_uri(reverse("accounts:reset", args=[token]))


def _sealed(number: IdNumber) -> str:
    """The number for a hidden field and for the session, so that it survives a login in between unread."""
    return base64.urlsafe_b64encode(crypto.seal(f"{number.kind}|{number.reveal()}", NEW)).decode("ascii")


def _number(data: QueryDict | None) -> IdNumber | None:
    if data is None:
        return None
    try:
        kind, text = crypto.open_sealed(base64.urlsafe_b64decode(data.get("person", "")), NEW).split("|", 1)
    except (crypto.SealBroken, binascii.Error, ValueError):
        return None
    return IdNumber.parse(text, kind)


# --- 角色管理 (A13) ----------------------------------------------------------------------------------------


@require_http_methods(["GET"])
@for_super_admins
def roles(request: HttpRequest) -> HttpResponse:
    offered = AdminRole.objects.offered_to(request.actor)
    held = _holders(request)
    rows = [
        {"role": role, "can_do": granting.in_words(role.duties), "holders": len(held.get(role.pk, []))}
        for role in offered
    ]
    context = {
        "own": [row for row in rows if row["role"].organization_id],
        "ready_made": [row for row in rows if not row["role"].organization_id],
        "never": granting.NEVER,
    }
    return render(request, "orgs/roles.html", context)


def _holders(request: HttpRequest) -> dict[int, list[OrgAdmin]]:
    """The admins of the own organisation by role; one query."""
    held: dict[int, list[OrgAdmin]] = {}
    for one in OrgAdmin.objects.visible_to(request.actor).filter(role__isnull=False).for_list():
        held.setdefault(one.role_id, []).append(one)
    return held


@require_http_methods(["GET", "POST"])
@for_super_admins
def add_role(request: HttpRequest) -> HttpResponse:
    return _role_page(request, None)


@require_http_methods(["GET", "POST"])
@for_super_admins
def edit_role(request: HttpRequest, role_id: int) -> HttpResponse:
    return _role_page(request, get_object_or_404(AdminRole.objects.own(request.actor), pk=role_id))


def _role_page(request: HttpRequest, role: AdminRole | None) -> HttpResponse:
    initial = {"name": role.name, "duties": role.duties} if role else None
    form = RoleForm(form_data(request), actor=request.actor, role=role, initial=initial)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            saved = granting.save_role(
                **form.cleaned_data, by=request.actor, role_id=role.pk if role else None
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
            status = 409
        else:
            affected = f"{saved.affected} 位管理员的权限已随之变更，需要重新登录。" if saved.affected else ""
            messages.success(request, f"角色“{saved.role.name}”已保存。{affected}")
            return redirect("orgs:roles")
    holders = [_row(one) for one in _holders(request).get(role.pk, [])] if role else []
    context = {"form": form, "role": role, "holders": holders, "never": granting.NEVER}
    return render(request, "orgs/role.html", context, status=status)


@require_http_methods(["POST"])
@for_super_admins
def delete_role(request: HttpRequest, role_id: int) -> HttpResponse:
    role = get_object_or_404(AdminRole.objects.own(request.actor), pk=role_id)
    return _press(
        request,
        lambda: granting.delete_role(role.pk, by=request.actor),
        f"角色“{role.name}”已删除。",
        reverse("orgs:roles"),
    )


# --- 更换超级管理员 (A14) ------------------------------------------------------------------------------------


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@for_super_admins
def succession(request: HttpRequest) -> HttpResponse:
    """Choose the successor, read what follows, confirm with the own password."""
    swap = _pending_swap(request)
    if swap and request.method == "GET":
        tag = ("wait", swap.get_state_display())
        return render(request, "orgs/succession_pending.html", {"swap": swap, "tag": tag})
    form = SuccessionForm(form_data(request), actor=request.actor)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            if knows_own_password(request, form.cleaned_data["password"]):
                handover.offer(form.cleaned_data["successor"].pk, by=request.actor)
                messages.success(request, "已提出更换，等待接任人接受。")
                return redirect("orgs:succession")
            form.add_error("password", "密码不对，请重新填写。")
        except throttle.TooMany as too_many:
            form.add_error(None, f"尝试次数太多，请在 {too_many.words} 后再试。")
            status = 429
        except Refused as refusal:
            form.add_error(None, str(refusal))
            status = 409
    context = {"form": form, "any": successors(request.actor).exists()}
    return render(request, "orgs/succession.html", context, status=status)


def _pending_swap(request: HttpRequest) -> SuperSwap | None:
    waiting = SuperSwap.objects.pending().filter(organization=request.actor.organization)
    return waiting.select_related("successor").first()


@require_http_methods(["POST"])
@for_super_admins
def cancel_succession(request: HttpRequest) -> HttpResponse:
    return _press(
        request,
        lambda: handover.cancel(by=request.actor),
        "更换已撤销，您仍是超级管理员。",
        reverse("orgs:succession"),
    )


@require_http_methods(["GET", "POST"])
@for_any_role
def answer_succession(request: HttpRequest, swap_id: int) -> HttpResponse:
    """The successor's page: what taking over means; accept or decline, as admin of that organisation."""
    mine = SuperSwap.objects.filter(successor=request.actor.user).select_related("organization", "outgoing")
    swap = get_object_or_404(mine, pk=swap_id)
    if swap.state != SwapState.PENDING:
        messages.warning(request, handover.GONE)
        return redirect("desk:home")
    in_role = request.actor.organization == swap.organization
    if request.method == "POST" and in_role:
        return _answer(request, swap)
    own = OrgAdmin.objects.active().filter(organization=swap.organization, user=request.actor.user).first()
    return render(request, "orgs/answer.html", {"swap": swap, "in_role": in_role, "own": own})


def _answer(request: HttpRequest, swap: SuperSwap) -> HttpResponse:
    try:
        if "accept" in request.POST:
            one = handover.accept(swap.pk, by=request.actor)
            one.account.refresh_from_db()
            enter(request, one.account)  # the raised right begins in a session of its own
            request.session.cycle_key()
            messages.success(request, "您已成为超级管理员。")
            return redirect("orgs:admins")
        if "decline" in request.POST:
            handover.decline(swap.pk, by=request.actor)
            messages.success(request, "您没有接受接任，原超级管理员不变。")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("desk:home")


# --- 手机丢失 (P3) ---------------------------------------------------------------------------------------------


@sensitive_post_parameters("id_number", "password")
@require_http_methods(["GET", "POST"])
@for_super_admins
def turn_off_second_factor(request: HttpRequest) -> HttpResponse:
    """Let somebody below in again who has neither the telephone nor a recovery code."""
    form = LostPhoneForm(form_data(request))
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            throttle.spend("admin-lookup", request.user.pk, limit=LOOKUPS, per=throttle.HOUR)
            if knows_own_password(request, form.cleaned_data["password"]):
                reason = form.cleaned_data["reason"].rstrip("。")
                user = lost_phone.take_away(form.cleaned_data["id_number"], reason, by=request.actor)
                messages.success(
                    request, f"{masked_name(user.name)}的两步验证已关闭，本人已收到通知，可以只凭密码登录。"
                )
                return redirect("orgs:admins")
            form.add_error("password", "密码不对，请重新填写。")
        except throttle.TooMany as too_many:
            form.add_error(None, f"尝试次数太多，请在 {too_many.words} 后再试。")
            status = 429
        except Refused as refusal:
            form.add_error("id_number", str(refusal))
    return render(request, "orgs/turn_off_second_factor.html", {"form": form}, status=status)
