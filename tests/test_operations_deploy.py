"""The files of deploy/ say what the code says, and what can be run here is run: settings, server, nginx, PgBouncer.

Containers cannot be started here; their files are read and compared. systemd's units go through systemd-analyze.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands

from config import embedded
from tests.cluster import BINARIES, Cluster, give
from tests.test_floors import FLOORS

ROOT = settings.BASE_DIR
DEPLOY = ROOT / "deploy"
REFERENCE = DEPLOY / "environment"
# Of Python, Django and the shell, not of this installation.
NOT_OURS = {"DJANGO_SETTINGS_MODULE"}


# --- environment -------------------------------------------------------------------------------------


def variables_read(path: Path) -> set[str]:
    """Names of environment variables that a Python file reads: os.environ["X"], os.environ.get("X"), os.getenv("X")."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.unparse(node) if isinstance(node, (ast.Call, ast.Subscript)) else ""
        if match := re.match(r"os\.(?:environ(?:\.get\(|\[)|getenv\()'([A-Z_]+)'", text):
            found.add(match[1])
    return found


def documented() -> dict[str, str]:
    """{name: value} of the reference; those behind a # too."""
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    return dict(match.groups() for line in lines if (match := re.fullmatch(r"#?([A-Z][A-Z_]+)=(.*)", line)))


def read_anywhere() -> set[str]:
    code = {
        name
        for app in FLOORS
        for path in (ROOT / app).rglob("*.py")
        for name in variables_read(path)
        if "__pycache__" not in path.parts
    }
    scripts = {
        name
        for path in DEPLOY.glob("*.sh")
        for name in re.findall(r"\$\{?(CPE_[A-Z_]+)", path.read_text(encoding="utf-8"))
    }
    return (code | scripts) - NOT_OURS


def test_every_variable_is_documented_and_no_other():
    assert variables_read(ROOT / "config" / "settings.py") <= set(documented())
    assert read_anywhere() == set(documented())


def test_a_variable_is_found_however_it_is_read(tmp_path):
    """The test above can fail."""
    file = tmp_path / "x.py"
    file.write_text("os.environ['CPE_A']\nint(os.environ.get('CPE_B', '1'))\nx = os.getenv('CPE_C') or 2\n")
    assert variables_read(file) == {"CPE_A", "CPE_B", "CPE_C"}


def test_defaults_are_those_of_the_code():
    """What the reference shows behind a # is what happens without the line."""
    shown = {
        match[1]: match[2]
        for line in REFERENCE.read_text(encoding="utf-8").splitlines()
        if (match := re.fullmatch(r"#([A-Z][A-Z_]+)=(.+)", line))
    }
    code = "".join(
        (ROOT / "config" / name).read_text(encoding="utf-8") for name in ("settings.py", "gunicorn.py")
    )
    for name, value in shown.items():
        if name.startswith("CPE_BACKUP"):
            code_default = re.search(rf"{name}:=(\d+)", (DEPLOY / "backup.sh").read_text())[1]
        else:
            code_default = re.search(rf'"{name}",\s*"([^"]*)"', code)[1]
        assert code_default == value, name


