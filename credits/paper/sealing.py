"""A PDF that shows by itself whether a byte of it was changed: no network, no database, only the public key.

The last line, a comment to every reader, is `%CPE-SIGNATURE 1 KEY-ID BASE64`: Ed25519 over all bytes before it.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from credits.paper import signing

MARK = b"%CPE-SIGNATURE"
_LINE = re.compile(rb"%CPE-SIGNATURE 1 ([0-9a-f]{16}) ([A-Za-z0-9+/]{86}==)\n")
_LINE_LENGTH = len(MARK) + 3 + 16 + 1 + 88 + 1


class State(StrEnum):
    INTACT = "intact"
    ALTERED = "altered"
    NOT_OURS = "not ours"


@dataclass(frozen=True)
class Verdict:
    """`key_id` is the one that the file names; "" when it names none."""

    state: State
    key_id: str = ""

    @property
    def intact(self) -> bool:
        return self.state is State.INTACT


def sealed(pdf: bytes) -> bytes:
    """`pdf` with the signature of all its bytes as its last line. Raise ValueError for what is no unsealed PDF."""
    if not pdf.startswith(b"%PDF-") or not pdf.rstrip().endswith(b"%%EOF") or MARK in pdf:
        raise ValueError("not an unsealed PDF")
    body = pdf if pdf.endswith(b"\n") else pdf + b"\n"
    signature = signing.sign(body)
    value = base64.b64encode(signature.value)
    return body + b"%b 1 %b %b\n" % (MARK, signature.key_id.encode("ascii"), value)


def examine(pdf: bytes, public_keys: Mapping[str, str]) -> Verdict:
    """What `public_keys` ({key id: PEM}) say of the file.

    NOT_OURS: it bears no signature line, or one of a key that is not among them. ALTERED: it bears one that does not
    fit its bytes, or that is no longer the last line.
    """
    body, line = pdf[:-_LINE_LENGTH], pdf[-_LINE_LENGTH:]
    found = _LINE.fullmatch(line)
    if found is None:
        return Verdict(State.ALTERED if MARK in pdf else State.NOT_OURS)
    key_id = found[1].decode("ascii")
    if key_id not in public_keys:
        return Verdict(State.NOT_OURS, key_id)
    try:
        value = base64.b64decode(found[2], validate=True)
    except binascii.Error:
        return Verdict(State.ALTERED, key_id)
    # Four bits of the last character carry nothing: another spelling of the same signature is a change too.
    fits = base64.b64encode(value) == found[2] and body.endswith(b"\n")
    if fits and signing.verify(body, signing.Signature(key_id, value), public_keys):
        return Verdict(State.INTACT, key_id)
    return Verdict(State.ALTERED, key_id)
