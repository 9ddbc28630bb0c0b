"""nginx and PgBouncer in front of the real thing, where they are installed: with deploy's files, on loopback."""

import datetime
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.urls import resolve

from tests.cluster import BINARIES, Cluster, as_account, give
from tests.test_operations_deploy import production
from tests.test_operations_logs import NUMBER
from tests.test_operations_roles import LIFE

DEPLOY = settings.BASE_DIR / "deploy"
NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
PGBOUNCER = shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")
HOST = "cpe.example.org"

ECHO = """
import json, os, time
def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow/":
        until = time.monotonic() + 60
        while not os.path.exists("{folder}/go") and time.monotonic() < until:
            time.sleep(0.05)
    size = len(environ["wsgi.input"].read())
    said = {name: value for name, value in environ.items() if name.startswith("HTTP_")} | {"size": size}
    status = "404 Not Found" if "no-such-page" in environ["PATH_INFO"] else "200 OK"
    framed = "SAMEORIGIN" if "/attachments/" in environ["PATH_INFO"] else "DENY"
    start_response(status, [("Content-Type", "application/json"), ("X-Frame-Options", framed),
                            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'"),
                            ("X-Request-ID", environ.get("HTTP_X_REQUEST_ID", ""))])
    return [json.dumps(said).encode()]
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cpe.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "cpe.key").write_bytes(key.private_bytes(*private))


def wait_for(port: int, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


class Front:
    """nginx with deploy/nginx/cpe.conf, its addresses and folders replaced by this test's, before a real gunicorn."""

    def __init__(self, folder: Path):
        self.folder = folder
        certificate(folder)
        self.plain, self.tls = free_ports(2)
        site = (DEPLOY / "nginx" / "cpe.conf").read_text(encoding="utf-8")
        for before, after in (
            (r"listen 80;", f"listen 127.0.0.1:{self.plain};"),
            (r"listen 443 ssl http2;", f"listen 127.0.0.1:{self.tls} ssl http2;"),
            (r"\n *listen \[::\][^\n]*", ""),
            (r"/run/cpe/web.sock", f"{folder}/web.sock"),
            (r"/etc/cpe/tls", str(folder)),
            (r"/var/log/nginx", str(folder)),
            (r"limit_conn connections 60;", "limit_conn connections 500;"),  # everybody here has one address
            (
                r"(zone=(?:logins|verification):10m) rate=\S+;",
                r"\1 rate=1r/m;",
            ),  # only the bursts count, however slow we are
        ):
            site, times = re.subn(before, after, site)
            assert times, before
        (folder / "site.conf").write_text(site, encoding="utf-8")
        user = "user root;" if os.geteuid() == 0 else ""  # the folder of a test is open to nobody else
        temporary = "".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;"
            f"events {{}} http {{ default_type text/html; {temporary} include {folder}/site.conf; }}"
        )
        (folder / "echo.py").write_text(ECHO.replace("{folder}", str(folder)))
        self.command = [NGINX, "-p", folder, "-c", folder / "nginx.conf"]

    def start(self) -> None:
        self.log = self.folder / "out"
        with self.log.open("wb") as log:
            self.gunicorn = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", "echo:application"]
                + ["--bind", f"unix:{self.folder}/web.sock"],
                cwd=settings.BASE_DIR, stdout=log, stderr=log,
                env={**os.environ, "PYTHONPATH": f"{settings.BASE_DIR}:{self.folder}", "CPE_ACCESS_LOG": "1"},
            )  # fmt: skip
            self.nginx = subprocess.Popen(self.command, stdout=log, stderr=log)
        wait_for(self.tls, self.nginx, self.log)
        deadline = time.monotonic() + 60
        while not (self.folder / "web.sock").exists():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        for process in (self.nginx, self.gunicorn):
            process.terminate()
            process.wait(20)

    def ask(self, path: str, method="GET", body=None, tls=True, **headers):
        context = ssl.create_default_context(cafile=self.folder / "cpe.crt")
        context.check_hostname = False
        if tls:
            connection = http.client.HTTPSConnection("127.0.0.1", self.tls, context=context, timeout=20)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body=body, headers={"Host": HOST, **named})
        answer = connection.getresponse()
        answer.content = answer.read()
        connection.close()
        return answer


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    if not NGINX:
        pytest.skip("!!! no nginx: deploy/nginx/cpe.conf is not tried")
    one = Front(tmp_path_factory.mktemp("front"))
    one.start()
    yield one
    one.stop()


