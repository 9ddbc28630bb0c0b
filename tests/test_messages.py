"""消息: who is told what, exactly once, and the page that shows it (goal G17; screens.md, U15 and 催办)."""

import datetime
import threading

import pytest
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import messages, notices, outbox
from accounts.models import AccountStatus, Message, RoleAccount
from orgs.models import Duty
from tests import postman, registering
from tests.race import at_once
from tests.test_engine import change_superior, step_of, transfer
from tests.test_passwords import Phone
from workflow import engine, reminders
from workflow.announce import announce
from workflow.flow import Refused
from workflow.models import Event, Reminder

PAGE = "/messages/"


def announce_all() -> None:
    """What the worker does with the events so far, twice, because it may."""
    for event in Event.objects.order_by("pk"):
        announce.func(event.pk)
        announce.func(event.pk)


def told(person) -> list[str]:
    return list(Message.objects.filter(user=person).order_by("pk").values_list("subject", flat=True))


def last_told(person) -> Message:
    return Message.objects.filter(user=person).latest("pk")


@pytest.fixture
def moving(town):
    """(town, person, old, new, application): a transfer that its practitioner filed."""
    old, new = town.employer(), town.employer()
    person = town.practitioner(at=old)
    return town, person, old, new, transfer(town, person, new)


# --- who hears what ----------------------------------------------------------------------------------


def test_each_step_and_the_end_is_told_once_to_the_applicant_alone(moving):
    town, person, old, new, application = moving
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old), comment="同意")
    announce_all()
    assert told(person.user) == ["单位调转：原单位审核已通过"]
    said = last_told(person.user)
    assert f"下一步：新单位审核，{new.name}" in said.text
    assert "审核意见：同意" in said.text
    assert said.url == f"/applications/{application.pk}/"
    assert said.account == person.account
    engine.approve(step_of(application, "新单位审核").pk, by=town.actor(new))
    announce_all()
    assert told(person.user) == ["单位调转：原单位审核已通过", "单位调转：已通过"]
    assert Message.objects.exclude(user=person.user).count() == 0


def test_late_announcements_still_tell_each_event_by_itself(moving):
    town, person, old, new, application = moving
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    engine.approve(step_of(application, "新单位审核").pk, by=town.actor(new))
    announce_all()
    assert told(person.user) == ["单位调转：原单位审核已通过", "单位调转：已通过"]


def test_a_rejection_says_why_and_where_to_start_anew(moving):
    town, person, old, _, application = moving
    engine.reject(step_of(application, "原单位审核").pk, by=town.actor(old), comment="材料不清楚")
    announce_all()
    assert told(person.user) == ["单位调转：已驳回"]
    said = last_told(person.user)
    assert "驳回理由：材料不清楚" in said.text
    assert said.url == f"/moves/again/{application.pk}/"
    assert town.login(person).get(said.url, follow=True).status_code == 200


def test_nobody_is_told_of_their_own_act(moving):
    town, person, _, _, application = moving
    engine.withdraw(application.pk, by=town.actor(person))
    announce_all()
    assert not Message.objects.exists()


def test_who_files_and_who_it_is_about_both_hear(town):
    old, new = town.employer(), town.employer()
    person = town.practitioner(at=old)
    application = transfer(town, person, new, by=old)
    filer = town.super_admin(old)
    announce_all()
    assert told(person.user) == ["单位调转：已为您提交"]
    assert told(filer.user) == []
    engine.reject(step_of(application, "新单位审核").pk, by=town.actor(new), comment="编制已满")
    announce_all()
    assert told(person.user)[1:] == told(filer.user) == ["单位调转：已驳回"]
    assert last_told(filer.user).account == filer
    assert last_told(filer.user).url == f"/moves/again/{application.pk}/"
    assert last_told(person.user).url == f"/applications/{application.pk}/"


def test_an_organisations_application_withdrawn_by_another_admin(town):
    unit = town.employer(under=town.authority())
    application = change_superior(town, unit, town.authority())
    other = town.admin(unit, duties=[Duty.TRANSFERS])
    engine.withdraw(application.pk, by=town.actor(other))
    announce_all()
    assert told(town.super_admin(unit).user) == ["更换上级部门：已撤回"]
    assert told(other.user) == []


