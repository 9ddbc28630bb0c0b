"""Hours: what counts, what is required, what was declared, granted, imported, certified. Floor 3.

Hours are numeric(5,1) everywhere (decision 15); the year is the year of the activity in Asia/Shanghai, stored as an
integer. The ledger is the truth; Standing is its sum per person and year, written in the same transaction; tallies
are the sums of standings above the person, kept by the database itself (migration 0002).
"""

from credits.models.catalogue import ActivityKind, Level, Subject
from credits.models.certificates import (
    Certificate,
    CertificateBatch,
    CertificateCheck,
    CertificateEvent,
    CertificateState,
    IssueState,
)
from credits.models.declaring import (
    Answer,
    Declaration,
    Lowering,
    UnitDeclaration,
    UnitDeclarationPerson,
)
from credits.models.intake import (
    BatchState,
    CheckedRow,
    IntakeBatch,
    IntakeError,
    IntakeRecord,
    Provider,
    ProviderKey,
    ProviderNonce,
    PushRefusal,
)
from credits.models.ledger import LedgerEntry, Recheck, Source, Standing, Verb
from credits.models.packs import PackState, RulePack, Window, WindowKind
from credits.models.relief import ReliefRequest
from credits.models.sampling import OverturnRate, SampleDraw, SampleItem, VerificationPolicy
from credits.models.tallies import Tally, TallyDelta
from credits.models.trial import RuleTrial

__all__ = [
    "ActivityKind",
    "Answer",
    "BatchState",
    "Certificate",
    "CertificateBatch",
    "CertificateCheck",
    "CertificateEvent",
    "CertificateState",
    "CheckedRow",
    "Declaration",
    "IntakeBatch",
    "IntakeError",
    "IntakeRecord",
    "IssueState",
    "LedgerEntry",
    "Level",
    "Lowering",
    "OverturnRate",
    "PackState",
    "Provider",
    "ProviderKey",
    "ProviderNonce",
    "PushRefusal",
    "Recheck",
    "ReliefRequest",
    "RulePack",
    "RuleTrial",
    "SampleDraw",
    "SampleItem",
    "Source",
    "Standing",
    "Subject",
    "Tally",
    "TallyDelta",
    "UnitDeclaration",
    "UnitDeclarationPerson",
    "Verb",
    "VerificationPolicy",
    "Window",
    "WindowKind",
]