def production(folder: Path, **changed) -> dict:
    """The environment of an installation that filled in the reference, nothing else."""
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    given = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]", line))
    keys = folder / "keys.json"
    python = [sys.executable, "-c", "import json, config.keys as k; print(json.dumps(k._fresh()))"]
    keys.write_text(subprocess.run(python, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
    inherited = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return inherited | given | {"CPE_DATA_DIR": str(folder), "CPE_KEYS_FILE": str(keys), **changed}


def manage(environment: dict, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_deploy_is_clean(tmp_path):
    done = manage(production(tmp_path), "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_manage_sh_reads_the_file_as_the_services_do(tmp_path):
    """Values with blanks too; what is set already stays."""
    given = production(tmp_path)
    file = tmp_path / "environment"
    file.write_text(
        "# words\n" + "\n".join(f"{name}={value}" for name, value in given.items() if name != "PATH")
    )
    done = subprocess.run(
        [DEPLOY / "manage.sh", "diffsettings", "--all"],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable}
        | {"ENVIRONMENT_FILE": str(file), "CPE_PHONE": "12345"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "'hours': '工作日 8:30–17:30'" in done.stdout
    assert "'phone': '12345'" in done.stdout
    assert str(tmp_path) in done.stdout


def test_check_deploy_would_complain(tmp_path):
    done = manage(production(tmp_path, CPE_HTTPS="0"), "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 1
    assert "security.W012" in done.stderr


def test_no_secret_has_a_default_that_works(tmp_path):
    """The keys file must be there: fresh keys would orphan the data."""
    done = manage(production(tmp_path, CPE_KEYS_FILE=str(tmp_path / "none")), "check")
    assert done.returncode != 0
    assert "CPE_KEYS_FILE names a file that does not exist" in done.stderr


# --- PostgreSQL --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with deploy/postgresql/cpe.conf, its sizes and the archive's folder apart."""
    folder = tmp_path_factory.mktemp("deploy")
    cluster = Cluster(
        folder / "pg", shared_buffers="32MB", effective_cache_size="64MB", maintenance_work_mem="16MB",
        archive_command="true",
    ).make()  # fmt: skip
    ours = cluster.data / "conf.d" / "cpe.conf"
    give(ours.parent)
    shutil.copy(DEPLOY / "postgresql" / "cpe.conf", ours)
    with (cluster.data / "postgresql.conf").open("a") as file:
        file.write("\ninclude_dir = 'conf.d'\n")
    subprocess.run(["chown", "-R", "--reference", cluster.data, cluster.data], check=True)
    cluster.start()
    cluster.sql("CREATE DATABASE cpe")
    cluster.run(BINARIES / "psql", "--set=ON_ERROR_STOP=1", "--dbname=cpe", "--file", DEPLOY / "roles.sql")
    done = manage(
        production(folder, DATABASE_URL=cluster.url("cpe", "cpe_owner"), DATABASE_WORKER_URL=""), "migrate"
    )
    assert done.returncode == 0, done.stderr
    yield cluster
    cluster.stop()


needs_unix = pytest.mark.skipif(embedded.fcntl is None, reason="a cluster of its own needs a Unix")


@needs_unix
def test_the_server_is_as_the_check_wants_it(server, tmp_path):
    as_app = production(tmp_path, DATABASE_URL=server.url("cpe", "cpe_app"), DATABASE_WORKER_URL="")
    done = manage(as_app, "check", "--deploy", "--database", "default", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    wrong = "SELECT name, sourceline, error FROM pg_file_settings WHERE error IS NOT NULL AND name <> ALL(%s)"
    with server.connect() as connection:  # but for the sizes that this test keeps small
        assert connection.execute(wrong, [list(server.settings)]).fetchall() == []


@needs_unix
def test_the_check_names_what_is_wrong(server, tmp_path):
    server.sql("ALTER SYSTEM SET log_parameter_max_length = -1")
    server.sql("SELECT pg_reload_conf()")
    try:
        as_super = production(tmp_path, DATABASE_URL=server.url("cpe", "postgres"), DATABASE_WORKER_URL="")
        done = manage(as_super, "check", "--deploy", "--database", "default", "--fail-level", "WARNING")
        assert done.returncode == 1
        assert "PostgreSQL 的 log_parameter_max_length 是 -1，应为 0" in done.stderr
        assert "超级用户" in done.stderr
    finally:
        server.sql("ALTER SYSTEM RESET log_parameter_max_length")
        server.sql("SELECT pg_reload_conf()")


@needs_unix
def test_the_servers_log_shows_nothing_that_was_typed(server):
    """Duplicate, too long, not fitting, misspelt, slow: each with a canary in a parameter, a literal or a row."""
    canary = "370902199001010005"
    with server.connect("cpe", "cpe_owner", autocommit=True) as connection:
        connection.execute("CREATE TABLE canary (n text PRIMARY KEY CHECK (length(n) < 30))")
        connection.execute("INSERT INTO canary VALUES (%s)", [canary])
        for statement, parameters in (
            ("INSERT INTO canary VALUES (%s)", [canary]),
            (f"INSERT INTO canary VALUES ('{canary}{canary}')", []),
            ("SELECT %s::text::integer", [canary]),
            (f"SELECT '{canary}' FROM nothing", []),
            ("DO $$ BEGIN RAISE EXCEPTION '%', 370902199001010005; END $$", []),
        ):
            with pytest.raises(psycopg.Error):
                connection.execute(statement, parameters)
        connection.execute(f"SELECT pg_sleep(1.1), '{canary}'")
        connection.execute("DROP TABLE canary")
    server.sql("CHECKPOINT")
    log = server.log.read_text()
    assert "checkpoint complete" in log  # it does say something
    assert canary not in log


@needs_unix
def test_the_control_an_ordinary_server_shows_it(server):
    canary = "370902199001010005"
    with server.connect(options="-c log_min_messages=warning") as connection, pytest.raises(psycopg.Error):
        connection.execute("SELECT %s::text::integer", [canary])
    assert canary in server.log.read_text()


# --- units, containers, alerts --------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((DEPLOY / "systemd").iterdir()), ids=lambda path: path.name)
def test_units_run_commands_that_exist(path):
    text = path.read_text(encoding="utf-8")
    for command in re.findall(r"manage\.py (\w+)", text):
        assert command in get_commands()
    for script in re.findall(r"/opt/cpe/(deploy/\S+)", text):
        assert os.access(ROOT / script, os.X_OK)
    if path.suffix == ".service":
        for word in (
            "User=cpe",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "EnvironmentFile=/etc/cpe/environment",
        ):
            assert word in text
    else:
        assert path.with_suffix(".service").exists()


@pytest.mark.parametrize("name", ["cpe-web", "cpe-worker"])
def test_what_runs_always_is_ended_at_the_end_of_its_memory_and_started_anew(name):
    text = (DEPLOY / "systemd" / f"{name}.service").read_text(encoding="utf-8")
    said = dict(re.findall(r"^(\w+)=(.+)$", text, re.MULTILINE))
    megabytes = {
        key: int(said[key][:-1]) * {"M": 1, "G": 1024}[said[key][-1]] for key in ("MemoryHigh", "MemoryMax")
    }
    assert 0 < megabytes["MemoryHigh"] < megabytes["MemoryMax"]
    assert said["MemorySwapMax"] == "0"
    assert said["Restart"] == "always"  # what the kernel ended too
    # gunicorn replaces one of its workers by itself; to stop them all would end every request under way.
    assert said["OOMPolicy"] == {"cpe-web": "continue", "cpe-worker": "stop"}[name]


@pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="no systemd-analyze: the units are not verified"
)
def test_systemd_understands_the_units(tmp_path):
    """Copied with this project's paths, so that the programs exist."""
    program = Path(sys.executable)
    for path in (DEPLOY / "systemd").iterdir():
        text = path.read_text(encoding="utf-8").replace("/opt/cpe/.venv/bin", str(program.parent))
        (tmp_path / path.name).write_text(text.replace("/opt/cpe", str(ROOT)))
    units = [*tmp_path.glob("*.service"), *tmp_path.glob("*.timer")]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True)
    complaints = [
        line for line in done.stderr.splitlines() if re.search(r"/?cpe-[a-z-]+\.(service|timer)", line)
    ]
    assert complaints == []


def test_compose_names_what_exists():
    folder = DEPLOY / "container"
    compose = yaml.safe_load((folder / "compose.yaml").read_text(encoding="utf-8"))
    assert set(compose["services"]) == {"db", "pgbouncer", "migrate", "web", "worker", "nginx"}
    containerfile = (folder / "Containerfile").read_text(encoding="utf-8")
    for name, service in compose["services"].items():
        if "build" in service:
            assert (folder / service["build"]["context"] / service["build"]["dockerfile"]).exists()
            assert re.search(rf" AS {service['build']['target']}$", containerfile, re.MULTILINE)
        for other in service.get("depends_on", {}):
            assert other in compose["services"], name
        for secret in service.get("secrets", []):
            assert secret in compose["secrets"]
        for network in service.get("networks", []):
            assert network in compose["networks"]
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            given_by_the_installation = source.startswith("./secrets/")
            if source.startswith(".") and not given_by_the_installation:
                assert (folder / source).exists(), source
            elif not source.startswith("."):
                assert source in compose["volumes"]
    known = set(documented())
    for service in compose["services"].values():
        assert {name for name in service.get("environment", {}) if name.startswith("CPE_")} <= known


def test_the_image_holds_the_code_and_nothing_else():
    """Not the whole folder: it would bring the builder's keys and data."""
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "container" / "Containerfile").read_text(), re.MULTILINE
    )
    assert {*FLOORS, "static", "templates", "manage.py", "deploy/grants.sql"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied if not name.startswith("/"))
    assert "." not in copied


@pytest.mark.django_db
def test_alerts_ask_for_figures_that_exist(client):
    client.get("/faq/")
    shown = client.get("/metrics").content.decode()
    known = set(re.findall(r"^([a-z_]+)", shown, re.MULTILINE)) | {"cpe_jobs_failed", "cpe_scanner_up"}
    alerts = yaml.safe_load((DEPLOY / "monitoring" / "alerts.yaml").read_text(encoding="utf-8"))
    for rule in alerts["groups"][0]["rules"]:
        asked = set(re.findall(r"\bcpe_[a-z_]+", rule["expr"]))
        assert asked
        assert asked <= known
        assert rule["annotations"]["summary"]


@pytest.mark.parametrize("path", sorted(DEPLOY.rglob("*.sh")), ids=lambda path: path.name)
def test_scripts_parse_and_may_be_run(path):
    assert os.access(path, os.X_OK)
    shell = path.read_text(encoding="utf-8").splitlines()[0].rsplit("/", 1)[1].split()[-1]
    subprocess.run([shell, "-n", path], check=True)