def test_a_registrant_who_cannot_log_in_is_led_to_the_progress_page(town):
    registering.load_lists()
    unit = town.employer()
    application = registering.register("practitioner", "staff", unit, email="new@example.org")
    engine.reject(application.steps.get().pk, by=town.actor(unit), comment="单位选错了")
    announce_all()
    said = last_told(application.person)
    assert (said.url, said.account) == ("/register/progress/", None)
    postman.deliver()
    assert "单位选错了" in mail.outbox[-1].body
    assert mail.outbox[-1].to == ["new@example.org"]


def test_no_number_stands_in_a_message_whatever_people_type(moving, django_capture_on_commit_callbacks):
    town, person, old, _, application = moving
    number, mobile = person.user.id_number.reveal(), "13812345678"
    reason = f"证件号码{number}与手机{mobile}不符"
    engine.reject(step_of(application, "原单位审核").pk, by=town.actor(old), comment=reason)
    announce_all()
    postman.deliver()
    (letter,) = mail.outbox
    everything = letter.subject + letter.body + str(Message.objects.values())
    assert number not in everything
    assert mobile not in everything
    assert number[-6:] not in everything
    assert "[已隐去]" in letter.body
    assert str(person.user.mobile)[3:] not in everything


def test_the_mail_says_the_same_with_a_link(moving, settings):
    town, person, old, _, application = moving
    settings.SITE = settings.SITE | {"url": "https://cpe.example.org"}
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    announce_all()
    postman.deliver()
    (letter,) = mail.outbox
    assert letter.to == [person.user.email]
    assert letter.subject == "单位调转：原单位审核已通过"
    assert f"https://cpe.example.org/applications/{application.pk}/" in letter.body
    assert letter.message()["Message-ID"] == f"<message-{last_told(person.user).pk}@example.org>"
    assert last_told(person.user).mailed_at


def test_who_has_no_address_gets_the_message_alone(moving):
    town, person, old, _, application = moving
    person.user.email = ""
    person.user.save()
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    announce_all()
    postman.deliver()
    assert told(person.user)
    assert mail.outbox == []


def test_old_records_are_no_mail(moving):
    town, person, old, _, application = moving
    long_ago = timezone.now() - datetime.timedelta(days=8)
    Event.objects.create(
        application=application,
        step=step_of(application, "原单位审核"),
        verb="approve",
        user=town.super_admin(old).user,
        organization=old,
        at=long_ago,
    )
    announce_all()
    postman.deliver()
    assert last_told(person.user).created_at == last_told(person.user).read_at == long_ago
    assert mail.outbox == []


# --- security ----------------------------------------------------------------------------------------


def test_a_changed_password_is_a_message_a_mail_and_an_sms(town, settings):
    settings.SMS_SENDER = "tests.test_passwords.Phone"
    Phone.sent.clear()
    user = town.user()
    notices.password_changed(user)
    postman.deliver()
    assert told(user) == [mail.outbox[0].subject] == ["登录密码已修改"]
    ((mobile, text),) = Phone.sent
    assert (mobile, "已修改" in text) == (user.mobile.as_e164, True)


def test_a_link_that_sets_a_password_is_nowhere_readable(town):
    user = town.user()
    notices.reset_link(user, "https://example.org/reset/SECRET/")
    with connection.cursor() as cursor:
        cursor.execute("SELECT args::text FROM procrastinate_jobs WHERE task_name = 'accounts.send_sealed'")
        ((arguments,),) = cursor.fetchall()
    assert "SECRET" not in arguments
    assert user.email not in arguments
    assert told(user) == []
    postman.deliver()
    assert "/reset/SECRET/" in mail.outbox[0].body


def test_a_letter_that_is_of_no_use_any_more_is_dropped(town):
    user = town.user()
    outbox.letter(user, "x", "y", lasts=datetime.timedelta(seconds=-1))
    postman.deliver()
    assert mail.outbox == []


