"""Fault drills of the website's processes and disk (trust.md 4.4): killed (F1), sent twenty times (F9), no room for
files (F5), hostile files where memory is short (F11).

F3, kill -9 in a batch of certificates: test_certificates_worker.py. F8, a dead and a slow mail server:
test_messages_worker.py. F11, hostile spreadsheets in 200 MB: test_intake_reading.py.
"""

import html
import os
import re
import resource
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from credits.models import Declaration
from tests import faults, test_attachments
from tests.declaring import CHECK, DECLARE, activities_of, proof, usual
from tests.faults import Click, Traffic, fill, small_disk, until
from tests.test_attachments import pdf, picture
from tests.tiers import times
from workflow.models import Application, Attachment, Event, Step

stage = faults.stage


# --- F1: kill -9 of a process of the website ----------------------------------------------------------


def last_step(stage):
    """(person, step): the last signature under a transfer, after which the person moves."""
    with stage.inside():
        [person] = stage.people(1)
        application = stage.filed(person)
        faults.engine.approve(stage.step_of(application), by=stage.town.actor(stage.old))
        return person, stage.step_of(application, 2)


def signed(stage, step: int) -> tuple[str, int, bool]:
    """(state of the step, entries in the log, whether the person has moved)."""
    with stage.inside():
        one = Step.objects.select_related("application__practitioner").get(pk=step)
        return (
            one.state,
            Event.objects.filter(step=step, verb="approve").count(),
            one.application.practitioner.employer_id == stage.new.pk,
        )


def test_killed_in_the_middle_of_an_approval_leaves_nothing_of_it(stage):
    """The signature is written, the effect waits for the person's row: then the process is gone."""
    person, step = last_step(stage)
    reviewer, form = stage.browser(stage.new), (f"/steps/{step}/approve/", {"comment": "同意"})
    with stage.drill() as ledger:
        with stage.server.connect("cpe") as holder:
            holder.execute("SELECT 1 FROM orgs_practitioner WHERE id = %s FOR UPDATE", [person.pk])
            click = Click(reviewer, form[0], **form[1])
            until(stage.server.waiting)
            os.kill(stage.process_of(click.browser), signal.SIGKILL)
            assert click.came_to().status == faults.NEVER_ANSWERED
        until(lambda: not stage.server.waiting())
        assert signed(stage, step) == ("open", 0, False)
        assert reviewer.post(form[0], **form[1]).to == "/inbox/"
        ledger.note("approve", step)
        assert signed(stage, step) == ("approved", 1, True)


def test_killed_after_an_approval_before_its_answer_leaves_all_of_it(stage):
    """It is committed; the way to the next matter waits for a table that is locked: then the process is gone."""
    person, step = last_step(stage)
    reviewer, form = stage.browser(stage.new), (f"/steps/{step}/approve/", {"comment": "同意", "next": "1"})
    with stage.drill() as ledger, stage.server.connect("cpe") as table, stage.server.connect("cpe") as holder:
        holder.execute("SELECT 1 FROM orgs_practitioner WHERE id = %s FOR UPDATE", [person.pk])
        click = Click(reviewer, form[0], **form[1])
        until(stage.server.waiting)
        lock = "LOCK TABLE workflow_step IN ACCESS EXCLUSIVE MODE"
        waiting = threading.Thread(target=lambda: table.execute(lock), daemon=True)
        waiting.start()
        until(lambda: stage.server.wanted_alone("workflow_step"))
        holder.rollback()  # the approval goes on, and commits before the table is given away
        waiting.join(30)
        until(stage.server.waiting)
        os.kill(stage.process_of(click.browser), signal.SIGKILL)
        assert click.came_to().status == faults.NEVER_ANSWERED
        table.rollback()
        assert signed(stage, step) == ("approved", 1, True)
        ledger.note("approve", step)
        again = reviewer.post(form[0], **form[1])
        assert again.status == 409
        assert "通过了这件申请，您不用再处理" in again.text
        assert signed(stage, step) == ("approved", 1, True)


def test_killed_at_any_moment_while_people_work(stage):
    for _ in range(times(1, 8)):
        with stage.drill() as ledger, Traffic(stage, ledger) as traffic:
            for pid in stage.processes():  # one after the other, then both are new
                os.kill(pid, signal.SIGKILL)
                traffic.well_again(faults.time.monotonic())
        assert set(traffic.statuses()) <= {302, 409, faults.NEVER_ANSWERED}


# --- F9: the same form twenty times -------------------------------------------------------------------


def twenty(browser, path: str, **fields) -> list:
    with ThreadPoolExecutor(20) as pool:
        answers = [pool.submit(browser.copy().post, path, **fields) for _ in range(20)]
        return [one.result() for one in answers]


def statuses(answers) -> dict[int, int]:
    return dict(faults.Counter(one.status for one in answers))


