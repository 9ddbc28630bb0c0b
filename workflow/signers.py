"""Who will sign, said before anything is submitted: by name, with phone and usual time (screens.md, conclusion 1)."""

from dataclasses import dataclass

from accounts.models import User
from orgs.actor import Actor
from orgs.models import Organization
from workflow.backstop import answerers
from workflow.flow import Stop, flow_of
from workflow.models import Payload
from workflow.slip import contact_of, usual_for


@dataclass(frozen=True)
class Signer:
    """One future line of the slip; `note` says when a superior signs instead."""

    title: str
    name: str
    phone: str
    contact: str
    usual: str
    organization: Organization
    note: str = ""


def signers_of(kind: str, payload: Payload, by: Actor) -> list[Signer]:
    """What the kind's route will come to, backstop included; steps granted by submitting are left out."""
    flow = flow_of(kind)
    subject = flow.subject(payload)
    person = flow.person(payload, subject, by)
    stops = [stop for stop in flow.route(payload, subject, by) if not stop.granted or by.user == person]
    return signers_at(stops, kind, person)


def signers_at(stops: list[Stop], kind: str, person: User | None) -> list[Signer]:
    """Who signs at these stops of a kind for this person, backstop included."""
    signing = answerers(stops, flow_of(kind).duty, person)
    usual = usual_for({(one.pk, kind) for one in signing})
    return [
        Signer(
            title=stop.title,
            name=one.name,
            phone=one.phone,
            contact=contact_of(one),
            usual=usual.get((one.pk, kind), ""),
            organization=one,
            note=""
            if one == stop.approver
            else f"{stop.approver.name}没有其他管理员可以审核，由上级代为审核。",
        )
        for stop, one in zip(stops, signing, strict=True)
    ]
