"""Nothing typed is lost: answers wait in the session, and a form sent too late comes back after the login."""

import pytest
from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.test import Client
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts import kept
from accounts.models import Role, Session
from accounts.password import replace_password
from accounts.proof import prove, proved_user
from tests.test_login import log_in, words
from tests.town import PASSWORD

TEXT = "写了很久的说明：<b>“一字不差”</b>"


class Story(forms.Form):
    text = forms.CharField(label="说明")
    kinds = forms.MultipleChoiceField(label="种类", choices=[("a", "甲"), ("b", "乙")], required=False)
    password = forms.CharField(label="密码", required=False)


@require_http_methods(["GET", "POST"])
def story(request):
    form = Story(kept.form_data(request))
    if request.method == "POST" and form.is_valid():
        return HttpResponse("saved " + form.cleaned_data["text"])
    return render(request, "page_form.html", {"form": form, "heading": "说明", "submit": "提交说明"})


@require_http_methods(["POST"])
def button(request):
    return HttpResponse("pressed")


@login_not_required
def public(request):
    if request.method == "POST":
        if "proved" in request.POST:
            return HttpResponse(str(proved_user(request)))
        kept.keep(request, "draft", request.POST, keep_passwords="with" in request.POST)
    found = kept.kept(request, "draft")
    return HttpResponse(found.urlencode() if found is not None else "nothing")


urlpatterns = [
    path("story/", story),
    path("button/", button),
    path("public/", public),
    path("", include(settings.ROOT_URLCONF)),
]


@pytest.fixture(autouse=True)
def pages(settings):
    settings.ROOT_URLCONF = __name__


def expire():
    Session.objects.update(expire_date=timezone.now())


def back_in(client, account, next_url):
    response = log_in(
        account.user.id_number.reveal(), account.role, PASSWORD, client, f"/login/?next={next_url}"
    )
    assert response.status_code == 302, words(response)
    return client.get(response.url, follow=True)


@pytest.fixture
def admin(town):
    return town.super_admin(town.bureau)


def test_a_form_sent_after_the_session_expired_is_there_after_the_login(town, admin):
    client = town.login(admin)
    client.get("/story/")
    expire()
    response = client.post("/story/", {"text": TEXT, "kinds": ["a", "b"], "password": "hidden-one-1"})
    assert response.url == "/login/?next=/story/"
    page = back_in(client, admin, "/story/")
    assert page.context["form"]["text"].value() == TEXT
    assert page.context["form"]["kinds"].value() == ["a", "b"]
    assert "登录前填写的内容已恢复，请核对后重新提交。" in words(page)
    assert "hidden-one-1" not in page.content.decode()
    assert client.post("/story/", {"text": TEXT}).content.decode() == f"saved {TEXT}"
    assert not client.get("/story/").context["form"].is_bound, "given back once"


def test_a_role_that_was_changed_loses_nothing_either(town, admin):
    client = town.login(admin)
    admin.end_sessions()
    assert client.post("/story/", {"text": TEXT}).status_code == 302
    assert back_in(client, admin, "/story/").context["form"]["text"].value() == TEXT


def test_a_password_changed_elsewhere_loses_nothing_either(town, admin):
    client = town.login(admin)
    replace_password(admin.user, PASSWORD)
    assert client.post("/story/", {"text": TEXT}).status_code == 302
    assert back_in(client, admin, "/story/").context["form"]["text"].value() == TEXT


def test_it_comes_back_through_the_choice_of_an_identity(town, admin):
    client = town.login(admin)
    second = town.admin(town.bureau_under(town.bureau), user=admin.user)
    expire()
    client.post("/story/", {"text": TEXT})
    page = back_in(client, admin, "/story/")
    assert page.redirect_chain == []
    assert page.request["PATH_INFO"] == "/identity/"
    page = client.post(f"/identity/{second.pk}/", follow=True)
    assert page.context["form"]["text"].value() == TEXT


def test_files_are_named_as_lost(town, admin):
    client = town.login(admin)
    expire()
    client.post("/story/", {"text": TEXT, "proof": SimpleUploadedFile("a.pdf", b"%PDF-1.4")})
    assert "但所选文件需重新选择" in words(back_in(client, admin, "/story/"))


def test_the_next_person_at_the_computer_sees_nothing_of_it(town, admin):
    other = town.super_admin(town.employer())
    client = town.login(admin)
    expire()
    client.post("/story/", {"text": TEXT})
    page = back_in(client, other, "/story/")
    assert TEXT not in str(page.context["form"].data)
    assert not page.context["form"].is_bound
    assert not client.session[kept.SESSION]


def test_two_hours_later_it_is_gone(town, admin):
    client = town.login(admin)
    expire()
    client.post("/story/", {"text": TEXT})
    session = client.session
    session[kept.SESSION]["path:/story/"]["at"] -= kept.SECONDS + 1
    session.save()
    assert not back_in(client, admin, "/story/").context["form"].is_bound


