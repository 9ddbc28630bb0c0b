"""deploy/container is read and compared here, never built or run: no container can be started where the tests run.

What is asked of each service and each image: no root, nothing written into the image, an end to its memory, a question
whether it works, a fresh start when it does not, and no secret inside.
"""

import re
import time
from fnmatch import fnmatch
from pathlib import Path

import psycopg
import pytest
import yaml
from django.conf import settings
from django.db import connection

from config import worker_alive

FOLDER = settings.BASE_DIR / "deploy" / "container"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
ONCE = {"migrate"}  # runs to its end
SIZES = {"m": 1, "g": 1024}


def megabytes(text: str) -> int:
    return int(text[:-1]) * SIZES[text[-1]]


def instructions(containerfile: str) -> list[tuple[str, str]]:
    """(word, rest) of each instruction, its lines joined, without comments."""
    lines = [line for line in containerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines() if line.strip()]


def images() -> dict[str, list[tuple[str, str]]]:
    """{target: its instructions}."""
    found = {}
    for word, rest in instructions((FOLDER / "Containerfile").read_text(encoding="utf-8")):
        if word == "FROM":
            target = rest.split(" AS ")[1]
            found[target] = []
        found[target].append((word, rest))
    return found


IMAGES = images()


def complaints(name: str, service: dict) -> list[str]:
    """What is missing in one service."""
    wrong = []
    if "mem_limit" not in service or service.get("memswap_limit") != service["mem_limit"]:
        wrong.append("memory without an end, or swap")
    elif sum(megabytes(re.search(r"size=(\d+[mg])", one)[1]) for one in service.get("tmpfs", [])) * 3 > 2 * (
        megabytes(service["mem_limit"])
    ):
        wrong.append("what it may put into tmpfs is more than two thirds of its memory")
    if name in ONCE:
        if service.get("restart") != "no" or service.get("healthcheck") != {"disable": True}:
            wrong.append("runs once, yet is started again or asked for its health")
    else:
        if service.get("restart") != "unless-stopped":
            wrong.append("is not started again")
        if service.get("healthcheck", {}).get("test", [""])[0] != "CMD":
            wrong.append("nobody asks whether it works")
    if service.get("read_only") is not True:
        wrong.append("may write into its image")
    if not any(one.startswith("/tmp:") for one in service.get("tmpfs", [])):
        wrong.append("no /tmp")
    if not re.fullmatch(r"[1-9]\d*", str(service.get("user", ""))):
        wrong.append("may be root")
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add") or service.get("privileged"):
        wrong.append("has capabilities")
    if service.get("security_opt") != ["no-new-privileges:true"]:
        wrong.append("may gain rights")
    if not service.get("pids_limit"):
        wrong.append("as many processes as it likes")
    for variable, value in service.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|KEY|TOKEN", variable) and not str(value).startswith("/run/secrets/"):
            wrong.append(f"a secret in {variable}")
    return wrong


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_confined_watched_and_started_anew(name):
    assert complaints(name, SERVICES[name]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"mem_limit": None}, {"memswap_limit": "64g"}, {"restart": "no"}, {"healthcheck": {"disable": True}},
        {"read_only": False}, {"tmpfs": []}, {"user": "root"}, {"user": "0"}, {"cap_add": ["NET_ADMIN"]},
        {"privileged": True}, {"security_opt": []}, {"tmpfs": ["/tmp:size=1800m"]},
        {"environment": {"SECRET_KEY": "x"}}, {"pids_limit": None},
    ],
    ids=str,
)  # fmt: skip
def test_the_control_each_of_it_can_be_missed(change):
    spoilt = SERVICES["web"] | change
    assert complaints("web", {name: value for name, value in spoilt.items() if value is not None})


def test_together_they_fit_on_the_host_that_the_file_names():
    always = sum(megabytes(service["mem_limit"]) for name, service in SERVICES.items() if name not in ONCE)
    promised = re.search(r"One host with (\d+) GB", (FOLDER / "compose.yaml").read_text())[1]
    assert always < int(promised) * 1024 * 0.9
    shared = re.search(
        r"^shared_buffers = (\d+)GB", (FOLDER.parent / "postgresql/cpe.conf").read_text(), re.M
    )
    assert int(shared[1]) * 1024 * 3 < megabytes(SERVICES["db"]["mem_limit"])


