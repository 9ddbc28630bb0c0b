"""What an uploaded file really is: judged by its content, never by its name (trust.md §3.9).

`examine` lets PDF, JPEG and PNG through. Pictures are decoded and written anew, so that neither camera data nor
anything hidden behind the picture survives; a PDF keeps its bytes and is refused when it could do something
by itself: run a script, start a program, carry further files, reach out when it is opened. Before any of it is opened, a
virus scanner sees the file as it came, where there is one (workflow/virus_scan.py).
"""

import io
import itertools
import math
import re
import tempfile
import threading
import unicodedata
import warnings
import zlib
from dataclasses import dataclass
from hashlib import sha256

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from PIL import Image, ImageOps

from accounts.refused import Refused
from workflow import virus_scan

NAME_LENGTH = 120
_IN_MEMORY = 1024 * 1024
# A picture of 40 megapixels unpacks to 120 MB: as many of them as there are threads would be more than a process has.
_ONE_AT_A_TIME = threading.Lock()


class Unacceptable(Refused):
    """The file is not taken; the message is the sentence for the person who chose it."""


@dataclass(frozen=True)
class Examined:
    """A file that may be stored: its clean name and the bytes to keep."""

    name: str
    content: bytes
    content_type: str
    extension: str

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


class BoundedUploadHandler(FileUploadHandler):
    """Receives a file without ever storing more than the limit: what comes after it is counted and dropped.

    The request is read to its end all the same, so that the form's other fields are not lost.
    """

    def new_file(self, *args, **kwargs):
        super().new_file(*args, **kwargs)
        self.received = 0
        self.file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (closed with the request)

    def receive_data_chunk(self, raw_data, start):
        self.received += len(raw_data)
        if self.received <= settings.ATTACHMENT_MAX_BYTES:
            self.file.write(raw_data)

    def file_complete(self, file_size):
        self.file.seek(0)
        return UploadedFile(
            self.file, self.file_name, self.content_type, self.received, self.charset, self.content_type_extra
        )

    def upload_interrupted(self):
        if getattr(self, "file", None):
            self.file.close()


def examine(upload: UploadedFile) -> Examined:
    """Return what may be stored of an upload. Raise Refused with the sentence to show otherwise."""
    shown = clean_name(upload.name)[-60:]
    limit = settings.ATTACHMENT_MAX_BYTES
    if not upload.size:
        raise Unacceptable(f"文件“{shown}”是空文件，请重新选择。")
    if upload.size > limit:
        # Rounded up: one byte too many must not read "10.0 MB, more than 10 MB".
        megabytes = math.ceil(upload.size * 10 / 1024 / 1024) / 10
        raise Unacceptable(f"文件“{shown}”有 {megabytes} MB，超过 {limit // 1024 // 1024} MB，请压缩后再传。")
    upload.seek(0)
    content = upload.read(limit + 1)
    for magic, judge, content_type, extensions in _KINDS:
        if content.startswith(magic):
            virus_scan.check(upload, shown)
            try:
                with _ONE_AT_A_TIME:
                    kept = judge(content, shown)
            except MemoryError as error:
                raise Unacceptable(
                    f"文件“{shown}”展开后太大，这次没有收下，请压缩或降低分辨率后再传。"
                ) from error
            return Examined(clean_name(upload.name, extensions), kept, content_type, extensions[0])
    raise Unacceptable(f"文件“{shown}”不是 PDF、JPG 或 PNG，请换一个文件。")


def clean_name(name: str, extensions: tuple[str, ...] = ()) -> str:
    """The file name as it may be shown and offered for download: no folders, no invisible or turning characters.

    With `extensions` the name ends in one of them, whatever it ended in before; at most 120 characters.
    """
    name = re.split(r"[/\\]", name or "")[-1]
    # Cc, Cf: control characters and those that turn the reading direction ("exe.fdp" read backwards).
    name = "".join(" " if char.isspace() else char for char in name)
    name = "".join(char for char in name if unicodedata.category(char)[0] != "C")
    name = " ".join(name.split()).strip(". ") or "附件"
    if not extensions:
        return name
    stem, dot, last = name.rpartition(".")
    if not dot or last.lower() not in extensions:
        stem, last = name, extensions[0]
    return f"{(stem.strip('. ') or '附件')[: NAME_LENGTH - len(last) - 1]}.{last}"


# --- pictures ------------------------------------------------------------------------------------


def _picture(kind: str):
    def judge(content: bytes, shown: str) -> bytes:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                _measure(content, kind, shown)
                return _written_anew(content, kind)
        except (Unacceptable, MemoryError):
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _too_many_pixels(shown) from error
        except Exception as error:  # decoders of broken pictures raise nearly anything
            raise Unacceptable(f"图片“{shown}”不完整或已损坏，请重新拍照或扫描后再传。") from error

    return judge


def _measure(content: bytes, kind: str, shown: str) -> None:
    # The header alone tells the size; nothing is decoded before it is known to be bearable.
    with Image.open(io.BytesIO(content), formats=[kind]) as picture:
        if picture.width * picture.height > settings.ATTACHMENT_MAX_PIXELS:
            raise _too_many_pixels(shown)
        picture.verify()


def _written_anew(content: bytes, kind: str) -> bytes:
    with Image.open(io.BytesIO(content), formats=[kind]) as picture:
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)  # a copy would be as large again
        upright = picture.convert("RGB") if kind == "JPEG" and picture.mode not in ("L", "RGB") else picture
        # A picture made of the pixels alone: no EXIF, comment, profile or text chunk comes along.
        upright.info = {key: value for key, value in upright.info.items() if key == "transparency"}
        out = io.BytesIO()
        upright.save(out, kind, **({"quality": 90} if kind == "JPEG" else {}))
        return out.getvalue()


