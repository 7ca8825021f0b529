"""`bazel run //images:store -- VERB`: output for people and machines, and codes."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lading.commands.store import main as store
from lading.errors import CorruptError, InputError, NotFoundError, StorageError, UsageError
from lading.oci import layout
from lading.store import catalog_file, layouts, lease, places
from tests.unit.store.stores import an_image, save_image

_GCC = "capy-ubuntu-24.04-gcc13"
_BASE = "capy-ubuntu-24.04-base"


class Store:
    """The command on one store."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        self.err = ""

    def __call__(self, verb: str, *words: str, code: int = 0) -> str:
        assert store.main([verb, f"--store={self.root}", *words]) == code
        out, self.err = self._capsys.readouterr()
        return out

    def json(self, verb: str, *words: str) -> Any:
        return json.loads(self(verb, "--json", *words))

    def names(self) -> list[str]:
        return [item["name"] for item in self.json("list")]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Store:
    return Store(tmp_path / "store", capsys)


@pytest.fixture
def two(run: Store) -> Store:
    save_image(run.root, _GCC, "gcc", packages=["cmake"], tools=["ninja"])
    save_image(run.root, _BASE, "base")
    return run


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert store.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb in store.VERBS:
        assert f"store {verb}" in shown
        with pytest.raises(SystemExit) as ended:
            store.main([verb, "--help"])
        assert ended.value.code == 0
        assert f"store {verb}" in capsys.readouterr().out


def test_no_verb_and_an_unknown_one_are_mistakes_of_usage() -> None:
    assert store.main([]) == UsageError.exit_code
    with pytest.raises(UsageError, match="there is no verb 'lost'"):
        store.main(["lost"])
    with pytest.raises(UsageError, match="usage: store show NAME"):
        store.main(["show"])


def test_an_empty_store_lists_nothing_and_is_not_created(run: Store) -> None:
    assert run.json("list") == []
    assert run("list") == ""
    assert "has no images" in run.err
    assert not run.root.exists()


def test_what_others_wrote_does_not_drive_the_terminal(two: Store) -> None:
    """The architecture is what an image says, and a catalog is written by anybody."""
    path = two.root / "image-registry.yml"
    text = path.read_text().replace("architecture: amd64", r'architecture: "\e[2Jamd64"', 1)
    path.write_text(text)
    for words in (["list"], ["match", "--os=ubuntu-24.04", "--arch=amd64", "--explain"]):
        shown = two(*words) + two.err
        assert r"\x1b[2j" in shown.lower()
        assert "\x1b" not in shown


def test_list_and_show(two: Store) -> None:
    lines = two("list").splitlines()
    assert lines[0].split()[:2] == ["NAME", "ARCHITECTURE"]
    assert [line.split()[0] for line in lines[1:]] == [_BASE, _GCC]
    assert [item["name"] for item in two.json("list", "*-gcc*")] == [_GCC]
    with pytest.raises(NotFoundError, match="that 'x\\*' fits"):
        two("list", "x*")

    shown = two.json("show", _GCC)
    assert (shown["packages"], shown["leases"]) == (["cmake"], [])
    assert Path(shown["path"]).is_file()
    with lease.taken(two.root, _GCC, "a test"):
        assert two.json("show", _GCC)["leases"][0]["purpose"] == "a test"
        assert "lease:        a test" in two("show", _GCC)


def test_stats(two: Store) -> None:
    value = two.json("stats")
    sizes = [item["path"] for item in two.json("list")]
    assert value["projects"] == {
        "capy": {"images": 2, "bytes": sum(Path(path).stat().st_size for path in sizes)}
    }
    assert value["free"] > 0
    assert "2 images" in two("stats")


def test_match_prints_the_path_or_what_to_build_on(two: Store) -> None:
    words = ["--os=ubuntu-24.04", "--arch=amd64", "--compiler=gcc13"]
    gcc = str(two.root / places.images(two.root) / "capy" / f"{_GCC}.tar")
    assert two("match", *words, "--package=cmake", "--tool=ninja") == f"{gcc}\n"
    assert two.err == ""
    value = two.json("match", *words, "--package=cmake", "--tool=ninja")
    assert (value["best_image_path"], value["needs_build"], value["score"]) == (gcc, False, 130)

    assert two("match", *words, "--package=git") == f"{gcc}\n"
    assert f"needs a build on {_GCC}: git is missing" in two.err
    value = two.json("match", *words, "--package=git", "--explain")
    assert (value["best_image_path"], value["best_base_image_path"]) == (None, gcc)
    assert (value["needs_build"], value["missing"]) == (True, ["git"])
    assert [item["name"] for item in value["considered"]] == [_GCC, _BASE]

    two("match", *words, "--explain")
    assert f" 100  {_GCC}\n" in two.err
    assert "the compiler gcc13 is missing" in two.err
    with pytest.raises(NotFoundError, match=r"not even to build on\n.*--explain says why; save an"):
        two("match", "--os=debian-13")
    with pytest.raises(NotFoundError, match=r"not even to build on\n\W*save an image"):
        two("match", "--os=debian-13", "--explain")
    with pytest.raises(UsageError, match="--os is missing"):
        two("match")
    with pytest.raises(UsageError, match="--os=ubuntu has no version"):
        two("match", "--os=ubuntu")