def test_nobody_outside_reaches_the_database():
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["nginx"]
    for name in ("db", "pgbouncer", "migrate"):
        assert SERVICES[name]["networks"] == ["inside"]
    assert "inside" not in SERVICES["nginx"]["networks"]


def test_the_user_of_a_service_is_that_of_its_image():
    for service in SERVICES.values():
        users = [rest for word, rest in IMAGES[service["build"]["target"]] if word == "USER"]
        assert users[-1:] == [service["user"]]


@pytest.mark.parametrize("target", [target for target in IMAGES if target != "packages"])
def test_no_image_runs_as_root_or_holds_a_secret(target):
    own = IMAGES[target]
    words = [word for word, _ in own]
    assert set(words) <= {"FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "EXPOSE", "CMD", "HEALTHCHECK"}
    assert "HEALTHCHECK" in words
    # Whatever stands behind the last USER no longer changes files.
    assert "RUN" not in words[len(words) - words[::-1].index("USER") :]
    assert int([rest for word, rest in own if word == "USER"][-1]) > 0
    for word, rest in own:
        if word in ("ENV", "RUN"):
            assert not re.search(r"(?i)passw|secret|token|_key\b|keys_file", rest), rest
        if word == "FROM":
            assert re.search(r":[\w.]*\d[\w.-]* AS ", rest), "an image without a version"
            assert "latest" not in rest


def ignored(path: str, rules: list[str]) -> bool:
    """As the builders read .dockerignore: the last rule that fits the path or a folder above it."""
    verdict = False
    parents = [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        if any(
            fnmatch(one, pattern) or ("**/" in rule and fnmatch(Path(one).name, pattern)) for one in parents
        ):
            verdict = not rule.startswith("!")
    return verdict


def test_the_builder_sees_what_it_copies_and_neither_keys_nor_data():
    text = (settings.BASE_DIR / ".dockerignore").read_text(encoding="utf-8")
    rules = [line for line in text.splitlines() if line and not line.startswith("#")]
    copied = [
        source
        for own in IMAGES.values()
        for word, rest in own
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert len(copied) > 15
    for source in copied:
        assert (settings.BASE_DIR / source).exists(), source
        assert not ignored(source, rules), source
    for secret in (
        ".data/keys.json", ".git/config", ".venv/bin/python", "deploy/container/secrets/keys.json",
        "deploy/container/environment", "deploy/container/environment.owner", "config/__pycache__/x.pyc",
        "tests/town.py", "keys.json",
    ):  # fmt: skip
        assert ignored(secret, rules), secret


def test_what_the_images_change_in_our_files_is_there_to_be_changed():
    """A sed that finds nothing says nothing."""
    said = " ".join(rest for own in IMAGES.values() for word, rest in own if word == "RUN")
    nginx = (FOLDER.parent / "nginx" / "cpe.conf").read_text()
    assert "s|server unix:/run/cpe/web.sock fail_timeout=0;|" in said
    assert "server unix:/run/cpe/web.sock fail_timeout=0;" in nginx
    for log in re.findall(r"(?:access|error)_log (\S+?)[ ;]", nginx):
        assert log == "off" or f" {log}" in said, log
    bouncer = (FOLDER.parent / "postgresql" / "pgbouncer.ini").read_text()
    assert re.search(r"^listen_addr = ", bouncer, re.M)
    assert "host=127.0.0.1" in bouncer
    assert re.search(r"^listen_port = ", bouncer, re.M)


def test_the_docs_say_what_was_not_done():
    said = (settings.BASE_DIR / "docs" / "operations.md").read_text(encoding="utf-8")
    assert "没有构建或运行过" in said


# --- the question whether the worker lives: this one can be asked here ---------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_worker_s_sign_of_life():
    parameters = connection.get_connection_params()
    url = psycopg.conninfo.make_conninfo(
        **{
            name: parameters[name]
            for name in ("host", "port", "dbname", "user", "password")
            if parameters.get(name)
        }
    )
    assert worker_alive.is_alive(url) is False
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '50 s')")
        assert worker_alive.is_alive(url) is True
        cursor.execute("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '70 s'")
        assert worker_alive.is_alive(url) is False
        cursor.execute("DELETE FROM procrastinate_workers")


def test_without_a_database_it_is_not_well_and_says_little(monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_WORKER_URL", "postgres://cpe_app:password@127.0.0.1:1/cpe")
    began = time.monotonic()
    assert worker_alive.main() == 1
    assert time.monotonic() - began < 10
    assert capsys.readouterr().err == "no answer from the database: OperationalError\n"
