"""Uploads are looked at by a virus scanner before they are stored or opened (trust.md §3.9): clamd, where there is one.

settings.CLAMD_ADDRESS says where: "host:port", or the path of a unix socket; "" is no scanner, and every file passes.
Where there is one, nothing passes that it has not called clean: a scanner that is away or does not answer within
settings.CLAMD_SECONDS refuses the file too. After such a silence it is left alone for PAUSE: a scanner that hangs must
not keep every thread of the website waiting for it. Every way in calls `check`: attachments (workflow/uploads.py), spreadsheets
(credits/intake/asking.py), certificates to be verified (credits/views/verifying.py).

The protocol is clamd's INSTREAM: the content in pieces, each after its length in four bytes, a length of zero at the
end; the answer is "stream: OK", "stream: <name> FOUND" or "… ERROR". clamd's StreamMaxLength must not be less than
the largest file that we take, 20 MB.
"""

import logging
import re
import socket
import time
from collections.abc import Iterator

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from accounts.refused import Refused

logger = logging.getLogger(__name__)

PAUSE = 20  # seconds
_LONGEST_ANSWER = 1024  # bytes
_silent_since: dict[str, float] = {}  # address → when it was waited for in vain, of this process
_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]]+)):(\d{1,5})")


class Infected(Refused):
    """The scanner knows what is in the file."""


class NotScanned(Refused):
    """The scanner has said nothing of the file: away, too slow, or unable. Later it may."""


class ScannerAway(Exception):
    """The scanner gave no answer that can be used; the message is for the log and says nothing of the file."""


def check(upload: UploadedFile, shown: str) -> None:
    """Raise Infected or NotScanned with the sentence for whoever chose the file; `shown` is its name there.

    The file is read from its beginning and left there.
    """
    if not settings.CLAMD_ADDRESS:
        return
    try:
        found = _ask_unless_silent(_pieces(upload))
    except (OSError, ValueError, ScannerAway) as error:
        # Of a system's error the kind alone.
        logger.warning(
            "virus scan failed, upload refused: %s",
            error if isinstance(error, ScannerAway) else type(error).__name__,
        )
        raise NotScanned(
            f"文件“{shown}”这次没有收下：平台的病毒检查暂时没有回应，请过几分钟重新选择文件再提交。"
        ) from error
    finally:
        upload.seek(0)
    if found:
        logger.warning("virus scan: upload refused, found %s", found)
        raise Infected(
            f"文件“{shown}”没有通过病毒检查，不能接收，请先用杀毒软件检查电脑，再换一个没有问题的文件。"
        )


def answers(seconds: float = 1) -> bool:
    """Whether the scanner is there (PING). For those who watch the platform."""
    try:
        deadline = time.monotonic() + seconds
        with _connected(deadline) as connection:
            connection.sendall(b"zPING\0")
            return _answer(connection, deadline) == "PONG"
    except (OSError, ValueError, ScannerAway):
        return False


def place_of(address: str) -> str | tuple[str, int]:
    """The path of a unix socket, or host and port. Raises ValueError when it is neither."""
    if address.startswith("/"):
        return address
    match = _ADDRESS.fullmatch(address)
    if not match or not 0 < int(match[3]) < 65536:
        raise ValueError("neither host:port nor the path of a socket")
    return match[1] or match[2], int(match[3])


# --- the conversation ----------------------------------------------------------------------------


def _ask_unless_silent(pieces: Iterator[bytes]) -> str:
    address = settings.CLAMD_ADDRESS
    if time.monotonic() - _silent_since.get(address, float("-inf")) < PAUSE:
        raise ScannerAway("it was silent a moment ago")
    try:
        return _ask(pieces)
    except TimeoutError:
        _silent_since[address] = time.monotonic()
        raise


def _ask(pieces: Iterator[bytes]) -> str:
    """What was found, "" when nothing. Raises OSError, ValueError, ScannerAway."""
    deadline = time.monotonic() + settings.CLAMD_SECONDS
    with _connected(deadline) as connection:
        try:
            connection.sendall(b"zINSTREAM\0")
            for piece in pieces:
                connection.settimeout(_left(deadline))
                connection.sendall(len(piece).to_bytes(4, "big") + piece)
            connection.sendall(b"\0\0\0\0")
        except (BrokenPipeError, ConnectionResetError):
            # It hangs up on what is too long for it, and may have said so before: that is worth more than the error.
            pass
        answer = _answer(connection, deadline)
    if answer == "stream: OK":
        return ""
    if match := re.fullmatch(r"stream: (.+) FOUND", answer):
        return match[1]
    raise ScannerAway(answer or "it hung up without an answer")


def _connected(deadline: float) -> socket.socket:
    place = place_of(settings.CLAMD_ADDRESS)
    if not isinstance(place, str):
        return socket.create_connection(place, timeout=_left(deadline))
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(_left(deadline))
        connection.connect(place)
    except BaseException:
        connection.close()
        raise
    return connection


def _answer(connection: socket.socket, deadline: float) -> str:
    """Its words up to the zero byte, what cannot be printed left out."""
    found = b""
    while b"\0" not in found and len(found) < _LONGEST_ANSWER:
        connection.settimeout(_left(deadline))
        more = connection.recv(_LONGEST_ANSWER)
        if not more:
            break
        found += more
    return re.sub(r"[^ -~]", "", found.partition(b"\0")[0].decode("ascii", "ignore")).strip()[:200]


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _pieces(upload: UploadedFile) -> Iterator[bytes]:
    # A piece of length zero would end the stream.
    return (piece for piece in upload.chunks() if piece)
