"""试算 of many people with the real worker. Transactional: the worker sees only what is committed."""

import pytest
from django.core.management import call_command
from django.urls import reverse

from credits import pack_editing, trial
from credits.models import RuleTrial
from credits.years import current_year
from tests import test_messages_worker
from tests.test_messages_worker import run_worker
from tests.test_packs_trial import declared

pytestmark = pytest.mark.django_db(transaction=True)
empty_queue = test_messages_worker.empty_queue
no_connection_left = test_messages_worker.no_connection_left
post_at_commit = test_messages_worker.post_at_commit
LAST = current_year() - 1


@pytest.fixture
def town(town):
    call_command("load_hours", verbosity=0)
    return town


@pytest.fixture
def draft(town):
    return pack_editing.start_blank(by=town.actor(town.bureau), name="泰安市规则", year_from=LAST + 2)


def test_many_people_are_tried_by_the_worker(town, draft, monkeypatch):
    monkeypatch.setattr(trial, "AT_ONCE", 1)
    for _ in range(2):
        declared(town, town.practitioner(at=town.employer()))
    office = town.login(town.bureau)
    answer = office.post(reverse("credits:try_pack", args=[draft.pk]), {"year": LAST})
    one = RuleTrial.objects.get()
    assert one.state == "waiting"
    waiting = office.get(answer.url)
    assert "正在试算" in waiting.content.decode()
    assert waiting["Refresh"] == "3"
    run_worker()
    one.refresh_from_db()
    assert (one.state, one.result["people"]) == ("done", 2)
    assert "Refresh" not in office.get(answer.url)
    told = one.by.messages.get(subject__startswith="试算")
    assert (told.subject, told.url) == ("试算已完成：泰安市规则", answer.url)
    run_worker()
    assert one.by.messages.filter(subject__startswith="试算").count() == 1


def test_a_draft_changed_before_the_worker_came(town, draft, monkeypatch):
    monkeypatch.setattr(trial, "AT_ONCE", 0)
    declared(town, town.practitioner(at=town.employer()))
    one = trial.start(draft, LAST, by=town.actor(town.bureau))
    pack_editing.rewrite(
        draft, draft.text + "[[minimum]]\nhours = 5\n", by=town.actor(town.bureau), seen=one.seen
    )
    run_worker()
    one.refresh_from_db()
    assert (one.state, one.why_failed) == ("failed", "试算开始前草稿又修改了，请再试一次。")
    office = town.login(town.bureau)
    assert "试算开始前草稿又修改了" in office.get(reverse("credits:trial", args=[one.pk])).content.decode()
