"""消息: the page (screens.md, U15), and what its buttons do."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from accounts.entrance import ACCOUNT
from accounts.identities import identities_of
from accounts.messages import mark_read, page_of, unread_count
from accounts.models import Message
from accounts.views import CHOOSING, switch


@require_safe
def message_list(request: HttpRequest) -> HttpResponse:
    """What this person was told, in all their roles."""
    page = page_of(request.user, request.GET.get("after", ""))
    here = request.session.get(ACCOUNT)
    own = {account.pk: account for account in identities_of(request.user)}
    rows = [
        {
            "message": row,
            "opens": bool(row.url) and (row.account_id is None or row.account_id in own),
            # Of a person's several roles one alone finds the page behind the message.
            "other": own.get(row.account_id) if row.account_id != here else None,
        }
        for row in page.rows
    ]
    context = {
        "rows": rows,
        "unread": unread_count(request.user),
        "place": request.GET.get("after", ""),
        "newer_url": "" if page.first else reverse("accounts:messages"),
        "older_url": f"?{urlencode({'after': page.older})}" if page.older else "",
    }
    return render(request, "accounts/messages.html", context)


@require_http_methods(["POST"])
def open_message(request: HttpRequest, message_id: int) -> HttpResponse:
    """Mark a message as read and go where it leads, in the role in which that page opens."""
    message = get_object_or_404(Message.objects.of(request.user), pk=message_id)
    mark_read(request.user, message)
    if not message.url:
        return redirect("accounts:messages")
    if message.account_id and message.account_id != request.session.get(ACCOUNT):
        request.session[CHOOSING] = {"role": "", "next": message.url}
        return switch(request, message.account_id)
    return redirect(message.url)


@require_http_methods(["POST"])
def read_message(request: HttpRequest, message_id: int) -> HttpResponse:
    """标为已读."""
    mark_read(request.user, get_object_or_404(Message.objects.of(request.user), pk=message_id))
    place = request.POST.get("after", "")
    return redirect(reverse("accounts:messages") + (f"?{urlencode({'after': place})}" if place else ""))


@require_http_methods(["POST"])
def read_all(request: HttpRequest) -> HttpResponse:
    """全部已读."""
    count = mark_read(request.user)
    if count:
        messages.success(request, f"{count} 条消息已标为已读。")
    return redirect("accounts:messages")
