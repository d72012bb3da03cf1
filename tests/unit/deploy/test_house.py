"""The checkout itself: its documents and commands say what the code says."""

import ast
import itertools
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from deploy.catalogue import CATALOGUE
from logs.topics import TOPICS

CHECKOUT = Path(__file__).parents[3]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["importlinter"]["root_packages"]
"""All that a server imports, from the lowest floor to the highest."""


def test_every_list_of_packages_has_all_of_them() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    tools = PROJECT["tool"]

    found = {path.parent.name for path in CHECKOUT.glob("*/__init__.py")} - {"bench", "tests"}
    assert set(PACKAGES) == found
    assert tools["setuptools"]["packages"]["find"]["include"] == [f"{one}*" for one in PACKAGES]
    assert tools["mypy"]["files"] == [*PACKAGES, "bench", "tests"]
    assert f"PACKAGES := {' '.join(PACKAGES)}\n" in makefile


def test_wiring_md_has_the_topics_of_the_catalogue() -> None:
    text = (CHECKOUT / "WIRING.md").read_text(encoding="utf-8")
    table = re.split(r"^## ", text, flags=re.MULTILINE)[2]
    rows = [
        tuple(cell.strip() for cell in line.split("|")[1:6])
        for line in table.splitlines()
        if line.startswith("| ") and not line.startswith("| topic")
    ]

    assert rows == [
        (topic.name, topic.key, topic.writers, topic.readers, f"{topic.retention_h} h")
        for topic in TOPICS.values()
    ]


def test_wiring_md_says_who_asks_whom_and_who_waits_for_whom() -> None:
    text = (CHECKOUT / "WIRING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*) \|$", text, flags=re.MULTILINE)
    told = {
        (asker, asked, not when.startswith("no"))
        for asker, what, when in rows
        for asked in re.findall(r"`(\w+)`", what)
    }

    assert told == {
        (name, asked, asked in CATALOGUE.asked_at_start([name]))
        for name in CATALOGUE.names
        for asked in CATALOGUE.asked_by(name)
    }


def test_wiring_md_has_each_component_with_the_topics_that_it_consumes() -> None:
    text = (CHECKOUT / "WIRING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|[^|]*\|([^|]*)\|[^|]*\|$", text, flags=re.MULTILINE)
    read = {name: set(re.findall(r"\w+", reads)) for name, reads in rows}

    assert set(read) == set(CATALOGUE.names)
    for component in CATALOGUE:
        assert {topic.name for topic in component.consumes} <= read[component.name]


def test_make_help_lists_every_target() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    phony = re.findall(r"^\.PHONY: (\S+)$", makefile, flags=re.MULTILINE)

    shown = subprocess.run(
        ["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout

    assert re.findall(r"^  make (\S+)", shown, flags=re.MULTILINE) == phony


LOCKS = {
    "requirements.lock": {"postgres", "kafka", "otel"},
    "requirements-dev.lock": {"postgres", "kafka", "otel", "dev"},
}
_LOCKED = re.compile(
    r"(?P<name>[a-z0-9._-]+)==(?P<version>[a-z0-9.+]+)(?: ; [^\\\n]+)?"
    r"(?: \\\n    --hash=sha256:[0-9a-f]{64})+\n"
)


def locked(name: str) -> dict[str, str]:
    """Return the packages of a lock with their versions."""
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    return {one["name"]: one["version"] for one in _LOCKED.finditer(text)}


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_exact_versions_with_their_hashes_and_nothing_else(name: str) -> None:
    text = (CHECKOUT / name).read_text(encoding="utf-8")

    assert _LOCKED.sub("", text) == ""
    assert list(locked(name)) == sorted(locked(name))


@pytest.mark.parametrize(("name", "extras"), LOCKS.items())
def test_a_lock_has_everything_that_is_needed(name: str, extras: set[str]) -> None:
    project = PROJECT["project"]
    wanted = [
        *project["dependencies"],
        *itertools.chain(*(project["optional-dependencies"][extra] for extra in extras)),
    ]

    needed = {_normal(re.split(r"[><=~\[ ]", one)[0]) for one in wanted}
    assert needed - {_normal(one) for one in locked(name)} == set()


def test_what_runs_is_what_was_tested() -> None:
    running, developing = (locked(name).items() for name in LOCKS)

    assert running <= developing


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")]
    broken = [
        f"{document.name}: {target}"
        for document in documents
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]

    assert broken == []


def test_component_tests_hold_every_answer_to_the_specification() -> None:
    unchecked = {
        # Counts what it hears while processes are killed, from the proxy as well.
        "tests/system/cluster/constant_load.py",
    }
    plain = re.compile(
        r"^from base\.http\.testing import [^\n]*\bClient\b|^import base\.http\.testing|"
        r"ClientSession\((?![^)]*checked\(\))",
        flags=re.MULTILINE,
    )

    found = {
        str(file.relative_to(CHECKOUT))
        for folder in ("component", "system", "interop")
        for file in (CHECKOUT / "tests" / folder).rglob("*.py")
        if plain.search(file.read_text(encoding="utf-8"))
    }

    assert found == unchecked


def test_a_class_name_is_unique_in_the_project() -> None:
    places: dict[str, list[str]] = {}
    for folder in PACKAGES:
        for file in sorted((CHECKOUT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    place = f"{file.relative_to(CHECKOUT)}:{node.lineno}"
                    places.setdefault(node.name, []).append(place)

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def messages_of_the_guide() -> list[str]:
    """Return the messages in the table of the guide's chapter "Troubleshooting"."""
    guide = (CHECKOUT / "docs" / "operators-guide.md").read_text(encoding="utf-8")
    chapter = guide.partition("\n## Troubleshooting\n")[2].partition("\n## ")[0]
    cells = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("| ")]
    found = [one for cell in cells for one in re.findall(r"`([^`]+)`", cell)]
    return [one for one in found if " " in one and not re.match(r"\d{3} M_", one)]


def texts_of_the_code() -> str:
    """Return all text in the code, one piece a line."""
    files = [*CHECKOUT.glob("deploy/**/*.py"), *CHECKOUT.glob("base/**/*.py")]
    trees = [ast.parse(file.read_text()) for file in (*files, *CHECKOUT.glob("logs/**/*.py"))]
    return "\n".join(
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_the_guide_quotes_messages_as_the_server_writes_them() -> None:
    messages, texts = messages_of_the_guide(), texts_of_the_code()
    pieces = [piece.strip() for one in messages for piece in one.split("…")]

    assert len(messages) > 20
    assert [piece for piece in pieces if piece not in texts] == []