def test_the_database_refuses_a_second_message_of_the_same_occasion_and_a_foreign_address(town):
    user = town.user()
    outbox.notify(user, "甲", "乙", key="same")
    outbox.notify(user, "甲", "乙", key="same")
    assert told(user) == ["甲"]
    for change, name in (
        ({"key": "same"}, "message_once"),
        ({"url": "//evil.example"}, "message_opens_a_page_of_ours"),
        ({"url": "https://evil.example"}, "message_opens_a_page_of_ours"),
    ):
        fields = {"user": user, "key": "other", "subject": "甲", "text": "乙"} | change
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Message.objects.create(**fields)


# --- the page ----------------------------------------------------------------------------------------


def some(user, count, **fields):
    for number in range(count):
        outbox.notify(user, f"第 {number} 条", "内容", **fields)


def test_unread_first_then_newest_first_page_by_page(town):
    person = town.practitioner(at=town.employer())
    some(person.user, 120)
    first_ten = Message.objects.filter(user=person.user).order_by("pk")[:10]
    Message.objects.filter(pk__in=[one.pk for one in first_ten]).update(read_at=timezone.now())
    seen, place = [], ""
    for _ in range(3):
        page = messages.page_of(person.user, place)
        seen += page.rows
        place = page.older
    assert place == ""
    assert [one.subject for one in seen] == [f"第 {n} 条" for n in reversed(range(10, 120))] + [
        f"第 {n} 条" for n in reversed(range(10))
    ]
    # A place that was read meanwhile, and places of nobody or of nothing.
    first = messages.page_of(person.user)
    messages.mark_read(person.user, first.rows[-1])
    assert first.rows[-1].pk not in {one.pk for one in messages.page_of(person.user, first.older).rows}
    foreign = Message.objects.create(user=town.user(), key="x", subject="甲", text="乙")
    for place in (str(foreign.pk), "0", "9" * 30, "x", "٣", "-1"):
        assert messages.page_of(person.user, place).first
    client = town.login(person)
    text = client.get(PAGE).content.decode()
    assert "有 99 条以上未读" in text
    assert "更早的消息" in text
    assert client.get(f"{PAGE}?after=nonsense-'").status_code == 200


def test_counting_what_is_unread_is_one_query_and_ends_at_a_hundred(town, django_assert_num_queries):
    user = town.user()
    some(user, 105)
    with django_assert_num_queries(1):
        assert messages.unread_count(user) == 100


def test_opening_marks_as_read_and_leads_there(moving):
    town, person, old, _, application = moving
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    announce_all()
    client, said = town.login(person), last_told(person.user)
    assert "未读" in client.get(PAGE).content.decode()
    answer = client.post(f"{PAGE}{said.pk}/open/")
    assert answer.url == said.url
    said.refresh_from_db()
    assert said.read_at
    assert "没有新消息" in client.get(PAGE).content.decode()


def test_looking_changes_nothing(moving):
    town, person, old, _, application = moving
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    announce_all()
    client, said = town.login(person), last_told(person.user)
    for path in (f"{PAGE}{said.pk}/open/", f"{PAGE}{said.pk}/read/", f"{PAGE}read/"):
        assert client.get(path).status_code == 405
    client.get(PAGE)
    said.refresh_from_db()
    assert said.read_at is None


def test_one_and_all_marked_as_read(town):
    person = town.practitioner(at=town.employer())
    some(person.user, 3)
    client = town.login(person)
    client.post(f"{PAGE}{last_told(person.user).pk}/read/")
    assert messages.unread_count(person.user) == 2
    assert "2 条消息已标为已读" in client.post(f"{PAGE}read/", follow=True).content.decode()
    assert messages.unread_count(person.user) == 0


def test_a_message_of_another_role_opens_in_that_role(town):
    unit = town.employer()
    person = town.practitioner(at=unit)
    admin = town.admin(town.employer(name="另一单位"), person.user, is_super=False, duties=[Duty.HOURS])
    outbox.notify(person.user, "催办：学时申报", "内容", url="/inbox/", account=admin)
    client = town.login(person)
    text = client.get(PAGE).content.decode()
    assert f"切换为“{admin}”后查看" in text
    answer = client.post(f"{PAGE}{last_told(person.user).pk}/open/", follow=True)
    assert answer.status_code == 200
    assert answer.request["PATH_INFO"] == "/inbox/"
    assert answer.wsgi_request.actor.account == admin