def test_save_takes_archives_and_layouts(run: Store, tmp_path: Path) -> None:
    content, root = an_image()
    layouts.write(tmp_path / "layout", root, content, ["v1"])
    source = f"oci:{tmp_path / 'layout'}:v1"
    path = run("save", _GCC, source, "--package=git", "--tool=ninja").strip()
    assert "is saved" in run.err
    again = run.json("save", _BASE, path)
    assert again["digest"] == str(root.digest)
    assert run.names() == [_BASE, _GCC]
    run("save", _BASE, path)
    assert "was there already" in run.err
    with pytest.raises(NotFoundError, match="v2"):
        run("save", _GCC, f"oci:{tmp_path / 'layout'}:v2")
    assert layout.REF_NAME in Path(path).read_bytes().decode("latin-1")


def test_a_docker_tag_is_one_that_engines_take(run: Store, tmp_path: Path) -> None:
    source = str(save_image(tmp_path / "other", _GCC).path)
    for tag in ("Team/App", "app:a tag", "app@sha256:00"):
        with pytest.raises(InputError):
            run("save", _GCC, source, f"--docker-tag={tag}")
    assert run.names() == []
    path = run("save", _GCC, source, "--docker-tag=team/app").strip()
    assert run.json("show", _GCC)["docker_tag"] == "team/app:latest"
    with tarfile.open(path) as tar:
        [manifest] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert manifest["RepoTags"] == ["team/app:latest"]


def test_a_name_that_does_not_fit_is_refused_or_normalized(run: Store, tmp_path: Path) -> None:
    source = str(save_image(tmp_path / "other", _GCC).path)
    with pytest.raises(InputError, match=r"did you mean capy-ubuntu-24\.04-gcc14\?"):
        run("save", "Capy_ubuntu24.04-GCC 14", source)
    assert run.names() == []
    run("save", "Capy_ubuntu24.04-GCC 14", source, "--normalize")
    assert run.names() == ["capy-ubuntu-24.04-gcc14"]


def test_register_and_unregister(two: Store) -> None:
    two("unregister", _GCC)
    assert two.names() == [_BASE]
    shown = two.json("register", _GCC, "--tool=make")
    assert (shown["tools"], shown["packages"]) == (["make", "ninja"], ["cmake"])
    assert two.names() == [_BASE, _GCC]


def test_verify_tells_where_catalog_and_archives_do_not_agree(two: Store) -> None:
    """An archive that no entry is about, and an entry that is none; a named image is not blamed."""
    two("unregister", _GCC)
    catalog = places.catalog(two.root)
    catalog.write_text(catalog.read_text() + "  - name: Not A Name\n")
    two("verify", code=CorruptError.exit_code)
    assert f"{_GCC}.tar is not in the catalog" in two.err
    assert "store repair enters it" in two.err
    assert "bad entry: line" in two.err
    assert "'Not A Name'" in two.err
    assert store.main(["verify", f"--store={two.root}", "--json"]) == CorruptError.exit_code
    two("verify", _BASE)
    two("repair")
    assert two.names() == [_BASE, _GCC]


def test_verify_tells_and_repair_mends(two: Store) -> None:
    two("verify", "--deep")
    archive = Path(two.json("show", _GCC)["path"])
    data = bytearray(archive.read_bytes())
    data[data.rindex(b"\x1f\x8b") + 20] ^= 1
    archive.write_bytes(data)
    two("verify", _GCC, code=CorruptError.exit_code)
    assert f"{archive.name} is corrupt" in two.err
    two("verify", code=CorruptError.exit_code)
    two("verify", _BASE)
    archive.unlink()
    assert two.json("repair")["dropped"] == [_GCC]
    assert two("repair") == "nothing to repair\n"
    assert two.names() == [_BASE]

    places.catalog(two.root).write_bytes(b"\xff\xfe not a catalog")
    with pytest.raises(CorruptError, match="repair rebuilds it"):
        two("list")
    done = two.json("repair")
    assert done["entered"] == [_BASE]
    assert Path(done["kept"]).read_bytes() == b"\xff\xfe not a catalog"


def test_a_lease_lasts_as_long_as_the_command_whose_code_it_returns(two: Store) -> None:
    look = (
        "import sys; from pathlib import Path; from lading.store import lease\n"
        f"[held] = lease.holders(Path({str(two.root)!r}), {_GCC!r})\n"
        f"sys.exit(7 if held.purpose == {Path(sys.executable).name!r} else 1)"
    )
    path = f"import sys; sys.path[:] = {sys.path!r}\n"
    two("lease", _GCC, "--", sys.executable, "-c", path + look, code=7)
    assert lease.holders(two.root, _GCC) == []
    with pytest.raises(NotFoundError, match="no program"):
        two("lease", _GCC, "--", "no-such-program-here")
    with pytest.raises(UsageError, match="cannot be run"):
        two("lease", _GCC, "--", str(two.root))
    with pytest.raises(UsageError, match="no command"):
        two("lease", _GCC)


def test_a_lease_that_cannot_be_written_is_said(two: Store) -> None:
    places.leases(two.root).rmdir()
    places.leases(two.root).touch()
    with pytest.raises(StorageError, match="cannot be written"):
        two("lease", _GCC, "--", "true")


def test_a_program_shows_two_lines_and_a_code(tmp_path: Path) -> None:
    code = f"import sys; sys.path[:] = {sys.path!r}; sys.argv = sys.argv[1:]\n"
    code += "from lading.commands import entry; from lading.commands.store import main\n"
    code += "entry.run(main.main)"
    words = ["store", "show", _GCC, f"--store={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (NotFoundError.exit_code, "")
    assert done.stderr == f"lading: the store has no image '{_GCC}'\n  list shows what is there\n"
    assert catalog_file.read(tmp_path).entries == ()
