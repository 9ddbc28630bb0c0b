"""当前身份: who acts in this request. Read again from the database at each request, so that rights change at once."""

from dataclasses import dataclass, field
from functools import cache

from django.contrib import messages
from django.http import HttpRequest

from accounts.entrance import ACCOUNT, EPOCH
from accounts.joined import columns, read
from accounts.kept import log_out
from accounts.messages import MOST
from accounts.models import AccountStatus, Role, RoleAccount, User
from accounts.refused import Refused
from orgs.models import Kind, OrgAdmin, Organization, Practitioner, Status


@dataclass(frozen=True)
class Actor:
    """A person in one role: with an organisation (admins, operators), as a practitioner, or nobody.

    In a request also what every page's frame says: how many messages are unread (at most accounts.messages.MOST + 1),
    and whether the person has further active identities.
    """

    user: User | None = None
    account: RoleAccount | None = None
    organization: Organization | None = None
    practitioner: Practitioner | None = None
    is_super: bool = False
    duties: frozenset = field(default_factory=frozenset)
    unread: int = 0
    has_others: bool = False

    def __bool__(self) -> bool:
        return self.account is not None

    @property
    def role(self) -> str:
        return self.account.role if self.account else ""

    @property
    def is_operator(self) -> bool:
        """平台后台人员: an admin of the root."""
        return self.organization is not None and self.organization.kind == Kind.OPERATOR

    def can(self, duty: str) -> bool:
        """Whether this admin holds the duty (F-77)."""
        return self.organization is not None and (self.is_super or duty in self.duties)

    def speaks_for(self, subject: Organization | Practitioner) -> bool:
        """Whether this person may file applications about the subject.

        A practitioner for themselves; an admin for their own organisation and for the people employed there.
        """
        if isinstance(subject, Organization):
            return self.organization is not None and self.organization.pk == subject.pk
        if self.practitioner is not None:
            return self.practitioner.pk == subject.pk
        return self.organization is not None and self.organization.pk == subject.employer_id

    def sees(self, practitioner: Practitioner) -> bool:
        """Whether this person may know what is now true of the practitioner.

        The practitioner, and who is above them today; not a unit that they left, though it signed for them once.
        """
        if self.practitioner is not None:
            return self.practitioner.pk == practitioner.pk
        return self.organization is not None and practitioner.path.startswith(self.organization.path)


NOBODY = Actor()


def _joined():
    return RoleAccount.objects.select_related("user", "practitioner__employer", "org_admin__organization")


def _of_request(request: HttpRequest) -> RoleAccount | None:
    """The role account that this session acts in, with what the actor and the frame need of it.

    One query, as small as the role allows: this runs at every request, and the user came with the session.
    """
    row = request.session.row
    practitioner = row is not None and row.role == Role.PRACTITIONER
    right = Practitioner if practitioner else OrgAdmin
    user = request.user.pk
    values = [user, MOST + 1, user, request.session[ACCOUNT], user]
    for account, held, organization, unread, has_others in read(
        _text(right), values, RoleAccount, right, Organization
    ):
        account.unread, account.has_others = unread, has_others
        if held is not None:
            setattr(held, _PLACE[right], organization)
            setattr(account, _HELD[right], held)
        return account
    return None


_PLACE = {Practitioner: "employer", OrgAdmin: "organization"}
_HELD = {Practitioner: "practitioner", OrgAdmin: "org_admin"}


@cache
def _text(right: type[Practitioner | OrgAdmin]) -> str:
    """The query. What the frame says beside the actor: how many messages are unread (accounts.querysets), and whether
    there are two active identities or more."""
    return (
        f"SELECT {columns(RoleAccount, 'a')}, {columns(right, 'h')}, {columns(Organization, 'o')},"  # noqa: S608 (our own columns)
        " (SELECT count(*) FROM (SELECT 1 FROM accounts_message m"
        "   WHERE m.user_id = %s AND m.read_at IS NULL LIMIT %s) unread),"
        " (SELECT count(*) > 1 FROM (SELECT 1 FROM accounts_roleaccount b"
        "   WHERE b.user_id = %s AND b.status = 'active' LIMIT 2) identities)"
        f" FROM accounts_roleaccount a LEFT JOIN {right._meta.db_table} h ON h.account_id = a.id"
        f" LEFT JOIN orgs_organization o ON o.id = h.{_PLACE[right]}_id"
        " WHERE a.id = %s AND a.user_id = %s"
    )


def _actor(account: RoleAccount) -> Actor:
    frame = {
        "unread": getattr(account, "unread", 0),
        "has_others": getattr(account, "has_others", False),
    }
    if account.role == Role.PRACTITIONER:
        practitioner = getattr(account, "practitioner", None)
        if practitioner is None:
            return NOBODY
        practitioner.user = account.user
        return Actor(account.user, account, practitioner=practitioner, **frame)
    admin = getattr(account, "org_admin", None)
    if admin is None:
        return NOBODY
    return Actor(
        account.user, account, admin.organization, None, admin.is_super, frozenset(admin.duties), **frame
    )


def actor_of(account: RoleAccount) -> Actor:
    """The actor of a role account, whatever its status: the caller decides whether it may act."""
    return _actor(_joined().get(pk=account.pk))


def _may_act(actor: Actor) -> bool:
    if actor.account.status != AccountStatus.ACTIVE or not actor.user.is_active:
        return False
    subject = actor.organization or actor.practitioner
    return subject is not None and subject.status == Status.ACTIVE


def hold_right(actor: Actor) -> None:
    """Until the transaction ends nobody takes this admin's right away; Refused when somebody just did.

    The actor was read when the request began. Every change of an admin's right moves the account's epoch on, so the
    row locked here with its old epoch is the right itself. The engine calls it before it locks a subject, in every
    verb: one order for all. Practitioners and people under registration pass: their own row is the subject.
    """
    if actor.organization is None or actor.account.status != AccountStatus.ACTIVE:
        return
    row = RoleAccount.objects.select_for_update(no_key=True).filter(
        pk=actor.account.pk, status=AccountStatus.ACTIVE, epoch=actor.account.epoch
    )
    if not row.values_list("pk")[:1]:
        raise Refused("您的身份或权限刚刚变更，这次操作没有执行，请重新登录。")


class ActorMiddleware:
    """Puts `request.actor` there, and ends the session when its role was changed, suspended or closed."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest):
        request.actor = self._read(request)
        return self.get_response(request)

    def _read(self, request: HttpRequest) -> Actor:
        if not request.session.get(ACCOUNT) or not request.user.is_authenticated:
            return NOBODY
        account = _of_request(request)
        actor = NOBODY
        if account:
            account.user = request.user
            actor = _actor(account)
        if actor and account.epoch == request.session.get(EPOCH) and _may_act(actor):
            return actor
        log_out(request)
        messages.warning(request, "您的身份或权限已变更，请重新登录。")
        return NOBODY
