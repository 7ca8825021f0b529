"""The plan of the house holds in the code: floors, one idea a file, no host names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lint.workspace import files, root

# Lowest first: a module imports its own floor and those before it.
_FLOORS = [
    "errors",
    "record",
    "yamltext",
    "scan",
    "oci",
    "http",
    "layer",
    "debian",
    "nix",
    "cas",
    "registry",
    "store",
    "verify",
    "engine",
    "builder",
    "actions",
    "commands",
]
_LONGEST = 400  # lines; a file is one idea, usually under 300. Tests are lists, and may be longer.
_LONGEST_TEST = 500
# Whose threads are soon done, or told to be. Others are those of `registry.threads`, which Ctrl-C
# leaves behind: a download or upload may take minutes.
_SHORT_THREADS = {
    "actions/layout.py",
    "layer/estargz_writer.py",
    "layer/unpack.py",
    "store/writing.py",
}
_HOSTS = re.compile(
    r"\b(?:docker|ghcr|quay|gcr|npmjs|pypi|pythonhosted|debian|ubuntu)\.(?:io|org|com|dev)\b"
    r"|\b(?:bcr|registry)\.bazel\.build\b"
)


def _modules() -> list[Path]:
    found = list(files(".py"))
    return [path for path in found if path.is_relative_to(root() / "tools/lading")]


def _floor(module: str) -> int | None:
    """The floor of a dotted module name; None where it is none of lading's."""
    match = re.match(r"lading\.(\w+)", module)
    if match is None or match[1] == "__init__":
        return None
    assert match[1] in _FLOORS, f"the folder {match[1]} is on no floor: add it to _FLOORS"
    return _FLOORS.index(match[1])


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            if node.module == "lading":
                yield from ((node.lineno, f"lading.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module or ""
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def test_no_floor_imports_a_higher_one() -> None:
    wrong = []
    for path in _modules():
        module = ".".join(path.relative_to(root() / "tools").with_suffix("").parts)
        own = _floor(module)
        if own is None:
            continue
        for line, imported in _imports(path):
            other = _floor(imported)
            if other is not None and other > own:
                wrong.append(f"{path.relative_to(root())}:{line} imports {imported}")
    assert not wrong, "\n".join(wrong)


def test_ctrl_c_waits_for_no_thread_that_takes_long() -> None:
    found = {
        str(path.relative_to(root() / "tools/lading"))
        for path in _modules()
        if any(name.startswith("concurrent.") for _, name in _imports(path))
    }
    assert found == _SHORT_THREADS


def test_floors_are_those_there_are() -> None:
    there = {path.parent.name for path in _modules()} - {"lading"}
    assert there <= set(_FLOORS)


def test_floors_are_explained_in_their_order() -> None:
    text = (root() / "CONTRIBUTING.md").read_text()
    assert re.findall(r"(?m)^    (\w+) {2,}\w", text) == _FLOORS[::-1]


def test_what_is_not_exported_says_so() -> None:
    wrong = []
    for path in _modules():
        names = dict(_names(path))
        exported = names.pop("__all__", None)
        public = ast.literal_eval(exported.value) if isinstance(exported, ast.Assign) else ()
        wrong += [
            f"{path.relative_to(root())}:{node.lineno}: {name} is not in __all__, and not _{name}"
            for name, node in names.items()
            if name not in (*public, "TYPE_CHECKING") and not name.startswith("_")
        ]
    assert not wrong, "\n".join(wrong)


def _names(path: Path) -> Iterator[tuple[str, ast.stmt]]:
    """What the statements of a module name at its top."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield target.id, node


@pytest.mark.parametrize("suffix", [".py", ".bzl", ".sh"])
def test_a_file_is_one_idea(suffix: str) -> None:
    lengths = {
        str(path.relative_to(root())): path.read_bytes().count(b"\n") for path in files(suffix)
    }
    assert lengths
    assert not {
        name: lines
        for name, lines in lengths.items()
        if lines > (_LONGEST_TEST if name.startswith("tests/") else _LONGEST)
    }


def test_no_registry_is_named() -> None:
    wrong = []
    for path in files(""):
        if path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            found = _HOSTS.search(line.decode("utf-8", "replace"))
            if found and line.strip() != b"docker.io":  # the name of a Debian package
                wrong.append(f"{path.relative_to(root())}:{number}: {found[0]}")
    assert not wrong, "\n".join(wrong)


def test_versions_that_are_said_twice_are_the_same() -> None:
    module = (root() / "MODULE.bazel").read_text("utf-8")
    program = (root() / "tools/program/program.bzl").read_text("utf-8")
    pythons = set(re.findall(r'python_version = "(.+)"', module))
    assert pythons == set(re.findall(r'^_VERSION = "(.+)"', program, re.MULTILINE))
    bazels = re.findall(r'bazel_compatibility = \[">=(\d+\.\d+)\.0"\]', module)
    bazelw = (root() / "bazelw").read_text("utf-8")
    assert set(bazels) == set(re.findall(r"version (\d+\.\d+)", bazelw))
