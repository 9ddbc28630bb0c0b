"""The life of applications, as chance leads it (trust.md 4.5): anybody tries anything, at any time.

A state machine lets eight people submit, edit and submit again, approve, reject, withdraw, move, swap the super admin,
suspend, dismiss and leave, through the engine or through the pages, rightly and wrongly. Whatever they try is done or
refused with a sentence, a 403 or a 404; nothing else may come of it. After each step the invariants of applications
hold, and at the end of each life all invariants do. A life is one savepoint of a real PostgreSQL.
"""

import datetime
from collections import Counter

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.consistency import all_invariants
from accounts.models import AccountStatus, RoleAccount
from accounts.refused import Refused
from credits import revoking
from credits.models import Declaration, LedgerEntry
from orgs import appointment, granting, succession
from orgs.actor import actor_of
from orgs.models import AdminRole, Duty, OrgAdmin, Practitioner, Status, SuperSwap, TitleSeries
from registration import leaving
from registration.models import Departure, IdentityCorrection, TitleChange
from tests.registering import load_lists
from tests.test_credits import declaration
from tests.tiers import LONG, figure, times
from tests.town import PASSWORD, Town
from transfers import releasing
from transfers.models import SuperiorChange, UnitTransfer
from workflow import bulk, engine
from workflow.models import Application, Event, State, Step

pytestmark = pytest.mark.django_db

LIVES, STEPS = times(16, 60), times(30, 50)
EACH_STEP = ("I3", "I7", "I8", "I9", "I22")

who = st.sampled_from(["ann", "bob", "sam", "lim", "pair", "ben", "head", "bureau", "stranger", "operator"])
person = st.sampled_from(["ann", "bob"])
number = st.integers(0, 3)  # an application, counted from the newest
by_page = st.sampled_from([False, False, False, True])  # the engine alone is quicker


