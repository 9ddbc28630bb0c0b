"""A virus scanner on a local socket that speaks clamd's protocol, knows one signature, and can be slow, dead or odd."""

import contextlib
import os
import socket
import socketserver
import threading

# Put together here: a scanner on the developer's own machine would take this file away otherwise.
EICAR = b"".join([rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$", b"EICAR-STANDARD-", b"ANTIVIRUS-TEST-FILE!", b"$H+H*"])
SIGNATURE = "Eicar-Test-Signature"


class ClamServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """`mode`: "well"; "silent" reads everything and never answers; "slow" answers a byte at a time, for ever; "deaf"
    takes the connection and reads nothing; "hanging up" closes it in the middle. Any other is its answer, in words.

    `scanned` holds the content of each file that came whole. `most`: bytes it takes of one file (StreamMaxLength).
    `close()` makes it dead, its port then refuses.
    """

    allow_reuse_address = daemon_threads = True
    block_on_close = False

    def __init__(self, mode: str = "well", most: int = 25 * 1024 * 1024):
        self.mode, self.most, self.scanned, self.over = mode, most, [], threading.Event()
        super().__init__(("127.0.0.1", 0), Conversation)
        threading.Thread(target=self.serve_forever, args=[0.05], daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def close(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class ClamSocket(ClamServer):
    """The same on a unix socket."""

    address_family = getattr(socket, "AF_UNIX", None)

    def __init__(self, path):
        self.path = str(path)
        super().__init__()

    def server_bind(self):
        self.server_address = self.path
        self.socket.bind(self.path)

    @property
    def address(self) -> str:
        return self.path

    def close(self) -> None:
        super().close()
        os.unlink(self.path)


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError, ValueError):
            if self.server.mode == "deaf":
                self.server.over.wait(60)
                return
            command = b""
            while not command.endswith(b"\0"):
                command += self._read(1)
            if command == b"zPING\0":
                self._say("PONG" if self.server.mode != "silent" else None)
            elif command == b"zINSTREAM\0":
                self._stream()
            else:
                self._say("UNKNOWN COMMAND")

    def _read(self, count: int) -> bytes:
        found = self.rfile.read(count)
        if len(found) < count:
            raise ValueError("hung up")
        return found

    def _stream(self) -> None:
        content = b""
        while length := int.from_bytes(self._read(4), "big"):
            content += self._read(length)
            if len(content) > self.server.most:
                self._say("INSTREAM size limit exceeded. ERROR")
                return
            if self.server.mode == "hanging up":
                return
        self.server.scanned.append(content)
        if self.server.mode == "silent":
            self._say(None)
        elif self.server.mode == "slow":
            while not self.server.over.wait(0.1):
                self.wfile.write(b"s")
        elif self.server.mode == "well":
            self._say(f"stream: {SIGNATURE} FOUND" if EICAR in content else "stream: OK")
        else:
            self._say(self.server.mode)

    def _say(self, words: str | None) -> None:
        if words is None:
            self.server.over.wait(60)
            return
        # In two parts: what arrives is a stream, not a message.
        self.wfile.write(words[:3].encode())
        self.wfile.flush()
        self.wfile.write(words[3:].encode() + b"\0")