def _too_many_pixels(shown: str) -> Unacceptable:
    limit = settings.ATTACHMENT_MAX_PIXELS // 1_000_000
    return Unacceptable(f"图片“{shown}”的尺寸超过 {limit} 兆像素，请缩小后再传。")


# --- PDF -----------------------------------------------------------------------------------------

# Long names only: three letters would also turn up by chance inside compressed pictures.
_ACTIVE = re.compile(
    rb"/(JavaScript|Launch|EmbeddedFiles?|GoToR|GoToE|SubmitForm|ImportData|RichMedia|XFA)(?![A-Za-z0-9])"
)
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(rb"(?<!end)stream[ \t\0\f]*(?:\r\n|\n|\r)")  # as lax as readers are
_ENDS = re.compile(rb"%%EOF[\s\x00]*\Z")
_OPENS = re.compile(rb"/OpenAction\s*(?:(\d{1,10})\s+\d+\s+R|<<)")
_OBJECT = re.compile(rb"(?<!\d)(\d{1,10})\s+\d+\s+obj")
_INFLATED_LIMIT = 64 * 1024 * 1024
_CHUNK = 64 * 1024
# What honest files stay far below: each part of one is read twice, a hundred objects and more share an object
# stream, and a document has one action (one more with each saved change).
_READINGS = 4
_MOST_OBJECT_STREAMS = 10_000
_MOST_ACTIONS = 50


def _pdf(content: bytes, shown: str) -> bytes:
    if not _ENDS.search(content[-2048:]):
        raise Unacceptable(f"文件“{shown}”不完整或已损坏，请重新导出后再传。")
    hidden, readable = _object_streams(content)
    if not readable:
        raise Unacceptable(f"文件“{shown}”受密码保护或无法检查，请取消保护，或用“打印为 PDF”另存后再传。")
    text = _unescaped(content) + b"\n" + b"\n".join(hidden)
    if _ACTIVE.search(text) or _opens_elsewhere(text, hidden):
        raise Unacceptable(
            f"文件“{shown}”含有脚本、嵌入文件或外部动作，不能接收，请用“打印为 PDF”另存后再传。"
        )
    return content


def _unescaped(content: bytes) -> bytes:
    """Names may be written as /J#61vaScript: read them as a reader would."""
    return _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), content)


def _object_streams(content: bytes) -> tuple[list[bytes], bool]:
    """The objects that a PDF keeps in compressed streams, and whether all of them could be read.

    What is made to be read over and over counts as unreadable: ten megabytes could keep a thread busy for hours.
    """
    found, room, work = [], _INFLATED_LIMIT, _READINGS * len(content)
    locked = b"/Encrypt" in content
    for match in _STREAM.finditer(content):
        start = content.rfind(b"obj", 0, match.start())
        work -= match.start() - max(start, 0)
        if work < 0 or len(found) >= _MOST_OBJECT_STREAMS:
            return found, False
        head = _unescaped(content[max(start, 0) : match.start()])
        if b"/ObjStm" not in head:
            continue
        if locked or b"/Predictor" in head or re.search(rb"/(LZW|ASCII|RunLength|Crypt)", head):
            return found, False
        if b"/Fl" in head:  # FlateDecode, or Fl for short
            try:
                body, end = _inflated(content, match.end(), room)
            except zlib.error:
                return found, False
        else:
            end = content.find(b"endstream", match.end())
            if end < 0:
                return found, False
            body = content[match.end() : end]
        work -= end - match.end()
        room -= len(body)
        if room <= 0:
            return found, False
        found.append(_unescaped(body))
    # One that a reader may find where we saw none is one that we could not read.
    return found, _unescaped(content).count(b"/ObjStm") <= len(found)


def _inflated(content: bytes, start: int, room: int) -> tuple[bytes, int]:
    """What the stream that begins at `start` holds, at most `room` bytes, and where it ends.

    Read in pieces: how long it is stands nowhere that can be believed.
    """
    stream, found, end = zlib.decompressobj(), [], start
    while end < len(content) and not stream.eof and room > 0:
        found.append(stream.decompress(content[end : end + _CHUNK], room))
        room -= len(found[-1])
        end = min(end + _CHUNK, len(content)) - len(stream.unused_data)
    return b"".join(found), end


def _opens_elsewhere(text: bytes, hidden: list[bytes]) -> bool:
    """Whether opening the document calls an address. Going to a page of its own is what many writers put there."""
    openings = list(itertools.islice(_OPENS.finditer(text), _MOST_ACTIONS + 1))
    if len(openings) > _MOST_ACTIONS:
        return True
    actions = [text[match.end() : match.end() + 500] for match in openings if match[1] is None]
    named, stored = {int(match[1]) for match in openings if match[1]}, set()
    if named:
        # Every writing of an object is judged: which of them a reader takes is decided by tables that may lie.
        for match in _OBJECT.finditer(text):
            if int(match[1]) in named:
                stored.add(int(match[1]))
                actions.append(text[match.end() : match.end() + 500])
    if named - stored:
        # An action inside an object stream has no address of its own: judge the stream as a whole.
        actions.append(b"".join(hidden))
    return any(re.search(rb"/S\s*/URI", action.split(b"endobj")[0]) for action in actions)


_KINDS = [
    (b"%PDF-", _pdf, "application/pdf", ("pdf",)),
    (b"\xff\xd8\xff", _picture("JPEG"), "image/jpeg", ("jpg", "jpeg")),
    (b"\x89PNG\r\n\x1a\n", _picture("PNG"), "image/png", ("png",)),
]
