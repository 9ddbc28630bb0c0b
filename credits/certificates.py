"""继续教育电子证书 (F-111): issued once per person and completed year, numbered without gaps, never changed.

What became of one since is its last event. VALID → CHANGED in the transaction that takes hours back; VALID or CHANGED
→ REPLACED by a new one (换发), or REVOKED by a bureau; the last two are ends. At most one is VALID per person and year.
A corrected name or ID number changes no certificate: it says what was so on its day; a new one may be had for it.

Locks: the admin's right, then the people by id, then the numbers of (year, division); nothing is locked after those.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import Message, User
from accounts.outbox import message, notify_all
from accounts.refused import Refused
from credits.hours_field import ZERO, as_hours, subtracted
from credits.models import Certificate, CertificateEvent, CertificateState, Standing
from credits.paper.content import Content, ContentRefused, canonical, new_code, numbered, restored, stored
from credits.paper.signing import sign
from credits.snapshot import Rulebook, is_complete, says_the_same
from credits.years import today
from orgs.actor import Actor, hold_right
from orgs.models import Duty, Kind, Practitioner, Status
from workflow.wording import hours as shown
from workflow.wording import shown_date

NUMBERS = 722262  # the class of the advisory locks; orgs.tree and credits.tallies have their own keys
OPEN = (CertificateState.VALID, CertificateState.CHANGED)


@dataclass
class Issued:
    """What came of issuing to many: the new certificates, and why somebody got none (practitioner id → sentence)."""

    certificates: list[Certificate] = field(default_factory=list)
    left: dict[int, str] = field(default_factory=dict)


def current(person: Practitioner, year: int) -> Certificate | None:
    """The newest certificate of the person's year, with its state; None when there never was one. One query."""
    return Certificate.objects.filter(practitioner=person, year=year).with_state().order_by("-pk").first()


def state_of(certificate: Certificate) -> str:
    """Where it stands now: a CertificateState. One query."""
    return certificate.events.order_by("-pk").values_list("state", flat=True).first()


def may_issue_to(by: Actor, person: Practitioner) -> bool:
    """The person themselves; a bureau above them that answers for hours."""
    if by.practitioner is not None:
        return by.practitioner.pk == person.pk
    return is_office(by) and by.sees(person)


def is_office(by: Actor) -> bool:
    """Whether this admin issues and revokes: of a bureau, with the duty for hours."""
    return by.organization is not None and by.organization.kind == Kind.BUREAU and by.can(Duty.HOURS)


def may_be_replaced(certificate: Certificate, person: Practitioner) -> bool:
    """Whether a new one may be had in its place: the year is complete, and it tells what is not so any more.

    `certificate` has its state. Three queries.
    """
    if certificate.state not in OPEN:
        return False
    book = Rulebook([person], certificate.year)
    if not is_complete(book.year_of(person)):
        return False
    return certificate.state == CertificateState.CHANGED or not says_the_same(
        restored(certificate.content), book.content_of(person, certificate.number, today())
    )


@transaction.atomic
def issue(person: Practitioner, year: int, *, by: Actor) -> Certificate:
    """The certificate of a completed year: the valid one when there is one already, else a new one.

    One whose hours changed is replaced. One that was revoked only another bureau admin than the person issues anew.
    Raises PermissionDenied, or Refused with the sentence that says what is missing.
    """
    return _issue(person, year, by, anew=False)


@transaction.atomic
def replace(certificate: Certificate, *, by: Actor) -> Certificate:
    """换发: a new certificate in the place of one that no longer says what is so (hours, name, ID number).

    Raises PermissionDenied or Refused as `issue` does, and Refused when nothing would change.
    """
    found = _issue(certificate.practitioner, certificate.year, by, anew=True)
    if found.pk == certificate.pk:
        raise Refused("证书内容没有变化，不用换发。")
    return found


@transaction.atomic
def issue_many(practitioner_ids: Iterable[int], year: int, *, by: User, under: str = "/") -> Issued:
    """Issue to everybody of these who completed the year and has no valid certificate: 签发 by batch.

    Only to who is below the path `under` once locked. Whoever has a valid certificate or one that was revoked is
    passed over. About ten statements, however many people.
    """
    people = {pk: one for pk, one in _locked(practitioner_ids).items() if one.path.startswith(under)}
    last = _last(people, year)
    wanted = {
        pk: one for pk, one in people.items() if pk not in last or last[pk].state == CertificateState.CHANGED
    }
    return _give(wanted, last, year, by)


