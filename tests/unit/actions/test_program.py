"""Programs of actions start fast and alone: compiled modules, and nothing of the user's has a say.

Issue 3, "(c) one-shot": what starts is measured by `//tests/bench:layer`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_COMPILER = Path(os.environ["COMPILER"]).absolute()
_PROGRAM = Path(os.environ["PROGRAM"]).absolute()


def _build(directory: Path, program: str, **environment: str) -> bytes:
    """The layer of one file that a program makes, in `directory`."""
    directory.mkdir(exist_ok=True)
    (directory / "ünïcode").write_bytes(b"content")
    (directory / "params").write_text(
        f"--output={directory}/blob\n--metadata={directory}/json\n"
        f"F\t/etc/ünïcode\t{directory}/ünïcode\n"
    )
    subprocess.run([program, f"@{directory}/params"], env=environment, check=True)
    return (directory / "blob").read_bytes()


def test_neither_python_variables_nor_the_users_packages_have_a_say(tmp_path: Path) -> None:
    evil = tmp_path / "evil"
    (evil / "lading").mkdir(parents=True)
    for name in ("lading/__init__.py", "sitecustomize.py", "usercustomize.py", "zstandard.py"):
        (evil / name).write_text("raise SystemExit('not the program')")
    expected = _build(tmp_path / "plain", str(_PROGRAM))
    assert expected == _build(
        tmp_path / "evil",
        str(_PROGRAM),
        HOME=str(evil),
        LC_ALL="C",
        PYTHONPATH=str(evil),
        PYTHONSTARTUP=str(evil / "lading/__init__.py"),
        PYTHONUTF8="0",
    )


def test_it_finds_its_runfiles_beside_itself_and_around_itself(tmp_path: Path) -> None:
    # As a data dependency of this test it is inside of the test's runfiles; as an action's
    # executable it has its own. The latter is imitated by links.
    expected = _build(tmp_path / "inside", str(_PROGRAM))
    outside = tmp_path / "bin" / "layer"
    outside.parent.mkdir()
    outside.write_bytes(_PROGRAM.read_bytes())
    outside.chmod(0o755)
    head = str(_PROGRAM).rpartition(".runfiles/")[0]
    (tmp_path / "bin" / "layer.runfiles").symlink_to(f"{head}.runfiles")
    assert _build(tmp_path / "beside", str(outside)) == expected
    assert _build(tmp_path / "relative", os.path.relpath(outside)) == expected


def test_without_runfiles_it_says_what_to_do(tmp_path: Path) -> None:
    alone = tmp_path / "layer"
    alone.write_bytes(_PROGRAM.read_bytes())
    alone.chmod(0o755)
    result = subprocess.run([alone], env={}, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "no runfiles beside" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_signals_end_it_without_a_traceback(number: signal.Signals, code: int) -> None:
    words = [str(_PROGRAM), "--persistent_worker"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        running.stdin.write(b'{"arguments": ["@/absent"]}\n')
        running.stdin.flush()
        assert running.stdout.readline()
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (code, b"")


def test_every_module_is_compiled_for_the_interpreter_that_runs_it() -> None:
    library = Path(f"{_PROGRAM}.lib")
    modules = list(library.rglob("*.py"))
    assert library / "lading/layer/build.py" in modules
    for module in modules:
        cached = module.parent / "__pycache__" / f"{module.stem}.{sys.implementation.cache_tag}.pyc"
        # PEP 552: the flags say that the source's hash is not to be compared.
        assert int.from_bytes(cached.read_bytes()[4:8], "little") == 1


def _compile(directory: Path, output: Path) -> subprocess.CompletedProcess[str]:
    lines = [str(output), f"{output}.sha256"]
    for module in sorted(directory.rglob("*.py")):
        lines += [str(module), f"lading/{module.name}"]
    parameters = directory / "parameters"
    parameters.write_text("".join(f"{line}\n" for line in lines))
    return subprocess.run(
        [sys.executable, "-S", "-s", "-B", _COMPILER, f"@{parameters}"],
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_compiled_modules_depend_on_their_sources_alone(tmp_path: Path) -> None:
    found = []
    for place in ("a", "much/longer"):
        directory = tmp_path / place
        directory.mkdir(parents=True)
        for module in Path(f"{_PROGRAM}.lib/lading/layer").glob("*.py"):
            (directory / module.name).write_bytes(module.read_bytes())
        assert _compile(directory, directory / "out").returncode == 0
        found.append(
            {
                path.relative_to(directory): path.read_bytes()
                for path in [*(directory / "out").rglob("*.pyc"), directory / "out.sha256"]
            }
        )
    assert len(found[0]) > 1
    assert found[0] == found[1]


def test_the_digest_of_a_directory_of_modules_follows_every_byte(tmp_path: Path) -> None:
    digests = set()
    for number, text in enumerate(("x = 1\n", "x = 2\n", "x = 1 \n")):
        directory = tmp_path / str(number)
        directory.mkdir()
        (directory / "module.py").write_text(text)
        assert _compile(directory, directory / "out").returncode == 0
        digests.add((directory / "out.sha256").read_text())
    assert len(digests) == 3


def test_data_is_copied_beside_the_modules(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("def (\n")
    parameters = tmp_path / "parameters"
    parameters.write_text(f"{tmp_path}/out\n{tmp_path}/sha256\n{tmp_path}/page.html\na/page.html\n")
    subprocess.run([sys.executable, "-S", "-s", "-B", _COMPILER, f"@{parameters}"], check=True)
    copied = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert copied == [tmp_path / "out/a/page.html"]
    assert copied[0].read_text() == "def (\n"


def test_a_module_that_is_no_python_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def (\n")
    result = _compile(tmp_path, tmp_path / "out")
    assert result.returncode != 0
    assert "lading/broken.py" in result.stderr
