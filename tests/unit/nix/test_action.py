"""What the repository rule `nix_closure` runs, with the machine's Python and nothing installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import lading
from lading.actions.nix_closure import run
from lading.errors import CorruptError, LadingError, NotFoundError
from tests.unit.nix import graphs

_RECORDED = Path(__file__).parent / "recorded"
_APP = "94vpwyny0s0qglqq252g14ijyvy1nrjy-app-1"
_LIB = "gvx13ypr59cb6zfbkyca0hr2ckn7ka15-lib-1"


def arguments(images: dict[str, list[str]], *more: str) -> list[str]:
    common = ["--budget=10", "--store_dir=/nix/store", "--what=nix_closure(name = 'x')"]
    return [*common, f"--images={json.dumps(images)}", *more]


def exported(tmp_path: Path, images: dict[str, list[str]]) -> Any:
    export = f"--export={_RECORDED / 'app.export'}"
    return run(arguments(images, export, f"--directory={tmp_path}"))


def test_an_export_is_planned_and_its_programs_are_known(tmp_path: Path) -> None:
    found = exported(tmp_path, {"app": ["app"], "lib": ["lib-1"]})
    assert found["images"]["app"] == {
        "layers": ["lib", "app"],
        "programs": {"app": f"/nix/store/{_APP}/bin/app"},
        "roots": [f"/nix/store/{_APP}"],
    }
    assert found["images"]["lib"]["layers"] == ["lib"]
    size = (tmp_path / f"{_LIB}.nar").stat().st_size
    assert found["layers"]["lib"][_LIB].endswith(f":{size}")


def test_objects_that_no_image_needs_are_not_kept(tmp_path: Path) -> None:
    exported(tmp_path, {"lib": ["lib"]})
    assert [path.name for path in tmp_path.iterdir()] == [f"{_LIB}.nar"]


def test_without_roots_an_image_is_everything(tmp_path: Path) -> None:
    assert exported(tmp_path, {"closure": []})["images"]["closure"]["roots"] == [
        f"/nix/store/{_APP}"
    ]


def test_a_root_that_is_not_there_names_the_image(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nix_closure\(name = 'x'\), images\['a'\]: 'y' is"):
        exported(tmp_path, {"a": ["y"]})


@pytest.mark.parametrize("attribute", ["export", "graph"])
def test_a_file_that_is_none_names_the_attribute(tmp_path: Path, attribute: str) -> None:
    file = tmp_path / "text"
    file.write_text("neither an archive nor JSON, but long enough for both")
    with pytest.raises(CorruptError, match=rf"nix_closure\(name = 'x'\), {attribute} is n"):
        run(arguments({"app": []}, f"--{attribute}={file}", f"--directory={tmp_path}"))


def test_a_store_without_an_object_is_refused(tmp_path: Path) -> None:
    graph = f"--graph={_RECORDED / 'path_info_2.json'}"
    for base in (_APP, "spmv8gzvy2yy8xg5gyr501rz8yp38c8w-config.txt"):
        (tmp_path / base).touch()
    with pytest.raises(NotFoundError, match=f"/nix/store/{_LIB}, which is in the closure"):
        run(arguments({"app": []}, graph, f"--store_root={tmp_path}"))


def test_a_graph_of_hundreds_of_objects_is_planned_in_a_moment(tmp_path: Path) -> None:
    graph = tmp_path / "graph.json"
    graph.write_bytes(graphs.path_info(graphs.closure(900)))
    for path in json.loads(graph.read_bytes()):
        (tmp_path / path.rpartition("/")[2]).mkdir()
    images = {"server": ["server"], "worker": ["worker"]}
    found = run(arguments(images, f"--graph={graph}", f"--store_root={tmp_path}"))
    assert all(len(image["layers"]) <= 10 for image in found["images"].values())


def test_nothing_but_the_standard_library_is_needed(tmp_path: Path) -> None:
    """Errors are one or two lines, and the exit code is that of their kind."""
    tools = str(Path(str(lading.__file__)).parents[1])
    start = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    start += "runpy.run_module('lading.actions.nix_closure', run_name='__main__')"
    (tmp_path / "bad").write_bytes(b"\0" * 9)
    for export, code in (
        (_RECORDED / "app.export", 0),
        (tmp_path / "bad", 5),
        (tmp_path / "no", 4),
    ):
        words = arguments({"app": []}, f"--export={export}", f"--directory={tmp_path}")
        command = [sys.executable, "-I", "-S", "-B", "-c", start, tools, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert len(done.stderr.splitlines()) <= 2


def test_a_program_that_is_no_nix_is_refused(tmp_path: Path) -> None:
    words = arguments({"x": []}, f"--nix={tmp_path}/nix", f"--file={tmp_path}/x.nix")
    with pytest.raises(LadingError, match=r"nix-build cannot be run: .*\n.*install Nix"):
        run([*words, f"--link={tmp_path}/result"])
