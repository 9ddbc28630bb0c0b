"""撤销学时 (decision 11) from the page: who may, what it shows, what follows, and that the person hears of it."""

import pytest
from django.core.management import call_command
from django.template import Context, Template
from django.urls import reverse

from credits import certificates, revoking
from credits.models import LedgerEntry, Standing, Subject
from credits.standing import standing_of
from credits.years import current_year
from tests.race import at_once
from tests.test_credits import declare, sign
from workflow import engine
from workflow.flow import Refused, payload_of
from workflow.models import Application

YEAR = current_year()


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


@pytest.fixture
def person(town):
    return town.practitioner(at=town.employer(under=town.authority()))


@pytest.fixture
def approved(town, person):
    sign(town, declare(town, person, 30, subject=Subject.PUBLIC, title="公需培训"))
    return sign(town, declare(town, person, 60))


def address(application) -> str:
    return reverse("credits:revoke", args=[application.pk])


def text(answer) -> str:
    return answer.content.decode()


def test_what_follows_is_shown_then_checked_then_done(town, person, approved):
    certificate = certificates.issue(person, YEAR, by=town.actor(person))
    office = town.login(town.bureau)
    page = text(office.get(address(approved)))
    assert f"专业科目 60 学时，{YEAR} 年度" in page
    assert f"{YEAR} 年度由已完成变为未完成，还差 60 学时" in page
    assert certificate.number in page
    check = text(office.post(address(approved), {"reason": "证明材料不实", "comment": "学会证实没有参加"}))
    assert "核对并撤销学时" in check
    assert "证明材料不实；学会证实没有参加" in check
    assert LedgerEntry.objects.count() == 2, "not yet"
    back = office.post(address(approved), {"reason": "证明材料不实", "comment": "学会证实", "edit": "1"})
    assert back.context["form"]["comment"].value() == "学会证实"
    done = office.post(
        address(approved),
        {"reason": "证明材料不实", "comment": "学会证实没有参加", "revoke": "1"},
        follow=True,
    )
    assert "学时已撤销，已通知申报人" in text(done)
    entry = LedgerEntry.objects.get(verb="reversed")
    assert (entry.hours, entry.organization, entry.reason) == (
        -60,
        town.bureau,
        "证明材料不实；学会证实没有参加",
    )
    standing = Standing.objects.get(practitioner=person)
    assert (standing.total, standing.complete) == (30, False)
    assert certificates.state_of(certificate) == "changed"
    told = person.user.messages.get(subject=f"{YEAR} 年度 60 学时已撤销")
    assert "理由：证明材料不实；学会证实没有参加" in told.text
    assert told.url == reverse("workflow:detail", args=[approved.pk])
    own = town.login(person)
    assert "已撤销：证明材料不实；学会证实没有参加" in text(own.get(told.url))
    assert "撤销" in text(own.get("/hours/years/"))


def test_a_reason_is_needed(town, approved):
    office = town.login(town.bureau)
    answer = text(office.post(address(approved), {"comment": "  ", "revoke": "1"}))
    assert "请选择一条常用理由，或写明撤销理由" in answer
    answer = text(office.post(address(approved), {"reason": "随便", "revoke": "1"}))
    assert "请从常用理由中选择一条" in answer
    assert "请写在 250 字以内" in text(office.post(address(approved), {"comment": "字" * 251, "revoke": "1"}))
    assert not LedgerEntry.objects.filter(verb="reversed").exists()


def test_who_signed_may_and_nobody_else(town, person, approved):
    employer = person.employer
    county = town.bureau_under(town.bureau)
    for who, status in (
        (town.super_admin(employer), 200),
        (town.admin(employer, duties=["hours"]), 200),
        (town.super_admin(employer.superior), 200),
        (town.super_admin(town.bureau), 200),
        (town.admin(employer, duties=["people"]), 403),
        (town.super_admin(county), 404),
        (town.operator(), 404),
        (person.account, 403),
    ):
        assert town.login(who).get(address(approved)).status_code == status, who


def test_the_link_stands_on_the_page_of_who_may(town, person, approved):
    def shown(who) -> bool:
        words = Template("{% load revoking %}{% revoke_link payload application %}")
        application = Application.objects.get(pk=approved.pk)
        context = Context(
            {"actor": town.actor(who), "payload": payload_of(application), "application": application}
        )
        return address(approved) in words.render(context)

    assert shown(town.bureau)
    assert shown(person.employer)
    assert not shown(person)
    assert not shown(town.operator())
    revoking.take_back(approved.declaration, by=town.actor(town.bureau), reason="重复")
    assert not shown(town.bureau)


def test_nobody_takes_back_in_their_own_matter(town):
    employer = town.employer()
    admin = town.super_admin(employer)
    colleague = town.admin(employer, duties=["hours"])
    filed = declare(town, town.practitioner(at=employer, user=admin.user))
    engine.approve(filed.steps.get(state="open").pk, by=town.actor(colleague))
    sign(town, filed)
    own = town.login(admin)
    assert own.get(address(filed)).status_code == 302
    own.post(address(filed), {"reason": "证明材料不实", "revoke": "1"})
    assert not LedgerEntry.objects.filter(verb="reversed").exists()
    with pytest.raises(Refused, match="您本人的学时"):
        revoking.take_back(filed.declaration, by=town.actor(admin), reason="重复")
    assert town.login(colleague).get(address(filed)).status_code == 200


def test_what_is_pending_or_taken_back_has_no_such_page(town, person, approved):
    office = town.login(town.bureau)
    pending = declare(town, person, 5, title="还在审核")
    assert office.get(address(pending)).status_code == 404
    revoking.take_back(approved.declaration, by=town.actor(town.bureau), reason="重复")
    assert office.get(address(approved)).url == reverse("workflow:detail", args=[approved.pk])
    office.post(address(approved), {"reason": "证明材料不实", "revoke": "1"})
    assert LedgerEntry.objects.filter(verb="reversed").count() == 1
    assert person.user.messages.filter(subject__endswith="学时已撤销").count() == 1


def test_what_follows_is_what_then_is(town, person, approved):
    found = revoking.consequences(approved.declaration)
    revoking.take_back(approved.declaration, by=town.actor(town.bureau), reason="重复")
    year = standing_of(person)
    assert (year.total_earned, year.missing, year.done) == (
        found.after.total_earned,
        found.after.missing,
        found.after.done,
    )


@pytest.mark.django_db(transaction=True)
def test_two_at_once_take_back_once(town, person):
    approved = sign(town, declare(town, person, 60))
    actors = [town.actor(town.bureau), town.actor(person.employer)]
    clicks = [lambda by=by: revoking.take_back(approved.declaration, by=by, reason="重复") for by in actors]
    assert at_once(*clicks) == ["Refused", "ok"]
    assert LedgerEntry.objects.filter(verb="reversed").count() == 1
    assert person.user.messages.filter(subject__endswith="学时已撤销").count() == 1
