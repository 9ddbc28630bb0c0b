"""Who will review a registration, said before it is submitted (screens.md, conclusion 1; F-25, F-32)."""

from dataclasses import dataclass

from accounts.models import User
from orgs.models import Duty, Kind, Organization
from orgs.tree import chain_above, platform
from registration.enrol import KINDS
from registration.flows.entering import ISSUE_TITLE, STOP_TITLES
from workflow.backstop import answerers
from workflow.flow import Stop
from workflow.slip import contact_of, usual_days


@dataclass(frozen=True)
class Reviewer:
    """The organisation that signs, with its public contact; `chain` are the names from the root down to it."""

    title: str
    name: str
    phone: str
    contact: str
    usual: str
    chain: list[str]
    note: str = ""

    @property
    def path(self) -> str:
        return " › ".join(self.chain)


def reviewer_of(role: str, chosen: Organization, person: User | None) -> Reviewer:
    """What the flow's route will come to for this choice, backstop included."""
    return _signer(
        role, "用人单位审核" if role == "practitioner" else STOP_TITLES[chosen.kind], chosen, person
    )


def issuer_of_code(role: str, person: User | None) -> Reviewer:
    """Who signs first for a unit without a credit code."""
    return _signer(role, ISSUE_TITLE, platform(), person)


def _signer(role: str, title: str, chosen: Organization, person: User | None) -> Reviewer:
    (signs,) = answerers([Stop(1, title, chosen)], Duty.REGISTRATIONS, person)
    note = "" if signs == chosen else f"{chosen.name}没有其他管理员可以审核，由上级代为审核。"
    above = [one.name for one in chain_above(signs) if one.kind != Kind.OPERATOR]
    return Reviewer(
        title=title,
        name=signs.name,
        phone=signs.phone,
        contact=contact_of(signs),
        usual=usual_days(signs, KINDS[role]),
        chain=[*above, signs.name],
        note=note,
    )
