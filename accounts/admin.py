"""Reference-data admin: operators with staff rights, through our own login. People can be looked at, masked."""

from django.contrib import admin
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Group
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from procrastinate.contrib.django.models import ProcrastinateJob

from accounts.models import Role, User


@login_not_required
def _to_login(request: HttpRequest, extra_context=None) -> HttpResponse:
    """Lead to the platform's login: Django's own form knows no budgets and no roles."""
    if request.user.is_authenticated:
        raise PermissionDenied
    target = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure()):
        target = reverse("admin:index")
    return redirect_to_login(target)


def _may_enter(request: HttpRequest) -> bool:
    """A person with staff rights, and only while acting as operator."""
    actor = getattr(request, "actor", None)
    return bool(actor) and actor.role == Role.OPERATOR and request.user.is_active and request.user.is_staff


def _to_password(request: HttpRequest, extra_context=None) -> HttpResponse:
    return redirect("accounts:password")


admin.site.login = _to_login
admin.site.has_permission = _may_enter
admin.site.password_change = _to_password
auth_admin.admin.site.unregister(Group)  # rights come from roles and duties, never from groups
admin.site.unregister(ProcrastinateJob)  # the queue holds addresses; `manage.py outbox` says how it stands
admin.site.site_header = admin.site.site_title = admin.site.index_title = "基础数据维护"


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    """用户, to look at: the ID number stays masked, nothing can be changed here."""

    fields = readonly_fields = ["name", "id_kind", "id_masked", "is_active", "is_staff", "created_at"]
    list_display = ["name", "id_masked", "is_active", "is_staff", "created_at"]
    search_fields = ["name", "id_last4"]
    ordering = ["-created_at"]

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