def test_a_transfer_sent_twenty_times_signed_twenty_times_and_withdrawn_twenty_times(stage):
    for _ in range(times(1, 8)):
        with stage.inside():
            [person] = stage.people(1)
        browser, reviewer = stage.browser(person), stage.browser(stage.old)
        form = {"new_unit": stage.new.name, "reason": "家庭原因", "chosen": stage.new.pk, "do": "submit"}
        with stage.drill() as ledger:
            assert statuses(twenty(browser, "/moves/unit/", **form)) == {302: 1, 409: 19}
            with stage.inside():
                application = Application.objects.get(practitioner=person).pk
                step = stage.step_of(application)
            ledger.note("submit", application)
            assert statuses(twenty(reviewer, f"/steps/{step}/approve/", comment="")) == {302: 1, 409: 19}
            ledger.note("approve", step)
            assert statuses(twenty(browser, f"/applications/{application}/withdraw/")) == {302: 20}
            ledger.note("withdraw", application)
            with stage.inside():
                assert Application.objects.get(practitioner=person).state == "withdrawn"


def declaring(stage, **changed):
    """(browser, the form's fields): a declaration that only needs to be sent."""
    with stage.inside():
        [person] = stage.people(1)
        activity = next(iter(activities_of(person).values()))
    browser = stage.browser(person)
    return person, browser, usual(activity, **changed)


def answers_of(page) -> dict:
    """What the check page's form sends, as a browser reads it."""
    inputs = re.findall(r'<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?', page.text)
    return {name: html.unescape(value) for name, value in inputs if name != "csrfmiddlewaretoken"}


def test_a_declaration_with_its_file_sent_twenty_times_is_one(stage):
    for _ in range(times(1, 8)):
        person, browser, fields = declaring(stage)
        with stage.drill() as ledger:
            assert browser.post(DECLARE, **fields).to == CHECK
            answers = twenty(browser, CHECK, **answers_of(browser.get(CHECK)))
            assert set(statuses(answers)) == {302}
            led_to = [one.to for one in answers if "/done/" in one.to]
            with stage.inside():
                one = Declaration.objects.get(practitioner=person)
                assert one.application.attachments.count() == 1
            assert led_to == [f"/hours/declare/done/{one.pk}/"]
            ledger.note("submit", one.pk)


# --- F5: no room for files ----------------------------------------------------------------------------


def stored(stage) -> tuple[int, int]:
    """(rows of files, files)."""
    with stage.inside():
        return Attachment.objects.count(), sum(one.is_file() for one in (stage.data / "files").rglob("*"))


def test_a_full_disk_keeps_the_text_and_leaves_neither_row_nor_half_a_file(stage):
    folder = stage.data / "files"
    with small_disk(folder, times(4, 50)) as mounted:
        if not mounted:
            pytest.skip("!!! no file system may be mounted here: a full disk for uploads (F5) is not tried")
        for _ in range(times(1, 8)):
            _, browser, fields = declaring(stage, title="测试活动：满盘也不丢的文字")
            content = pdf() + b"%" + b"x" * 2_000_000 + b"\n%%EOF\n"
            with stage.drill() as ledger:
                before = stored(stage)
                filler = fill(folder)
                with filler.open("r+b") as file:  # room for half of it
                    file.truncate(file.seek(0, 2) - 1_000_000)
                answer = browser.post(DECLARE, **fields | {"files": [proof(content=content)]})
                assert answer.status == 200, answer.status
                assert "测试活动：满盘也不丢的文字" in answer.text
                assert "这次没有保存成功：平台的存储空间暂时不足" in answer.text
                filler.unlink()
                assert stored(stage) == before
                assert browser.post(DECLARE, **fields | {"files": [proof(content=content)]}).to == CHECK
                answer = browser.post(CHECK, **answers_of(browser.get(CHECK)))
                number = int(re.fullmatch(r"/hours/declare/done/(\d+)/", answer.to)[1])
                ledger.note("submit", number)
                with stage.inside():
                    assert Attachment.objects.get(application=number).size == len(content)


# --- F11: hostile files where memory is short ----------------------------------------------------------

MEMORY = 256 * 1024 * 1024


def taken(pid: int) -> int:
    """The memory that a process may write to, in bytes: what RLIMIT_DATA limits."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmData:\s+(\d+) kB", status, re.M)[1]) * 1024


def test_hostile_files_are_refused_and_the_processes_live_on(stage):
    """Each process may take 256 MB more than it has; four at once send what is hostile."""
    _, browser, fields = declaring(stage)
    files = [(name, content) for name, content, _ in test_attachments.REFUSED.values()]
    large = picture("PNG", (8_000, 4_999))  # unpacks to 120 MB: that much is allowed
    before = stage.processes()
    with stage.drill():
        try:
            for pid in before:
                resource.prlimit(pid, resource.RLIMIT_DATA, (taken(pid) + MEMORY, resource.RLIM_INFINITY))
            with ThreadPoolExecutor(4) as pool:

                def send(name, content):
                    one = SimpleUploadedFile(name, content)
                    return pool.submit(browser.copy().post, DECLARE, **fields | {"files": [one]})

                hostile = [send(*one) for one in files * times(1, 10)]
                assert statuses(one.result() for one in hostile) == {200: len(hostile)}
                for _ in range(times(2, 10)):  # there is room for one of these, or that is said
                    answer = send("a.png", large).result()
                    assert answer.status == 302 or (answer.status == 200 and "展开后太大" in answer.text)
            assert stage.processes() == before
            assert {browser.get("/hours/").status for _ in range(20)} == {200}
        finally:
            for pid in stage.processes():
                os.kill(pid, signal.SIGTERM)  # what was short of memory is not used for other drills
            until(lambda: len(stage.processes()) == 2 and not set(stage.processes()) & set(before))
