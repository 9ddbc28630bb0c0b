"""What a kind of application must tell the engine. Subclass `Flow` once per kind, in `<app>/flows.py`."""

from dataclasses import dataclass
from datetime import datetime

from accounts.models import User
from accounts.refused import Refused
from orgs.actor import Actor
from orgs.models import Organization, Practitioner
from workflow.models import Application, Payload, Step

__all__ = ["AlreadyDecided", "Flow", "Refused", "Stop", "flow_of"]


class AlreadyDecided(Refused):
    """Somebody else was first. The message says who and when."""


@dataclass(frozen=True)
class Stop:
    """One sign-off on the route. Equal `order` means in parallel.

    `granted` means given by submitting; or earlier, by `granted_by`, where a unit filed for its people and the person
    confirms it now.
    """

    order: int
    title: str
    approver: Organization
    granted: bool = False
    granted_by: User | None = None


class Flow:
    """One kind of application: its precondition, its route and its effect.

    kind      key in the database and in URLs, never shown
    label     what people read ("学时申报")
    duty      what an admin of the approver must hold to decide it (orgs.models.Duty)
    payload   the typed row of this kind
    exclusive only one pending application of this kind per subject
    alone     excludes, both ways, everything else pending about the subject (F-54, decision 2)
    confidential  seen by the person concerned and by who signs alone, not by the admins above
    template  shows the payload on the detail page
    bulk      about people alone, with effects that cannot refuse: many are signed by a few statements (workflow/bulk.py)
    approve_form  asks for a finding beside the remark (a subclass of workflow.forms.ApproveForm); None: the remark alone
    """

    kind: str
    label: str
    duty: str
    payload: type[Payload]
    exclusive = True
    alone = False
    confidential = False
    template: str
    bulk = False
    approve_form = None

    def subject(self, payload) -> Organization | Practitioner:
        raise NotImplementedError

    def summary(self, payload) -> str:
        """The line that lists show; frozen at submission."""
        return self.label

    def person(self, payload, subject, by: Actor):
        """The human concerned, who may not sign: the practitioner, or who files for an organisation."""
        return subject.user if isinstance(subject, Practitioner) else by.user

    def check(self, payload, subject, by: Actor) -> None:
        """Raise Refused("…") when the application may not be filed now. Sees only the locked subject."""

    def route(self, payload, subject, by: Actor) -> list[Stop]:
        """Who signs, in which order. Sees only the locked subject."""
        raise NotImplementedError

    def promise(self, since: datetime) -> str:
        """By when a step that was opened then is promised to be decided; "" without a promise."""
        return ""

    def check_decision(self, application: Application, step: Step) -> None:
        """Raise Refused("…") when no step may be decided now (a closed window). The application is locked."""

    def refusals(self, applications: list[Application]) -> dict[int, str]:
        """`check_decision` for many of a kind in bulk: the sentence for each application that may not be decided now."""
        return {}

    def notices(self, actor: Actor) -> list[str]:
        """What who reviews this kind should know before looking at the list: a window that is closed."""
        return []

    def warnings(self, applications: list[Application]) -> dict[int, list[str]]:
        """What a reviewer should look at before deciding, a sentence each; bulk approval leaves these out at first."""
        return {}

    def signed(self, application: Application, step: Step) -> None:
        """After each approval of a step, before the next one opens, in the same transaction.

        A kind with an `approve_form` takes its findings as keywords.
        """

    def lock_first(self) -> None:
        """Take what the effect must lock before its subject (the tree, for kinds that write paths)."""

    def approved(self, payload) -> None:
        """The effect, in the transaction of the last signature. May raise Refused: then nothing happened."""

    def approved_many(self, payloads: list) -> None:
        """`approved` for many of a kind in bulk; their practitioners are locked."""
        for payload in payloads:
            self.approved(payload)

    def closed(self, payload) -> None:
        """After rejection or withdrawal, in the same transaction."""

    def again_url(self, payload) -> str:
        """Where the person starts anew after a rejection, prefilled; "" when there is no such page."""
        return ""


_FLOWS: dict[str, Flow] = {}


def register(flow: type[Flow]) -> type[Flow]:
    """Class decorator: make the kind known to the engine."""
    if flow.kind in _FLOWS:
        raise ValueError(f"two flows for the kind {flow.kind}")
    _FLOWS[flow.kind] = flow()
    return flow


def flow_of(application: Application | str) -> Flow:
    """The flow of an application or of a kind. KeyError when no app registered it."""
    return _FLOWS[application if isinstance(application, str) else application.kind]


def all_flows() -> list[Flow]:
    return list(_FLOWS.values())


def kinds_alone() -> list[str]:
    """The kinds that tolerate nothing else pending about their subject."""
    return [flow.kind for flow in _FLOWS.values() if flow.alone]


def payload_of(application: Application) -> Payload:
    """The typed row beside the application."""
    return getattr(application, flow_of(application).payload._meta.model_name)