@transaction.atomic
def revoke(certificate: Certificate, *, by: Actor, reason: str) -> None:
    """撤销 by a bureau above the person, with a reason that the person reads. The number is not used again.

    Raises PermissionDenied; Refused without a reason, in one's own matter, and when it is not in force any more.
    """
    hold_right(by)
    person = _locked([certificate.practitioner_id])[certificate.practitioner_id]
    if not (is_office(by) and by.sees(person)):
        raise PermissionDenied
    if by.user.pk == person.user_id:
        raise Refused("这是您本人的证书，请由其他管理员撤销。")
    if not reason.strip():
        raise Refused("请填写撤销理由。")
    if state_of(certificate) not in OPEN:
        raise Refused("这张证书已经不在有效状态，不用撤销。")
    _record([(certificate, CertificateState.REVOKED, reason.strip())], by.user)
    _tell([(person, certificate, "已撤销", f"理由：{reason.strip()}")])


def hours_changed(practitioner_ids: Iterable[int], year: int) -> int:
    """Hours of this year were taken back: certificates that no longer say what is so become CHANGED.

    Called by the ledger in the transaction of the reversal, under the people's locks, after their standings were
    written. Returns how many. One query where nobody has a valid certificate.
    """
    valid = list(
        Certificate.objects.filter(practitioner__in=list(practitioner_ids), year=year)
        .in_state(CertificateState.VALID)
        .select_related("practitioner__user", "practitioner__account")
    )
    if not valid:
        return 0
    standings = Standing.objects.filter(practitioner__in=[one.practitioner_id for one in valid], year=year)
    now = {one.practitioner_id: one.hours for one in standings}
    changed = []
    for one in valid:
        before, after = as_hours(one.measured["hours"]), now.get(one.practitioner_id, {})
        if any(subtracted(before, after).values()) or any(subtracted(after, before).values()):
            total = sum(before.values(), ZERO), sum(after.values(), ZERO)
            words = f"证书所载 {shown(total[0])} 学时，{shown_date(today())} 变为 {shown(total[1])} 学时。"
            changed.append((one, CertificateState.CHANGED, words))
    _record(changed, None)
    _tell([(one.practitioner, one, "学时已变更", words) for one, _, words in changed])
    return len(changed)


# --- issuing ------------------------------------------------------------------------------------------------


def _issue(person: Practitioner, year: int, by: Actor, anew: bool) -> Certificate:
    hold_right(by)
    people = _locked([person.pk])
    person = people[person.pk]
    if not may_issue_to(by, person):
        raise PermissionDenied
    last = _last(people, year)
    found = last.get(person.pk)
    state = found.state if found else ""
    if state == CertificateState.VALID and not (anew and may_be_replaced(found, person)):
        return found
    if state == CertificateState.REVOKED:
        _check_after_revocation(found, person, by)
    outcome = _give(people, last, year, by.user, by_mail=by.practitioner is None)
    if not outcome.certificates:
        raise Refused(outcome.left[person.pk])
    return outcome.certificates[0]


def _check_after_revocation(found: Certificate, person: Practitioner, by: Actor) -> None:
    if by.practitioner is not None:
        raise Refused(f"{found.year} 年度的证书已被撤销（{found.reason}），需要重新签发请联系当地人社部门。")
    if by.user.pk == person.user_id:
        raise Refused("这是您本人的证书，请由其他管理员签发。")


def _give(people: dict[int, Practitioner], last: dict, year: int, by: User, by_mail: bool = False) -> Issued:
    """To everybody of these who completed the year, whatever they had before; all of them are locked."""
    outcome, book, ready = Issued(), Rulebook(people.values(), year), {}
    for pk, person in people.items():
        standing = book.year_of(person)
        if person.status != Status.ACTIVE:
            outcome.left[pk] = "不是在册人员，不能签发证书。"
        elif not standing.is_asked:
            outcome.left[pk] = f"{year} 年度没有学时要求，不签发证书。"
        elif not is_complete(standing):
            outcome.left[pk] = f"{year} 年度还差 {shown(standing.missing)} 学时，完成后才能签发证书。"
        else:
            try:
                content = book.content_of(person, "-", today())
            except ContentRefused:
                outcome.left[pk] = "姓名、单位名称或规则依据太长，一张证书写不下，请联系技术支持。"
            else:
                ready.setdefault(book.issuer_of(person).division, []).append((person, content))
    # In one order, so that two who issue in several divisions never wait for each other.
    for division in sorted(ready, key=lambda one: _key(year, one)):
        first = _next_serial(year, division)
        for serial, (person, content) in enumerate(ready[division], start=first):
            outcome.certificates.append(_written(book, person, content, division, serial, by))
    _save(outcome.certificates, people, last, by, by_mail)
    return outcome