def test_in_a_browser_where_nobody_worked_nothing_is_stored(db):
    client = Client()
    assert client.post("/story/", {"text": TEXT}).status_code == 302
    assert not Session.objects.exists()


def test_a_forged_post_is_not_kept(town, admin):
    client = town.login(admin)
    expire()
    client.handler.enforce_csrf_checks = True
    assert client.post("/story/", {"text": TEXT}).status_code == 403
    client.handler.enforce_csrf_checks = False
    assert not back_in(client, admin, "/story/").context["form"].is_bound


def test_a_button_pressed_too_late_leads_back_to_its_page_and_says_so(town, admin):
    client = town.login(admin)
    expire()
    response = client.post("/button/", headers={"referer": "http://testserver/story/"})
    assert response.url == "/login/?next=/button/"
    page = back_in(client, admin, "/button/")
    assert page.request["PATH_INFO"] == "/story/"
    assert "登录已过期，刚才的操作没有执行，请再做一次。" in words(page)
    assert client.get("/button/").status_code == 405, "otherwise a wrong method stays one"


def test_a_foreign_referer_leads_nowhere(town, admin):
    client = town.login(admin)
    expire()
    client.post("/button/", headers={"referer": "https://evil.example/"})
    page = back_in(client, admin, "/button/")
    assert page.request["PATH_INFO"] == "/"


def test_what_is_kept_is_sealed_and_bounded(town, admin):
    client = town.login(admin)
    client.post("/public/", {"text": "370902190001010002 secret"})
    stored = Session.objects.get().get_decoded()
    assert "secret" not in str(stored)
    assert "37090219" not in str(stored)
    for n in range(12):
        expire()
        client.post(f"/story/?n={n}", {"text": "x" * (kept.MOST_BYTES + 1 if n == 11 else 10)})
    assert "path:/story/" not in client.session.get(kept.SESSION, {})


def test_eight_forms_at_most(rf, admin, town):
    request = town.login(admin).get("/story/").wsgi_request
    for n in range(12):
        kept.keep(request, f"form {n}", {"text": "x"})
    assert len(request.session[kept.SESSION]) == kept.MOST_FORMS


def test_keeping_by_name(db):
    client = Client()
    assert client.get("/public/").content == b"nothing"
    client.post("/public/", {"a": ["1", "2"], "password": "p", "csrfmiddlewaretoken": "t"})
    assert QueryDict(client.get("/public/").content).getlist("a") == ["1", "2"]
    assert "password" not in QueryDict(client.get("/public/").content)
    assert "csrfmiddlewaretoken" not in QueryDict(client.get("/public/").content)
    client.post("/public/", {"password": "p", "with": "1"})
    assert QueryDict(client.get("/public/").content)["password"] == "p"


def test_answers_of_somebody_else_do_not_survive_a_login(town, admin):
    client = Client()
    client.post("/public/", {"a": "1"})
    log_in(admin.user.id_number.reveal(), admin.role, PASSWORD, client)
    assert client.get("/public/").content == b"nothing"


def test_forgetting(rf, town, admin):
    request = town.login(admin).get("/story/").wsgi_request
    kept.keep(request, "x", {"a": "1"})
    kept.forget(request, "x")
    kept.forget(request, "x")
    assert kept.kept(request, "x") is None


# --- proofs ----------------------------------------------------------------------------------------------------


def _request(client):
    return client.get("/public/").wsgi_request


def test_a_proof_lasts_half_an_hour_and_as_long_as_the_password(town, admin):
    request = _request(Client())
    assert proved_user(request) is None
    prove(request, admin.user)
    assert proved_user(request) == admin.user
    assert proved_user(request, "set-password") is None, "each page has its own"
    request.session["proof:registration"]["at"] -= 30 * 60 + 1
    assert proved_user(request) is None
    prove(request, admin.user)
    replace_password(admin.user, "another-one-9")
    assert proved_user(request) is None


def test_a_proof_ends_with_a_login_and_with_a_closed_person(town, admin):
    client = Client()
    pending = town.practitioner(at=town.employer())
    type(pending.account).objects.filter(pk=pending.account.pk).update(status="pending")
    log_in(pending.user.id_number.reveal(), Role.PRACTITIONER, PASSWORD, client)
    assert client.post("/public/", {"proved": "1"}).content.decode() == str(pending.user)
    log_in(admin.user.id_number.reveal(), admin.role, PASSWORD, client)
    assert client.post("/public/", {"proved": "1"}).content == b"None"
    request = _request(Client())
    prove(request, admin.user)
    type(admin.user).objects.filter(pk=admin.user.pk).update(is_active=False)
    assert proved_user(request) is None
