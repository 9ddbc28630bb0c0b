"""The demo: one command from an empty machine to a running town."""

import http.cookiejar
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from html import unescape
from urllib.parse import urlencode

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command

from accounts.models import Role
from config import embedded
from config.management.commands.load_town import town_accounts

LOADERS = ("load_reference", "load_hours", "load_bureaus", "load_town")


class Command(BaseCommand):
    help = "准备数据库和示例数据，在本机启动演示系统；再次运行会接着使用同一份数据。"

    def add_arguments(self, parser):
        parser.add_argument("--port", type=int, default=8000, help="端口，默认 8000；被占用时自动换一个")
        parser.add_argument("--check", action="store_true", help="冒烟检查：启动、登录、打开首页、停止")

    def handle(self, *args, port, check, **options):
        for sign in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, lambda *_: sys.exit(0))
        accounts = self.prepare()
        with self.listen(0 if check else port) as listener:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            server = self.serve(listener)
            worker = self.work(address)
        try:
            self.wait_for_answer(address, server)
            if check:
                self.smoke(address)
                self.stdout.write(self.style.SUCCESS("冒烟检查通过：启动、登录、首页。"))
                return
            self.stdout.write(accounts)
            if "CPE_EMAIL_BACKEND" not in os.environ:
                self.stdout.write(f"邮件不外发，写在 {settings.EMAIL_FILE_PATH}")
            self.stdout.write(
                self.style.SUCCESS(
                    f"演示系统已启动：{address}    按 Ctrl-C 停止，数据保留在 {settings.DATA_DIR}"
                )
            )
            self.stdout.flush()
            self.watch(server, worker)
        except KeyboardInterrupt:
            self.stdout.write("\n正在停止……")
        finally:
            stop(server, worker)

    def prepare(self) -> str:
        """Bring schema, data and static files up to date; return the table of demo accounts."""
        self.stdout.write("准备数据库……")
        call_command("migrate", interactive=False, verbosity=0)
        said = io.StringIO()
        for name in LOADERS:
            said = io.StringIO()
            call_command(name, stdout=said)
        call_command("collectstatic", interactive=False, verbosity=0)
        return said.getvalue()

    def listen(self, port: int) -> socket.socket:
        """Bind here and hand the socket on, so that nobody can take the port in between."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
            listener.listen()  # with SO_REUSEADDR a port in use may show only here
        except OSError:
            listener.close()
            self.stdout.write(self.style.WARNING(f"端口 {port} 已被占用，改用空闲端口。"))
            return self.listen(0)
        return listener

    def serve(self, listener: socket.socket) -> subprocess.Popen:
        command = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn"]
        return subprocess.Popen(
            [*command, "--bind", f"fd://{listener.fileno()}", "config.wsgi"],
            pass_fds=[listener.fileno()],
            cwd=settings.BASE_DIR,
            env={"CPE_GUNICORN_LOG_LEVEL": "warning", **os.environ, "CPE_PARENT_PID": str(os.getpid())},
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops it in good order
        )

    def work(self, address: str) -> subprocess.Popen:
        """Run the queue: messages, and the mails as files that can be looked at."""
        settings.EMAIL_FILE_PATH.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = "django.core.mail.backends.filebased.EmailBackend"
        own = {"CPE_PARENT_PID": str(os.getpid()), "CPE_URL": address}
        return subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=settings.BASE_DIR,
            env={"CPE_EMAIL_BACKEND": files, **os.environ, **own},
            start_new_session=True,
        )

    def wait_for_answer(self, address: str, server: subprocess.Popen, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while server.poll() is None and time.monotonic() < deadline:
            try:
                Browser(address).open("login/")
            except urllib.error.HTTPError as error:
                raise CommandError(f"网站已启动，但登录页返回 {error.code}。") from error
            except OSError:
                time.sleep(0.1)
            else:
                return
        raise CommandError("网站未能启动，原因见上。")

    def watch(self, server: subprocess.Popen, worker: subprocess.Popen) -> None:
        """Return only with an error: the demo ends when the site, its worker or its embedded database does."""
        url = os.environ["DATABASE_URL"]
        embedded_in_use = embedded.running_url() == url
        while server.poll() is None and worker.poll() is None:
            if embedded_in_use and embedded.running_url() != url:
                raise CommandError("内置数据库意外停止。数据没有丢失，请再次启动。")
            time.sleep(0.5)
        raise CommandError("网站意外停止，请再次启动。")

    def smoke(self, address: str) -> None:
        """Log in as a person would, over HTTP, and read the home page."""
        someone = next(one for one in town_accounts() if one.role == Role.PRACTITIONER)
        browser = Browser(address)
        page = browser.open("login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        if token is None:
            raise CommandError("登录页没有表单。")
        try:
            account = {"role": someone.role, "id_number": someone.id_number, "password": someone.password}
            browser.open("login/", account | {"csrfmiddlewaretoken": token[1]})
            page = browser.open("")
        except urllib.error.HTTPError as error:
            raise CommandError(f"登录或首页返回 {error.code}。") from error
        if someone.name not in unescape(page):
            raise CommandError("登录后的首页上没有该人员的姓名。")


class Browser:
    """The least of a browser: cookies, redirects, forms. No proxy, since it speaks to this machine alone."""

    def __init__(self, address: str):
        self.address = address
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)

    def open(self, path: str, form: dict | None = None) -> str:
        """Return the page's text; raises HTTPError for 4xx and 5xx."""
        request = urllib.request.Request(
            self.address + path,
            data=urlencode(form).encode() if form else None,
            headers={"Referer": self.address + path},
        )
        with self.opener.open(request, timeout=30) as answer:
            return answer.read().decode()


def stop(*processes: subprocess.Popen) -> None:
    """End the site and its worker: what is running may finish, then it is killed."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    for process in processes:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