def test_a_message_of_a_closed_role_is_read_but_not_opened(town):
    person = town.practitioner(at=town.employer())
    admin = town.admin(town.employer(), person.user, duties=[Duty.HOURS])
    outbox.notify(person.user, "甲", "乙", url="/inbox/", account=admin)
    admin.status = "closed"
    admin.save()
    client = town.login(person)
    assert f"{PAGE}{last_told(person.user).pk}/open/" not in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}{last_told(person.user).pk}/open/").status_code == 404


def test_a_foreign_message_is_a_missing_one(town):
    unit = town.employer()
    owner, stranger = town.practitioner(at=unit), town.practitioner(at=unit)
    some(owner.user, 1)
    client = town.login(stranger)
    for verb in ("open", "read"):
        foreign = client.post(f"{PAGE}{last_told(owner.user).pk}/{verb}/")
        assert foreign.status_code == client.post(f"{PAGE}99999999/{verb}/").status_code == 404
    assert "第 0 条" not in client.get(PAGE).content.decode()
    client.post(f"{PAGE}read/")
    assert messages.unread_count(owner.user) == 1
    assert Client().get(PAGE).url.startswith("/login/")


def test_a_page_without_messages_says_so(town):
    text = town.login(town.practitioner(at=town.employer())).get(PAGE).content.decode()
    assert "没有新消息" in text
    assert "还没有消息" in text


def test_what_the_mail_server_never_took_is_said(town):
    person = town.practitioner(at=town.employer())
    some(person.user, 1)
    Message.objects.update(mail_failed_at=timezone.now())
    assert "没能发到您的邮箱" in town.login(person).get(PAGE).content.decode()


# --- 催办 --------------------------------------------------------------------------------------------


def test_the_applicant_reminds_and_the_slip_says_so(moving):
    town, person, old, _, application = moving
    holder = town.admin(old, duties=[Duty.TRANSFERS])
    without = town.admin(old, duties=[Duty.HOURS])
    client = town.login(person)
    detail = f"/applications/{application.pk}/"
    assert "催办</button>" in client.get(detail).content.decode()
    text = client.post(f"{detail}remind/", follow=True).content.decode()
    assert f'已催办 <span class="nw">{timezone.localdate()}</span>' in text
    assert "催办</button>" not in text
    for account in (holder, town.super_admin(old)):
        assert told(account.user) == ["催办：单位调转"]
        assert last_told(account.user).account == account
    assert told(without.user) == told(person.user) == []
    assert Event.objects.filter(application=application).count() == 1
    postman.deliver()
    assert {letter.to[0] for letter in mail.outbox} == {holder.user.email, town.super_admin(old).user.email}
    assert person.user.name not in mail.outbox[0].body
    # The approver reads it too.
    assert "已催办" in town.login(holder).get(detail).content.decode()


def test_who_registers_reminds_before_the_login_with_the_password_alone(town):
    registering.load_lists()
    unit, number = town.employer(), registering.an_id_number()
    application = registering.register("practitioner", "staff", unit, id_number=number)
    progress, ask = "/register/progress/", {"receipt": "", "tail": ""}
    by_receipt, browser = Client(), Client()
    by_receipt.post(
        progress, {"id_number": number, "password": "", "receipt": application.receipt, "tail": "0000"}
    )
    assert "催办</button>" not in by_receipt.get(progress).content.decode()
    by_receipt.post(f"{progress}remind/", {"application": application.pk})
    assert not Reminder.objects.exists()
    browser.post(progress, {"id_number": number, "password": registering.PASSWORD, **ask})
    assert "催办</button>" in browser.get(progress).content.decode()
    for said in ("已催办", "今天已经催办过"):
        page = browser.post(f"{progress}remind/", {"application": application.pk}, follow=True)
        assert said in page.content.decode()
    assert told(town.super_admin(unit).user) == ["催办：专业技术人员注册"]


