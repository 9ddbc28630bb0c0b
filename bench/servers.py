"""The website on two provinces at once: a database and a gunicorn for each scale, browsers that are logged in."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = "demo-2026-tai"  # noqa: S105  everybody there is synthetic


class Province:
    """A database with so many synthetic people, on the server that DATABASE_URL names; kept for the next run."""

    def __init__(self, people: int, folder: Path, url: str = ""):
        self.people, self.folder = people, folder / str(people)
        base = url or os.environ["DATABASE_URL"]
        self.url = urlsplit(base)._replace(path=f"/cpe_bench_{people}").geturl()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.known: dict[str, str] = {}

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": self.url,
            "CPE_DATA_DIR": str(self.folder),
            "CPE_EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONPATH": str(ROOT),
        }

    def prepare(self) -> None:
        """Make the database and its province unless an earlier run left them; bring its schema up to date."""
        import psycopg

        name = urlsplit(self.url).path[1:]
        with psycopg.connect(
            urlsplit(self.url)._replace(path="/postgres").geturl(), autocommit=True
        ) as server:
            there = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if there is None:
                server.execute(f'CREATE DATABASE "{name}"')
        self.manage("migrate", "-v0")
        done = self.folder / "accounts.txt"
        if not done.exists():
            said = self.manage("make_province", "--scale", str(self.people))
            print(said, flush=True)
            done.write_text(said, encoding="utf-8")
        self.manage("fold_tallies")
        for line in done.read_text(encoding="utf-8").splitlines():
            label, _, rest = line.partition("\t")
            if rest:
                self.known[label] = rest.split("\t")[0]

    def manage(self, *command: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=self.env, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"manage.py {' '.join(command)}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    @contextmanager
    def serving(self, app: str = "config.wsgi", workers: int = 2, **more: str):
        """A gunicorn with so many workers on a free port of loopback; yields the port."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        static = self.folder / "static"
        if not static.exists():
            self.manage("collectstatic", "--noinput", "-v0")
        command = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", app]
        command += ["--bind", f"127.0.0.1:{port}"]
        more = {"WEB_CONCURRENCY": str(workers), "CPE_GUNICORN_LOG_LEVEL": "warning", **more}
        server = subprocess.Popen(command, cwd=ROOT, env={**self.env, **more})
        try:
            _wait_for(port)
            yield port
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=30)


def _wait_for(port: int) -> None:
    for _ in range(150):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the website does not start")


class Browser:
    """One persistent connection with its cookies."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, form: dict | None = None) -> tuple[int, str]:
        """One request without following redirects: status and text; for a redirect, where it leads."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if form is not None:
            form = {"csrfmiddlewaretoken": self.cookies.get("csrftoken", ""), **form}
            body = urlencode(form, doseq=True)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.connection.request("GET" if form is None else "POST", path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                key, _, rest = value.partition("=")
                self.cookies[key] = rest.partition(";")[0]
        return answer.status, answer.getheader("Location", "") if 300 <= answer.status < 400 else text

    def log_in(self, role: str, id_number: str) -> "Browser":
        self.ask("/login/")
        status, where = self.ask("/login/", {"role": role, "id_number": id_number, "password": PASSWORD})
        if status != 302:
            raise SystemExit(f"{role} cannot log in: {status}")
        if where.startswith("/identity/"):
            _, page = self.ask(where)
            account = re.search(r'action="(/identity/\d+/)"', page)
            self.ask(account[1], {})
        return self

    def timed(self, path: str) -> float:
        """Milliseconds of one page; anything but a page ends the run."""
        begun = time.perf_counter()
        status, text = self.ask(path)
        spent = (time.perf_counter() - begun) * 1000
        if status != 200:
            raise SystemExit(f"{path}: {status} {text[:200]}")
        return spent
