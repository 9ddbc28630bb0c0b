"""撤销学时 (decision 11): what taking granted hours back comes to, and the person's hearing of it."""

from dataclasses import dataclass

from django.db import transaction

from accounts.outbox import notify
from credits import ledger
from credits.certificates import current
from credits.models import Certificate, CertificateState, Declaration, LedgerEntry, Verb
from credits.standing import YearHours, standing_of
from orgs.actor import Actor
from workflow.inbox import detail_url
from workflow.wording import hours as shown


@dataclass(frozen=True)
class Consequences:
    """The person's year now and afterwards; `certificate` is the one that will no longer say what is so, or None."""

    entry: LedgerEntry
    before: YearHours
    after: YearHours
    certificate: Certificate | None

    @property
    def lines(self) -> list[dict]:
        """Each subject, and all together, before and after."""
        rows = [
            {
                "label": now.label,
                "before": shown(now.earned),
                "after": shown(then.earned),
                "required": shown(now.required),
            }
            for now, then in zip(self.before.rows, self.after.rows, strict=True)
        ]
        total = {
            "label": "合计",
            "before": shown(self.before.total_earned),
            "after": shown(self.after.total_earned),
            "required": shown(self.before.total_required),
        }
        return rows if any(row["label"] == "合计" for row in rows) else [*rows, total]

    @property
    def no_longer_done(self) -> bool:
        """Whether the year was complete and will not be."""
        return self.before.is_asked and self.before.done and not self.after.done


def granted(declaration: Declaration) -> LedgerEntry | None:
    """The entry that can be taken back: what the declaration brought, as long as nobody took it back."""
    entries = {entry.verb: entry for entry in declaration.ledger.all()}
    return None if Verb.REVERSED in entries else entries.get(Verb.GRANTED)


def may_take_back(declaration: Declaration, by: Actor) -> bool:
    """Whether this admin may, and there is something: who signed it and has the duty, not in their own matter."""
    return (
        by.organization is not None
        and declaration.practitioner.user_id != by.user.pk
        and granted(declaration) is not None
        and ledger.may_revoke(declaration, by)
    )


def consequences(declaration: Declaration) -> Consequences:
    """What would follow. The declaration has a granted entry."""
    entry, person = granted(declaration), declaration.practitioner
    before = standing_of(person, entry.year)
    found = current(person, entry.year)
    valid = found if found and found.state == CertificateState.VALID else None
    return Consequences(entry, before, before.with_hours(entry.subject, -entry.hours), valid)


@transaction.atomic
def take_back(declaration: Declaration, *, by: Actor, reason: str) -> None:
    """Take granted hours back and tell the person. Raises as ledger.revoke does."""
    ledger.revoke(declaration, by=by, reason=reason)
    entry = declaration.ledger.get(verb=Verb.REVERSED)
    person = declaration.practitioner
    notify(
        person.user,
        f"{entry.year} 年度 {shown(-entry.hours)} 学时已撤销",
        f"“{declaration.title}”计入 {entry.year} 年度的 {shown(-entry.hours)} 学时，已由{by.organization.name}撤销。\n"
        f"理由：{reason.strip()}\n如有疑问，请联系撤销的单位"
        + (f"，电话 {by.organization.phone}。" if by.organization.phone else "。"),
        key=f"revoked:{declaration.pk}",
        url=detail_url(declaration.pk),
        account=person.account,
    )
