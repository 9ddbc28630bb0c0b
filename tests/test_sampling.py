"""抽查: shares by authority and kind, a draw that its seed proves, the rest signed by who drew."""

import datetime
import re
from html import unescape

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from credits import ledger, sampling
from credits.models import (
    ActivityKind,
    LedgerEntry,
    OverturnRate,
    SampleDraw,
    SampleItem,
    VerificationPolicy,
)
from credits.overturning import reckon_rates
from credits.years import today
from orgs.models import Duty
from tests.declaring import proved
from tests.race import at_once
from tests.test_credits import declare, sign
from workflow import bulk, engine
from workflow.flow import Refused
from workflow.models import Step


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


def policy(town, percent, authority=None, kind=None, risk_first=True):
    return VerificationPolicy.objects.create(
        bureau=town.bureau,
        authority=authority,
        kind=kind and ActivityKind.objects.get(code=kind),
        percent=percent,
        risk_first=risk_first,
        changed_by=town.super_admin(town.bureau).user,
    )


def waiting(town, count, under=None, **fields):
    """So many declarations that the bureau has to verify."""
    unit = town.employer(under=under)
    filed = [proved(declare(town, town.practitioner(at=unit), **fields)) for _ in range(count)]
    for one in filed:
        while (step := one.steps.filter(state="open").first()) and step.approver != town.bureau:
            engine.approve(step.pk, by=town.actor(step.approver))
    return filed


def text(answer) -> str:
    return unescape(answer.content.decode())


def test_a_fifth_is_drawn_and_the_rest_is_signed_by_who_drew(town):
    policy(town, 20)
    filed = waiting(town, 10)
    actor = town.actor(town.bureau)
    made = sampling.draw(by=actor)
    assert (made.population, made.sampled) == (10, 2)
    assert all(one.done for one in sampling.pass_by(made, by=actor))
    assert Step.objects.filter(approver=town.bureau, state="open").count() == 2
    passed = Step.objects.filter(approver=town.bureau, state="approved")
    assert {step.comment for step in passed} == {f"抽查 {made.pk} 号未抽中，按审验比例通过"}
    assert {step.decided_by for step in passed} == {actor.user}
    assert LedgerEntry.objects.count() == 8
    assert {one.pk for one in filed} >= set(
        made.items.filter(sampled=True).values_list("step__application", flat=True)
    )


def test_without_a_share_everything_is_looked_at(town):
    waiting(town, 3)
    made = sampling.draw(by=town.actor(town.bureau))
    assert (made.population, made.sampled) == (3, 3)


def test_what_has_a_warning_is_always_looked_at(town):
    policy(town, 0)
    (odd,) = waiting(town, 1, certificate_number="TA-2026-00123")
    waiting(town, 4)
    declare(town, town.practitioner(at=town.employer()), certificate_number="TA-2026-00123")
    assert odd.declaration.reckoning["signals"] == [], (
        "the other one came later, and has not come to the bureau"
    )
    made = sampling.draw(by=town.actor(town.bureau))
    assert [one.step.application_id for one in made.items.filter(sampled=True)] == [odd.pk]
    assert sampling.repeated(made)


def test_what_came_without_its_proofs_is_always_looked_at(town):
    policy(town, 0)
    waiting(town, 2)
    (poor,) = waiting(town, 1)
    poor.attachments.first().delete()
    made = sampling.draw(by=town.actor(town.bureau))
    assert [one.step.application_id for one in made.items.filter(sampled=True)] == [poor.pk]


def test_the_most_special_share_holds(town):
    trusted = town.authority(name="市住建局")
    policy(town, 100)
    policy(town, 0, authority=trusted)
    policy(town, 50, kind="paper")
    policy(town, 100, authority=trusted, kind="paper")
    waiting(town, 2)
    waiting(town, 2, under=trusted)
    waiting(town, 4, kind=ActivityKind.objects.get(code="paper"))
    waiting(town, 1, under=trusted, kind=ActivityKind.objects.get(code="paper"))
    found = {
        (one.label, one.percent): (one.waiting, one.to_draw)
        for one in sampling.groups(sampling.candidates(town.actor(town.bureau)))
    }
    assert found == {
        ("其他", 100): (2, 2),
        ("市住建局", 0): (2, 0),
        ("发表论文", 50): (4, 2),
        ("市住建局，发表论文", 100): (1, 1),
    }