class Life(RuleBasedStateMachine):
    """`ann` is employed at a unit and one of its admins; `bob` is employed there; `sam` is its super admin, `lim` may
    decide registrations alone, `pair` everything; `ben` heads the unit that people move to, `head` the authority."""

    counted = None
    reached: Counter = Counter()
    pending, states, offered, log = frozenset(), frozenset(), False, ()

    @initialize()
    def begin(self):
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        town = Town()
        self.head, self.bureau = town.authority(), town.bureau
        self.old, self.new = town.employer(under=self.head), town.employer(under=self.head)
        ann = town.practitioner(at=self.old)
        self.people = {"ann": ann, "bob": town.practitioner(at=self.old)}
        self.accounts = {
            "bob": self.people["bob"].account,
            "sam": town.super_admin(self.old),
            "lim": town.admin(self.old, duties=[Duty.REGISTRATIONS]),
            "pair": town.admin(self.old, duties=list(Duty)),
            "ben": town.super_admin(self.new),
            "head": town.super_admin(self.head),
            "bureau": town.super_admin(self.bureau),
            "stranger": town.super_admin(town.bureau_under(town.platform)),
            "operator": town.operator(),
        }
        self.admin_ann = town.admin(self.old, ann.user, duties=list(Duty))
        self.town, self.browsers, self.closed, self.log = town, {}, {}, []

    def teardown(self):
        try:
            if hasattr(self, "savepoint"):
                wrong = [
                    f"{one.name} {one.sentence}: {found.shown}"
                    for one, found in ((one, one.look(None)) for one in all_invariants())
                    if found.total
                ]
                assert not wrong, "\n".join(wrong)
                self.reached.update(Application.objects.values_list("kind", "state"))
                self.reached.update(
                    ("swap", state) for state in SuperSwap.objects.values_list("state", flat=True)
                )
                self.reached.update(
                    ("departure", way) for way in Departure.objects.values_list("way", flat=True)
                )
                self.reached.update(
                    ("ledger", verb) for verb in LedgerEntry.objects.values_list("verb", flat=True)
                )
        finally:
            if hasattr(self, "savepoint"):
                transaction.set_rollback(True)
                self.savepoint.__exit__(None, None, None)

    # --- who acts, and how ------------------------------------------------------------------------------

    def account(self, name: str, practising: bool = False) -> RoleAccount:
        """Ann has two roles: she files as one and decides as the other."""
        if name == "ann":
            return self.people["ann"].account if practising else self.admin_ann
        return self.accounts[name]

    def actor(self, name: str, practising: bool = False):
        """As a request would find this person now; None who would not be let in."""
        account = RoleAccount.objects.get(pk=self.account(name, practising).pk)
        now = actor_of(account)
        inside = account.status == AccountStatus.ACTIVE and bool(now)
        subject = now.organization or now.practitioner
        return now if inside and subject.status == Status.ACTIVE else None

    def tried(self, act, *args, **kwargs) -> bool:
        """Whether it was done. Refusals are as good; anything else is a failure of this test."""
        self.counted.tried += 1
        try:
            with transaction.atomic():
                act(*args, **kwargs)
        except PermissionDenied:
            return False
        except Refused as refusal:
            sentence = str(refusal)
        else:
            return True
        assert sentence.endswith("。"), sentence
        return False

    def posted(self, name: str, url: str, practising: bool = False, **data) -> int:
        """The status of the answer; who was put out logs in again, as long as the login lets them."""
        self.counted.tried += 1
        account = self.account(name, practising)
        client = self.browsers.get(account.pk)
        if client is None or client.get("/messages/").status_code == 302:
            if self.actor(name, practising) is None:
                return 0
            client = self.browsers[account.pk] = self.town.login(account)
        answer = client.post(url, data)
        assert answer.status_code in (200, 302, 400, 403, 404, 409, 422), answer.status_code
        return answer.status_code

    def application(self, number: int) -> Application | None:
        found = Application.objects.order_by("-pk")[: number + 1]
        return found[len(found) - 1] if found else None

    # --- what is filed ------------------------------------------------------------------------------------

    @rule(
        kind=st.sampled_from(
            [
                "declares",
                "changes_the_title",
                "corrects_the_name",
                "moves",
                "moves",
                "releases",
                "hangs_elsewhere",
            ]
        ),
        whose=person,
        by=st.none() | who,
        choice=st.integers(0, 3),
        page=by_page,
    )
    def files(self, kind, whose, by, choice, page):
        """One rule for all kinds: chance leaves out whole rules of a life, and then nothing would happen in many."""
        getattr(self, kind)(whose, by or whose, choice, page)

    def declares(self, whose, by, choice, page):
        hours, again = ("6", "0.5", "20", "8")[choice], choice
        subject = Practitioner.objects.select_related("user", "employer").get(pk=self.people[whose].pk)
        actor = self.actor(by if by != whose else whose, practising=by in self.people)
        earlier = self.application(again)
        if actor is None:
            return
        payload = declaration(subject, hours, title=f"测试论坛 {Application.objects.count()}")
        closed = (
            earlier
            if earlier and earlier.kind == "hours-declaration" and earlier.state in ("rejected", "withdrawn")
            else None
        )
        if self.tried(engine.submit, "hours-declaration", payload, by=actor, again_of=closed):
            assert actor.speaks_for(subject), "filed for somebody else"

    def changes_the_title(self, whose, by, choice, page):
        title = ("工程师", "高级工程师", "", "讲师")[choice]
        subject = Practitioner.objects.get(pk=self.people[whose].pk)
        actor = self.actor(whose, practising=True)
        day = datetime.date(2023, 6, 30) if title else None
        series = TitleSeries.objects.get(pk="05") if title else None
        new = {
            "title_series": series,
            "title_level": "middle" if title else "",
            "title": title,
            "title_mode": "examination" if title else "",
            "title_awarded_on": day,
        }
        if actor:
            self.tried(engine.submit, "title-change", TitleChange.of(subject, new), by=actor)

    def corrects_the_name(self, whose, by, choice, page):
        actor, new = self.actor(by, practising=by in self.people), ("测试新名", "测试另名")[choice % 2]
        if actor:
            payload = IdentityCorrection(
                user=actor.user,
                practitioner=actor.practitioner,
                organization=actor.organization,
                new_name=new,
                reason="写错",
            )
            self.tried(engine.submit, "identity-correction", payload, by=actor)

    def moves(self, whose, by, choice, page):
        subject = Practitioner.objects.select_related("employer").get(pk=self.people[whose].pk)
        goal = self.old if choice == 3 else self.new
        if page:
            self.posted(
                whose,
                "/moves/unit/",
                True,
                new_employer=goal.pk,
                new_unit=goal.name,
                reason="测试",
                do="submit",
            )
            return
        actor = self.actor(whose, practising=True)
        if actor:
            payload = UnitTransfer(
                practitioner=subject, old_employer=subject.employer, new_employer=goal, reason="测试"
            )
            self.tried(engine.submit, "unit-transfer", payload, by=actor)

    def releases(self, whose, by, choice, page):
        actor = self.actor("sam" if by in self.people else by)
        if actor and actor.organization and actor.organization.kind == "employer":
            goal = self.new if actor.organization == self.old else self.old
            people = {one.pk for one in self.people.values()}
            release = releasing.begin(f"{choice}" * 32, people, goal, "测试", by=actor)
            self.tried(releasing.carry_out, release, by=actor)

    def hangs_elsewhere(self, whose, by, choice, page):
        actor = self.actor(("sam", "ben", "pair", "head")[choice])
        if actor:
            goal = self.bureau if actor.organization.superior == self.head else self.head
            payload = SuperiorChange(
                organization=actor.organization,
                old_superior=actor.organization.superior,
                new_superior=goal,
                reason="测试",
            )
            self.tried(engine.submit, "superior-change", payload, by=actor)

    # --- what is decided ----------------------------------------------------------------------------------

    @precondition(lambda self: self.pending)
    @rule(
        which=number,
        by=who,
        approve=st.sampled_from([True, True, False]),
        page=by_page,
        place=st.integers(0, 2),
    )
    def decides(self, which, by, approve, page, place):
        application = self.application(which)
        steps = list(application.steps.all()) if application else []
        if not steps:
            return
        step = steps[place % len(steps)]
        if page:
            self.posted(
                by, f"/steps/{step.pk}/{'approve' if approve else 'reject'}/", reason="其他", comment="测试"
            )
            return
        actor = self.actor(by)
        if actor is None:
            return
        verb = engine.approve if approve else engine.reject
        done = self.tried(verb, step.pk, by=actor, comment="测试理由")
        if done:
            assert actor.organization.pk == step.approver_id
            assert actor.can(application.duty)
            assert application.person_id != actor.user.pk
            assert (application.state, step.state) == ("pending", "open")

    @precondition(lambda self: self.pending)
    @rule(
        which=number,
        page=by_page,
        approve=st.sampled_from([True, True, True, False]),
        steps=st.sampled_from([4, 4, 1]),
    )
    def is_decided_by_who_should(self, which, page, approve, steps):
        """Most lives would never come to an end by chance alone."""
        pk = sorted(self.pending)[which % len(self.pending)]
        for _ in range(steps):
            step = Step.objects.filter(application=pk, state="open").select_related("approver").first()
            if step is None:
                return
            for name in ("sam", "pair", "ann", "ben", "head", "bureau", "operator"):
                actor = self.actor(name)
                if actor and actor.organization == step.approver and actor.can(step.duty):
                    if page:
                        self.posted(
                            name,
                            f"/steps/{step.pk}/{'approve' if approve else 'reject'}/",
                            reason="其他",
                            comment="测试",
                        )
                    else:
                        self.tried(
                            engine.approve if approve else engine.reject, step.pk, by=actor, comment="测试"
                        )

    @precondition(lambda self: self.pending)
    @rule(by=who, approve=st.booleans(), count=st.integers(1, 4))
    def decides_many(self, by, approve, count):
        actor = self.actor(by)
        steps = list(
            Step.objects.filter(application__kind="hours-declaration")
            .order_by("-pk")
            .values_list("pk", flat=True)[:count]
        )
        if actor and actor.organization and steps:
            self.tried(bulk.approve_all if approve else bulk.reject_all, steps, by=actor, comment="测试")

    @precondition(lambda self: self.pending)
    @rule(which=number, by=who, page=by_page, practising=st.booleans())
    def withdraws(self, which, by, page, practising):
        application = self.application(which)
        if application is None:
            return
        practising = practising and by == "ann"
        if page:
            self.posted(by, f"/applications/{application.pk}/withdraw/", practising)
            return
        actor = self.actor(by, practising)
        if actor and self.tried(engine.withdraw, application.pk, by=actor):
            assert application.state == State.PENDING

    @precondition(lambda self: ("hours-declaration", "approved") in self.states)
    @rule(which=number, by=st.sampled_from(["sam", "pair", "head", "bureau", "stranger", "ann"]))
    def takes_hours_back(self, which, by):
        found, actor = Declaration.objects.order_by("-pk")[which : which + 1].first(), self.actor(by)
        if found and actor and actor.organization and revoking.granted(found):
            self.tried(revoking.take_back, found, by=actor, reason="测试")

    # --- who may ------------------------------------------------------------------------------------------

    @rule(
        by=st.sampled_from(["sam", "sam", "pair", "lim", "stranger"]),
        whom=st.sampled_from(["pair", "lim", "ann"]),
        page=by_page,
        act=st.sampled_from(["offer", "offer", "suspend", "restore", "narrow"]),
    )
    def manages(self, by, whom, act, page):
        if act == "offer":
            self.offers_the_unit(by, whom, page)
        else:
            self.changes_rights(by, whom, act)

    def offers_the_unit(self, by, to, page):
        admin = OrgAdmin.objects.filter(account=self.account(to)).first()
        if admin is None:
            return
        if page:
            self.posted(by, "/organization/succession/", successor=admin.pk, password=PASSWORD)
        elif actor := self.actor(by):
            self.tried(succession.offer, admin.pk, by=actor)

    @precondition(lambda self: self.offered)
    @rule(
        by=st.sampled_from(["pair", "lim", "ann", "sam"]),
        answer=st.sampled_from([succession.accept, succession.accept, succession.decline]),
    )
    def answers_the_offer(self, by, answer):
        swap, actor = SuperSwap.objects.order_by("-pk").first(), self.actor(by)
        if swap and actor:
            self.tried(answer, swap.pk, by=actor)

    def changes_rights(self, by, whom, act):
        admin, actor = OrgAdmin.objects.filter(account=self.account(whom)).first(), self.actor(by)
        if admin is None or actor is None:
            return
        if act == "narrow":
            role = AdminRole.objects.filter(name="学时审核员")[0]
            self.tried(granting.assign, admin.pk, role.pk, by=actor)
        else:
            self.tried(getattr(appointment, act), admin.pk, by=actor)

    @precondition(lambda self: len(self.log) > 5)
    @rule(whose=person, by=st.sampled_from(["sam", "pair", "ben", "lim", "ann"]))
    def is_dismissed(self, whose, by):
        actor = self.actor(by)
        if actor:
            self.tried(leaving.dismiss, Practitioner.objects.get(pk=self.people[whose].pk), "离职", by=actor)

    @precondition(lambda self: len(self.log) > 8)
    @rule(name=st.sampled_from(["bob", "ann", "lim", "sam"]), page=by_page)
    def leaves(self, name, page):
        if page:
            self.posted(name, "/my/leaving/", name in self.people, current_password=PASSWORD)
        elif actor := self.actor(name, name in self.people):
            self.tried(leaving.close_account, actor.user)

    # --- what must hold -----------------------------------------------------------------------------------

    @invariant()
    def what_is_closed_stays_closed_and_the_log_only_grows(self):
        if not hasattr(self, "closed"):
            return
        rows = list(Application.objects.values_list("pk", "kind", "state"))
        closed = {pk: state for pk, _, state in rows if state != State.PENDING}
        assert self.closed.items() <= closed.items()
        log = list(Event.objects.order_by("pk").values_list("pk", "verb", "user_id", "comment"))
        assert log[: len(self.log)] == self.log
        self.closed, self.log = closed, log
        self.pending = {pk for pk, _, state in rows if state == State.PENDING}
        self.states = {(kind, state) for _, kind, state in rows}
        self.offered = SuperSwap.objects.pending().exists()

    @invariant()
    def applications_are_consistent(self):
        if not hasattr(self, "closed"):
            return
        for one in all_invariants():
            if one.name in EACH_STEP:
                found = one.look(None)
                assert not found.total, f"{one.name} {one.sentence}: {found.shown}"


def test_lives(db):
    """`CPE_TIER=long` lets chance roll anew each time; otherwise every run lives the same lives."""
    call_command("load_hours", verbosity=0)
    load_lists()
    granting.load_ready_made()
    chosen = settings(
        max_examples=LIVES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )
    with figure("fuzz_life") as counted:
        Life.counted, Life.reached = counted, Counter()
        run_state_machine_as_test(Life, settings=chosen)
    # Lives that only knock at closed doors would prove nothing.
    assert counted.tried > 10 * LIVES
    approved = {kind for kind, state in Life.reached if state == "approved"}
    assert {"hours-declaration", "unit-transfer", "title-change", "identity-correction"} <= approved
    assert {("swap", "accepted"), ("ledger", "granted")} <= set(Life.reached)
    assert {what for what, _ in Life.reached} >= {"departure"}
