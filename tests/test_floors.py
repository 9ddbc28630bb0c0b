"""An app imports only from floors below it; siblings never import each other; foreign keys point down."""

import ast
from pathlib import Path

import pytest
from django.apps import apps

ROOT = Path(__file__).resolve().parent.parent
FLOORS = {
    "accounts": 0,
    "orgs": 1,
    "workflow": 2,
    "registration": 3,
    "transfers": 3,
    "credits": 3,
    "desk": 4,
    "config": 5,
}
# Every app reads settings through django.conf; only these name the package `config` themselves.
FORBIDDEN_NAMES = {"services.py", "utils.py", "helpers.py", "common.py", "managers.py", "signals.py"}


def modules():
    return [
        path
        for app in FLOORS
        for path in (ROOT / app).rglob("*.py")
        if "migrations" not in path.parts and "__pycache__" not in path.parts
    ]


def imported_apps(path: Path) -> list[tuple[str, int, bool]]:
    """(app, line, at top level?) of every import of one of our apps in the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found += [
            (name.split(".")[0], node.lineno, id(node) in top)
            for name in names
            if name.split(".")[0] in FLOORS
        ]
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down(path):
    app = path.relative_to(ROOT).parts[0]
    for other, line, top in imported_apps(path):
        assert other == app or FLOORS[other] < FLOORS[app], f"{path}:{line} imports {other} from {app}"
        assert top or other == app, f"{path}:{line} hides an import of {other} inside a function"


def test_a_step_up_is_seen(tmp_path):
    """The test above can fail: an upward import, also inside a function, is found."""
    file = tmp_path / "x.py"
    file.write_text("def f():\n    from desk import views\n")
    assert imported_apps(file) == [("desk", 2, False)]


def test_foreign_keys_point_down():
    for model in apps.get_models():
        app = model._meta.app_label
        if app not in FLOORS:
            continue
        for field in model._meta.get_fields():
            target = getattr(field, "related_model", None)
            if field.auto_created or target is None or target._meta.app_label not in FLOORS:
                continue
            other = target._meta.app_label
            assert other == app or FLOORS[other] < FLOORS[app], (
                f"{model.__name__}.{field.name} points up to {other}"
            )


def test_no_generic_names():
    assert [str(path) for path in modules() if path.name in FORBIDDEN_NAMES] == []


def test_no_way_round_the_floors():
    """apps.get_model, signals between apps and generic foreign keys would hide an arrow up."""
    words = ("apps.get_model", "django.dispatch", "GenericForeignKey", "post_save", "pre_save")
    hits = [
        f"{path}: {word}" for path in modules() for word in words if word in path.read_text(encoding="utf-8")
    ]
    assert hits == []
