"""Who will review a registration, said before it is submitted (screens.md, conclusion 1; F-25, F-32)."""

from dataclasses import dataclass

from accounts.models import User
from orgs.models import Kind, Organization
from orgs.tree import chain_above, platform
from registration.enrol import KINDS
from registration.flows.entering import ISSUE_TITLE, STOP_TITLES
from workflow.flow import Stop
from workflow.signers import Signer, signers_at


@dataclass(frozen=True, kw_only=True)
class Reviewer(Signer):
    """The organisation that signs; `path` names it from the root down, "" when nothing is above it."""

    path: str


def reviewer_of(role: str, chosen: Organization, person: User | None) -> Reviewer:
    """What the flow's route will come to for this choice, backstop included."""
    return _signer(
        role, "用人单位审核" if role == "practitioner" else STOP_TITLES[chosen.kind], chosen, person
    )


def issuer_of_code(role: str, person: User | None) -> Reviewer:
    """Who signs first for a unit without a credit code."""
    return _signer(role, ISSUE_TITLE, platform(), person)


def _signer(role: str, title: str, chosen: Organization, person: User | None) -> Reviewer:
    (signer,) = signers_at([Stop(1, title, chosen)], KINDS[role], person)
    above = [one.name for one in chain_above(signer.organization) if one.kind != Kind.OPERATOR]
    return Reviewer(**vars(signer), path=" › ".join([*above, signer.name]) if above else "")