def test_nginx_takes_the_file(front):
    done = subprocess.run([*front.command, "-t"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "syntax is ok" in done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "/login/",
        "/forgot/",
        "/reset/x/",
        "/second-factor/",
        "/register/progress/",
        "/hours/verify/",
        "/api/v1/",
    ],
)
def test_what_is_limited_exists(path):
    """A rule for an address that moved would protect nothing."""
    resolve(path)
    site = (DEPLOY / "nginx" / "cpe.conf").read_text(encoding="utf-8")
    limited = re.findall(r"location (~ )?(\S+) \{\s+limit_req zone=(?!pages)", site)
    assert any(re.match(rule if regex else re.escape(rule), path) for regex, rule in limited)


def test_plain_http_leads_to_https(front):
    answer = front.ask("/login/?next=/hours/", tls=False, Host="evil.example.com")
    assert answer.status == 301
    assert answer.headers["Location"] == f"https://{HOST}/login/?next=/hours/"


def test_what_the_application_is_told(front):
    """Whatever a client writes into these headers, the application sees what nginx saw."""
    said = json.loads(
        front.ask(
            "/faq/",
            X_Forwarded_For="203.0.113.9, 10.0.0.1",
            X_Forwarded_Proto="http",
            X_Request_ID="made-by-the-client",
            Forwarded="for=203.0.113.9",
        ).content
    )
    assert said["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert said["HTTP_X_FORWARDED_PROTO"] == "https"
    assert said["HTTP_HOST"] == HOST
    assert re.fullmatch(r"[0-9a-f]{32}", said["HTTP_X_REQUEST_ID"])
    assert "HTTP_FORWARDED" not in said


def test_every_answer_is_protected_once(front):
    for path in ("/faq/", "/no-such-page/", "/ready/"):
        headers = front.ask(path).headers
        for name, value in (
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains; preload"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "same-origin"),
            ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'"),
        ):
            assert headers.get_all(name) == [value], (path, name)
        assert headers["Server"] == "nginx"  # no version


def test_what_the_application_lets_be_framed_is_not_forbidden_in_front_of_it(front):
    """A PDF stands inside the reviewer's page: browsers obey every policy that arrives, so there must be one."""
    headers = front.ask("/attachments/1/?open").headers
    assert headers.get_all("X-Frame-Options") == ["SAMEORIGIN"]
    assert headers.get_all("Content-Security-Policy") == ["default-src 'none'; frame-ancestors 'self'"]


def test_what_nginx_answers_itself_is_protected_too(front):
    headers = front.ask("/login/", "POST", b"x" * 70_000).headers
    assert headers.get_all("X-Frame-Options") == ["DENY"]
    [policy] = headers.get_all("Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


def test_bodies_have_a_limit(front):
    assert json.loads(front.ask("/hours/declare/", "POST", b"x" * 11_000_000).content)["size"] == 11_000_000
    assert front.ask("/hours/declare/", "POST", b"", Content_Length=str(56 * 1024 * 1024)).status == 413
    assert front.ask("/login/", "POST", b"x" * 70_000).status == 413
    assert front.ask("/hours/verify/", "POST", b"", Content_Length=str(12 * 1024 * 1024)).status == 413


@pytest.mark.parametrize("path", ["/health/", "/ready/", "/metrics"])
def test_machines_of_ours_only(front, path):
    """From this machine they open; the file names no other network."""
    assert front.ask(path).status == 200
    site = (DEPLOY / "nginx" / "cpe.conf").read_text(encoding="utf-8")
    [block] = re.findall(r"location ~ \^/\(health\|ready\|metrics\)/\?\$ \{(.*?)\n    \}", site, re.DOTALL)
    assert re.findall(r"(?:allow|deny) [^;]+;", block) == ["allow 127.0.0.0/8;", "allow ::1;", "deny all;"]


def test_no_log_holds_a_query_or_a_secret_address(front):
    front.ask(
        f"/search/?q={NUMBER}", Referer=f"https://x/?q={NUMBER}", User_Agent=NUMBER, Cookie="sessionid=abcdef"
    )
    front.ask("/reset/SECRET-TOKEN-OF-A-RESET/")
    front.ask(f"/search/?q={NUMBER}", tls=False)
    time.sleep(0.2)
    logs = "".join(path.read_text() for path in front.folder.glob("*.log")) + front.log.read_text()
    assert '"path":"/search/"' in logs
    assert '"path":"/reset/…"' in logs
    for canary in (NUMBER, "SECRET-TOKEN", "abcdef"):
        assert canary not in logs
    for line in (front.folder / "cpe.log").read_text().splitlines():
        assert json.loads(line)["request_id"]


def test_who_would_wait_too_long_is_told_so_at_once(front):
    """Of ninety at a time eighty are served, however long it takes; the others hear in a moment when to come again."""
    with ThreadPoolExecutor(90) as people:
        asked = [people.submit(front.ask, "/slow/") for _ in range(90)]
        deadline = time.monotonic() + 60
        while sum(one.done() for one in asked) < 10:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        turned_away = [one.result() for one in asked if one.done()]
        (front.folder / "go").touch()
        answers = [one.result() for one in asked]
    assert sorted(answer.status for answer in answers) == [200] * 80 + [503] * 10
    for answer in turned_away:
        assert answer.headers.get_all("Retry-After") == ["20"]
        assert answer.headers.get_all("X-Content-Type-Options") == ["nosniff"]
        assert "请 20 秒后刷新本页再试" in answer.content.decode()
    after = front.ask("/slow/")
    assert (after.status, after.headers["Retry-After"]) == (200, None)


def test_who_asks_too_often_is_told_so(front):
    """The bursts of the file, but for what the tests above have used."""
    seen = [front.ask("/hours/verify/").status for _ in range(25)]
    assert seen.index(429) in range(12, 17)
    assert front.ask("/faq/").status == 200  # other pages are not touched by it
    logins = [front.ask("/login/").status for _ in range(70)]
    assert logins.index(429) in range(55, 62)


# --- PgBouncer ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pooled(tmp_path_factory):
    """A server with the roles, and PgBouncer before it with deploy's file: (server, URL through PgBouncer)."""
    if not PGBOUNCER:
        pytest.skip("!!! no pgbouncer: deploy/postgresql/pgbouncer.ini is not tried")
    folder = give(tmp_path_factory.mktemp("pool"))
    server = Cluster(folder / "pg", fsync="off").make().start()
    process = None
    try:
        server.sql("CREATE DATABASE cpe")
        server.run(BINARIES / "psql", "--set=ON_ERROR_STOP=1", "--dbname=cpe", "--file", DEPLOY / "roles.sql")
        server.sql("ALTER ROLE cpe_app PASSWORD 'secret'")
        [(verifier,)] = server.sql("SELECT rolpassword FROM pg_authid WHERE rolname = 'cpe_app'")
        assert verifier.startswith("SCRAM-SHA-256")
        [port] = free_ports(1)
        ini = (DEPLOY / "postgresql" / "pgbouncer.ini").read_text(encoding="utf-8")
        for before, after in (
            ("host=127.0.0.1", f"host={server.sockets}"),
            ("listen_port = 6432", f"listen_port = {port}"),
            ("/etc/pgbouncer/userlist.txt", f"{folder}/userlist.txt"),
        ):
            assert before in ini
            ini = ini.replace(before, after)
        (folder / "pgbouncer.ini").write_text(ini + f"unix_socket_dir = {server.sockets}\n")
        (folder / "userlist.txt").write_text(f'"cpe_app" "{verifier}"\n')
        log = folder / "pgbouncer.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                as_account(PGBOUNCER, folder / "pgbouncer.ini"),
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        wait_for(port, process, log)
        yield server, f"postgres://cpe_app:secret@127.0.0.1:{port}/cpe?connect_timeout=5", log
    finally:
        if process:
            process.terminate()
            process.wait(20)
        server.stop()


def test_people_work_through_pgbouncer(pooled, tmp_path):
    """The same day's work as straight to the server, and the worker beside it."""
    server, url, log = pooled
    straight = {"DATABASE_URL": server.url("cpe", "cpe_owner"), "DATABASE_WORKER_URL": ""}
    run = {"cwd": settings.BASE_DIR, "capture_output": True, "text": True}
    given = production(tmp_path)
    done = subprocess.run([sys.executable, "manage.py", "migrate"], env=given | straight, **run)
    assert done.returncode == 0, done.stderr
    given |= {
        "DATABASE_URL": url,
        "DATABASE_WORKER_URL": server.url("cpe", "cpe_app"),
        "CPE_TESTING": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", LIFE], env=given | {"CPE_HTTPS": "0", "CPE_SECOND_FACTOR": "optional"}, **run
    )
    assert done.returncode == 0, done.stderr[-3000:] + log.read_text()[-1000:]
    assert done.stdout.splitlines()[-1] == "cpe_app"
    # What Django sends at the start of a connection is dropped on the way; the role's own timeouts are not.
    with psycopg.connect(url, options="-c statement_timeout=1") as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("30s",)
