"""A mail server on a local socket that can be slow, or dead, or well, and counts what it took."""

import contextlib
import re
import socket
import socketserver
import threading


class MailServer(socketserver.ThreadingTCPServer):
    """`mode`: "well" takes mails; "silent" accepts the connection and never says a word (trust.md §4.4, F8);
    "thinking" takes the mail and never confirms it.

    `taken` holds the mails as text. Port 0 until it listens; `close()` makes it dead, its port then refuses.
    """

    allow_reuse_address = daemon_threads = True
    block_on_close = False

    def __init__(self, port: int = 0):
        super().__init__(("127.0.0.1", port), Conversation)
        self.mode, self.taken, self.arrived = "well", [], threading.Event()
        self.over = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server_address[1]

    def ids(self) -> list[str]:
        """The Message-ID of each mail taken."""
        return [re.search(r"Message-ID: (\S+)", text)[1] for text in self.taken]

    def close(self) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        with contextlib.suppress(OSError):
            if self.server.mode == "silent":
                self.server.arrived.set()
                self.server.over.wait(60)
                return
            self._talk()

    def _say(self, words: str) -> None:
        self.wfile.write(words.encode() + b"\r\n")

    def _talk(self) -> None:
        self._say("220 local")
        while line := self.rfile.readline():
            verb = line[:4].upper().strip()
            if verb == b"DATA":
                self._say("354 go on")
                self._take()
            elif verb == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 well")

    def _take(self) -> None:
        lines = iter(self.rfile.readline, b".\r\n")
        self.server.taken.append(b"".join(lines).decode())
        self.server.arrived.set()
        if self.server.mode == "thinking":
            self.server.over.wait(60)
            return
        self._say("250 taken")


def free_port() -> int:
    """A port on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