def test_a_draw_is_proved_by_its_seed_and_a_changed_one_is_exposed(town):
    policy(town, 30)
    waiting(town, 10)
    made = sampling.draw(by=town.actor(town.bureau))
    assert sampling.repeated(made)
    with pytest.raises(IntegrityError, match="append only"), transaction.atomic():
        made.items.update(sampled=False)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
    inside, outside = (made.items.filter(sampled=drawn).first() for drawn in (True, False))
    SampleItem.objects.filter(pk=inside.pk).update(sampled=False)
    assert not sampling.repeated(made)
    SampleItem.objects.filter(pk=outside.pk).update(sampled=True)
    assert not sampling.repeated(made)
    SampleItem.objects.filter(pk=inside.pk).update(sampled=True)
    SampleItem.objects.filter(pk=outside.pk).update(sampled=False)
    assert sampling.repeated(made)
    made.items.exclude(pk__in=[inside.pk]).filter(sampled=False).first().delete()
    assert not sampling.repeated(made)


@given(
    seed=st.text("0123456789abcdef", min_size=32, max_size=32),
    steps=st.sets(st.integers(1, 10**9), max_size=60),
    percent=st.integers(0, 100),
)
def test_the_share_is_exact_whatever_the_seed(seed, steps, percent):
    found = [sampling.Candidate(step, "其他", percent, True, False) for step in steps]
    assert len(sampling.chosen(seed, found)) == -(-len(steps) * percent // 100)
    assert sampling.chosen(seed, found) == sampling.chosen(seed, found[::-1])


def test_who_was_drawn_once_is_not_drawn_again(town):
    policy(town, 50)
    waiting(town, 4)
    actor = town.actor(town.bureau)
    sampling.pass_by(sampling.draw(by=actor), by=actor)
    with pytest.raises(Refused, match="没有等待审验"):
        sampling.draw(by=actor)


def test_an_interrupted_draw_is_finished_later(town):
    policy(town, 50)
    waiting(town, 4)
    made = sampling.draw(by=town.actor(town.bureau))
    client = town.login(town.bureau)
    assert "还有未抽中的事项没有通过" in text(client.get(f"/hours/sampling/{made.pk}/"))
    client.post(f"/hours/sampling/{made.pk}/")
    assert LedgerEntry.objects.count() == 2
    assert "还有未抽中的事项没有通过" not in text(client.get(f"/hours/sampling/{made.pk}/"))


def test_only_a_bureaus_admin_for_hours_draws(town):
    waiting(town, 1)
    for who in (town.authority(), town.admin(town.bureau, duties=[Duty.PEOPLE])):
        with pytest.raises(PermissionDenied):
            sampling.draw(by=town.actor(who))
    assert not SampleDraw.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_draws_at_once_draw_everything_once(town):
    policy(town, 50)
    waiting(town, 6)
    colleague = town.admin(town.bureau, duties=[Duty.HOURS])
    one, two = town.actor(town.bureau), town.actor(colleague)

    def drawn_and_passed(by):
        return lambda: sampling.pass_by(sampling.draw(by=by), by=by)

    at_once(drawn_and_passed(one), drawn_and_passed(two))
    steps = SampleItem.objects.filter(sampled=True).values_list("step", flat=True)
    assert len(steps) == len(set(steps))
    assert LedgerEntry.objects.count() == Step.objects.filter(approver=town.bureau, state="approved").count()


# --- the pages -----------------------------------------------------------------------------------------------


def agreed(page: str) -> dict:
    """The numbers that a page says it would draw and sign, as its button sends them."""
    return {
        name: re.search(f'name="{name}" value="([0-9]+)"', page)[1] for name in ("drawn", "passed", "last")
    }


def test_nothing_is_signed_before_its_number_was_shown(town):
    """78 waited once, the page spoke of 25, the click signed 53."""
    waiting(town, 40)
    client = town.login(town.bureau)
    client.post("/hours/sampling/policies/", {"percent": "25"})
    assert "40 件学时等待审验" in text(client.get("/hours/sampling/"))
    page = text(client.post("/hours/sampling/draw/"))
    assert not SampleDraw.objects.exists()
    assert "抽中 10 件，其余 30 件以您的名义通过" in page
    assert "抽取 10 件，通过其余 30 件</button>" in page
    late = waiting(town, 3)
    answer = client.post("/hours/sampling/draw/", agreed(page), follow=True)
    assert "从 40 件中抽中 10 件" in text(answer)
    assert LedgerEntry.objects.count() == 30
    assert Step.objects.filter(application__in=late, state="open").count() == 3  # they came after the page


def test_a_draw_is_shown_anew_when_its_numbers_have_changed(town):
    filed = waiting(town, 8)
    client = town.login(town.bureau)
    client.post("/hours/sampling/policies/", {"percent": "50"})
    page = text(client.post("/hours/sampling/draw/"))
    VerificationPolicy.objects.filter(kind=None).update(percent=0)
    answer = text(client.post("/hours/sampling/draw/", agreed(page), follow=True))
    assert "刚刚有变化，请按新的数字重新核对" in answer
    assert "抽中 0 件，其余 8 件以您的名义通过" in answer
    sign(town, filed[0])
    assert "抽中 0 件，其余 7 件" in text(client.post("/hours/sampling/draw/", agreed(answer), follow=True))
    assert not SampleDraw.objects.exists()
    for number in ("", "x", "1" * 30, "²"):
        client.post("/hours/sampling/draw/", {**agreed(answer), "passed": number})
    assert not SampleDraw.objects.exists()


def test_a_page_says_when_more_waits_than_one_draw_takes(town, monkeypatch):
    monkeypatch.setattr("credits.sampling.MOST", 2)
    waiting(town, 4)
    client = town.login(town.bureau)
    client.post("/hours/sampling/policies/", {"percent": "50"})
    page = text(client.get("/hours/sampling/"))
    assert "一次最多 2 件" in page
    page = text(client.post("/hours/sampling/draw/"))
    assert "这一次从最早送达的 2 件中抽取" in page
    assert "从 2 件中抽中 1 件" in text(client.post("/hours/sampling/draw/", agreed(page), follow=True))


def test_the_pages_from_the_share_to_the_proof(town):
    waiting(town, 4)
    client = town.login(town.bureau)
    answer = client.post("/hours/sampling/policies/", {"percent": "25", "risk_first": "on"})
    assert answer.status_code == 302
    page = text(client.post("/hours/sampling/draw/"))
    assert "抽中 1 件，其余 3 件以您的名义通过" in page
    answer = client.post("/hours/sampling/draw/", agreed(page), follow=True)
    page = text(answer)
    assert re.search(r"从 4 件中抽中 1 件", page)
    made = SampleDraw.objects.get()
    assert made.seed in page
    assert "重算的结果与记录完全相同" in text(client.get(f"/hours/sampling/{made.pk}/?repeat=1"))
    client.post("/hours/sampling/policies/", {"remove": VerificationPolicy.objects.get().pk})
    assert not VerificationPolicy.objects.exists()


@pytest.mark.parametrize("value", ["", "x", "101", "-1", "1.5"])
def test_a_share_is_a_whole_number_up_to_a_hundred(town, value):
    page = text(town.login(town.bureau).post("/hours/sampling/policies/", {"percent": value}))
    assert "请填" in page
    assert not VerificationPolicy.objects.exists()


def test_the_overview_costs_the_same_for_two_and_for_twenty(town):
    policy(town, 50)
    client = town.login(town.bureau)
    counts = []
    for number in (2, 18):
        waiting(town, number)
        client.get("/hours/sampling/")
        with CaptureQueriesContext(connection) as caught:
            assert client.get("/hours/sampling/").status_code == 200
        counts.append(len(caught))
    assert counts[0] == counts[1] <= 12


# --- how often reviewers are overturned -------------------------------------------------------------------


def test_overturned_decisions_are_counted_for_who_signed_before(town):
    unit = town.employer()
    filed = [declare(town, town.practitioner(at=unit)) for _ in range(4)]
    bulk.approve_all(
        list(Step.objects.filter(approver=unit).values_list("pk", flat=True)), by=town.actor(unit)
    )
    last = {one.pk: one.steps.get(approver=town.bureau).pk for one in filed}
    bureau = town.actor(town.bureau)
    engine.reject(last[filed[0].pk], by=bureau, comment="不符合标准")
    engine.approve(last[filed[1].pk], by=bureau, comment="证书为 10 学时", hours=10)
    engine.approve(last[filed[2].pk], by=bureau)
    reckon_rates()
    reckon_rates()
    rate = OverturnRate.objects.get()
    assert (rate.decided, rate.rejected, rate.lowered, rate.revoked) == (3, 1, 1, 0)
    assert (rate.organization, rate.user) == (unit, town.super_admin(unit).user)
    page = text(town.login(town.bureau).get("/hours/sampling/overturned/"))
    assert "66.7%" in page
    assert "测*" in text(town.login(town.bureau).get("/hours/sampling/overturned/?by=person"))


def decided(town, unit, count):
    """So many declarations that the unit signed; the bureau's steps, still open."""
    filed = [proved(declare(town, town.practitioner(at=unit))) for _ in range(count)]
    steps = Step.objects.filter(approver=unit, application__in=filed)
    bulk.approve_all(list(steps.values_list("pk", flat=True)), by=town.actor(unit))
    return list(Step.objects.filter(approver=town.bureau, application__in=filed).order_by("pk"))


def test_what_a_draw_let_through_unseen_is_not_looked_at(town):
    policy(town, 20)
    decided(town, town.employer(), 10)
    bureau = town.actor(town.bureau)
    made = sampling.draw(by=bureau)
    sampling.pass_by(made, by=bureau)
    drawn = list(made.items.filter(sampled=True).values_list("step", flat=True))
    engine.reject(drawn[0], by=bureau, comment="不符合标准")
    engine.approve(drawn[1], by=bureau)
    reckon_rates()
    rate = OverturnRate.objects.get()
    assert (rate.decided, rate.rejected) == (2, 1)
    unseen = made.items.filter(sampled=False).first().step.application.declaration
    ledger.revoke(unseen, by=bureau, reason="证书不实")
    reckon_rates()
    assert OverturnRate.objects.values_list("decided", "rejected", "revoked").get() == (3, 1, 1)


def test_hours_revoked_later_count_in_the_month_of_the_decision(town):
    bureau = town.actor(town.bureau)
    first, second = decided(town, town.employer(), 2)
    engine.approve(first.pk, by=bureau)
    engine.approve(second.pk, by=bureau)
    long_ago = timezone.now() - datetime.timedelta(days=200)
    Step.objects.filter(pk__in=[first.pk, second.pk]).update(decided_at=long_ago)
    reckon_rates()
    assert not OverturnRate.objects.exists()  # no night since then has a reason to look there
    ledger.revoke(first.application.declaration, by=bureau, reason="证书不实")
    reckon_rates()
    reckon_rates()
    rate = OverturnRate.objects.get()
    assert rate.month == timezone.localtime(long_ago).date().replace(day=1)
    assert (rate.decided, rate.rejected, rate.lowered, rate.revoked) == (2, 0, 0, 1)
    assert "50.0%" in text(town.login(town.bureau).get("/hours/sampling/overturned/"))


def test_who_was_changed_most_is_on_top(town):
    """Three revocations are more than two rejections; of equals the higher rate is first."""
    bureau = town.bureau
    for name, numbers in {
        "甲单位": (9, 2, 0, 0),
        "乙单位": (9, 0, 0, 3),
        "丙单位": (4, 0, 2, 0),
        "丁单位": (50, 0, 0, 0),
    }.items():
        unit = town.employer(name=name)
        rate = dict(zip(("decided", "rejected", "lowered", "revoked"), numbers, strict=True))
        user = town.super_admin(unit).user
        OverturnRate.objects.create(
            bureau=bureau, organization=unit, user=user, month=today().replace(day=1), **rate
        )
    for page in ("", "?by=person"):
        shown = text(town.login(bureau).get(f"/hours/sampling/overturned/{page}"))
        assert re.findall("[甲乙丙丁]单位", shown) == ["乙单位", "丙单位", "甲单位", "丁单位"]


def test_nothing_verified_yet_says_so(town):
    sign(town, declare(town, town.practitioner(at=town.employer())), times=1)
    assert "还没有经过复核的学时" in text(town.login(town.bureau).get("/hours/sampling/overturned/"))