def test_once_a_day_and_again_the_next(moving):
    town, person, old, _, application = moving
    by = town.actor(person)
    reminders.remind(application, by=by)
    with pytest.raises(Refused, match="今天已经催办过"):
        reminders.remind(application, by=by)
    Reminder.objects.update(day=timezone.localdate() - datetime.timedelta(days=1))
    Message.objects.update(key="yesterday")
    reminders.remind(application, by=by)
    assert told(town.super_admin(old).user) == ["催办：单位调转"] * 2


def test_a_reminder_of_the_step_before_is_not_shown_at_the_next(moving):
    town, person, old, new, application = moving
    reminders.remind(application, by=town.actor(person))
    Reminder.objects.update(day=timezone.localdate() - datetime.timedelta(days=3))
    engine.approve(step_of(application, "原单位审核").pk, by=town.actor(old))
    text = town.login(person).get(f"/applications/{application.pk}/").content.decode()
    assert "已催办" not in text
    assert "催办</button>" in text
    reminders.remind(application, by=town.actor(person))
    assert told(town.super_admin(new).user) == ["催办：单位调转"]


def test_who_may_not_remind(moving):
    town, _, old, new, application = moving
    stranger = town.practitioner(at=old)
    with pytest.raises(PermissionDenied):
        reminders.remind(application, by=town.actor(stranger))
    assert town.login(stranger).post(f"/applications/{application.pk}/remind/").status_code == 404
    with pytest.raises(PermissionDenied):
        reminders.remind(application, by=town.actor(new))
    with pytest.raises(Refused, match="不用催办"):  # oneself
        reminders.remind(application, by=town.actor(old))
    assert not Reminder.objects.exists()


def test_what_is_closed_or_has_nobody_to_remind_says_so(moving):
    town, person, old, _, application = moving
    RoleAccount.objects.filter(pk=town.super_admin(old).pk).update(status=AccountStatus.SUSPENDED)
    with pytest.raises(Refused, match=old.phone):
        reminders.remind(application, by=town.actor(person))
    engine.withdraw(application.pk, by=town.actor(person))
    application.refresh_from_db()
    with pytest.raises(Refused, match="不用催办"):
        reminders.remind(application, by=town.actor(person))
    assert not Reminder.objects.exists()


def test_many_reminders_fill_the_page_but_not_the_mailbox(town, monkeypatch):
    monkeypatch.setattr(reminders, "MAILS_A_DAY", 2)
    old, new = town.employer(), town.employer()
    for _ in range(4):
        person = town.practitioner(at=old)
        reminders.remind(transfer(town, person, new), by=town.actor(person))
    postman.deliver()
    assert len(told(town.super_admin(old).user)) == 4
    assert len(mail.outbox) == 2


@pytest.mark.django_db(transaction=True)
def test_two_reminders_at_once_are_one_and_without_the_constraint_two(town, monkeypatch):
    old = town.employer()
    person = town.practitioner(at=old)
    application = transfer(town, person, town.employer())
    by = town.actor(person)

    def click():
        reminders.remind(application, by=by)

    assert at_once(click, click, click) == ["Refused", "Refused", "ok"]
    assert (Reminder.objects.count(), len(told(town.super_admin(old).user))) == (1, 1)

    # The control: look first, enter then, and no constraint behind it.
    Reminder.objects.all().delete()
    met = threading.Barrier(2)

    def look_then_enter(application, by, today):
        if Reminder.objects.filter(application=application, day=today).exists():
            raise Refused("今天已经催办过")
        met.wait(timeout=10)
        Reminder.objects.create(application=application, user=by.user, day=today)

    constraint = next(one for one in Reminder._meta.constraints if one.name == "reminder_once_a_day")
    monkeypatch.setattr(reminders, "_enter", look_then_enter)
    with connection.schema_editor() as editor:
        editor.remove_constraint(Reminder, constraint)
    try:
        assert at_once(click, click) == ["ok", "ok"]
        assert Reminder.objects.count() == 2
    finally:
        Reminder.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(Reminder, constraint)


def test_the_reminder_constraint_by_name(moving):
    _, person, _, _, application = moving
    row = {"application": application, "user": person.user, "day": timezone.localdate()}
    Reminder.objects.create(**row)
    with pytest.raises(IntegrityError, match="reminder_once_a_day"), transaction.atomic():
        Reminder.objects.create(**row)