def _written(
    book: Rulebook, person: Practitioner, content: Content, division: str, serial: int, by: User
) -> Certificate:
    number = numbered(book.year, division, serial)
    content = dataclasses.replace(content, number=number)
    signature = sign(canonical(content))
    return Certificate(
        number=number,
        year=book.year,
        division=division,
        serial=serial,
        practitioner=person,
        organization=book.issuer_of(person).organization,
        content=stored(content),
        measured=book.measured(person),
        code=new_code(),
        key_id=signature.key_id,
        signature=signature.value,
        issued_by=by,
        issued_at=timezone.now(),
    )


def _save(certificates: list[Certificate], people: dict, last: dict, by: User, by_mail: bool) -> None:
    if not certificates:
        return
    Certificate.objects.bulk_create(certificates, batch_size=1000)
    before = [
        (last[one.practitioner_id], CertificateState.REPLACED, f"换发为 {one.number}")
        for one in certificates
        if one.practitioner_id in last and last[one.practitioner_id].state in OPEN
    ]
    _record([*before, *((one, CertificateState.VALID, "") for one in certificates)], by)
    for one in certificates:
        one.state, one.reason, one.state_at = CertificateState.VALID, "", one.issued_at
    news = [
        (people[one.practitioner_id], one, "已签发", "可在“我的证书”下载、打印，任何人可凭编号和查验码查验。")
        for one in certificates
        if people[one.practitioner_id].user_id != by.pk
    ]
    _tell(news, by_mail=by_mail)


def _locked(practitioner_ids: Iterable[int]) -> dict[int, Practitioner]:
    """In the order of their ids, as everybody who locks many people does."""
    found = Practitioner.objects.filter(pk__in=list(practitioner_ids)).order_by("pk")
    # The employer after the lock: joined, somebody who moves to another unit meanwhile would be missing here.
    found = found.select_related("user", "account").prefetch_related("employer")
    return {one.pk: one for one in found.select_for_update(of=("self",), no_key=True)}


def _last(people: Iterable[int], year: int) -> dict[int, Certificate]:
    """The newest certificate of each, with its state; read after the lock."""
    found = Certificate.objects.filter(practitioner__in=list(people), year=year).with_state().order_by("pk")
    return {one.practitioner_id: one for one in found}


def _next_serial(year: int, division: str) -> int:
    """The first free one; nobody else has it until the transaction ends, and rolled back it is free again."""
    _hold_numbers(year, division)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(serial), 0) + 1 FROM credits_certificate WHERE year = %s AND division = %s",
            [year, division],
        )
        return cursor.fetchone()[0]


def _hold_numbers(year: int, division: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [NUMBERS, _key(year, division)])


def _key(year: int, division: str) -> int:
    """A signed 32-bit number. Two pairs that meet in one only wait for each other more often than they must."""
    return crc32(f"{year} {division}".encode()) - 2**31


# --- what happened ------------------------------------------------------------------------------------------


def _record(changes: Iterable[tuple[Certificate, str, str]], by: User | None) -> None:
    CertificateEvent.objects.bulk_create(
        CertificateEvent(certificate=one, state=state, reason=reason[:300], by=by, at=timezone.now())
        for one, state, reason in changes
    )


def _tell(news: Iterable[tuple[Practitioner, Certificate, str, str]], by_mail: bool = True) -> None:
    """The holders hear of it on the page, and by mail unless it comes to thousands at once."""
    told: list[Message] = [
        message(
            person.user,
            f"{one.year} 年度继续教育电子证书{what}",
            f"证书编号 {one.number}，{what}。{more}",
            key=f"certificate:{one.pk}:{what}",
            url=reverse("credits:certificate", args=[one.pk]),
            account=person.account,
            by_mail=by_mail,
        )
        for person, one, what, more in news
    ]
    if told:
        notify_all(told)
