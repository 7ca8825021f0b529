"""What builders made, written again: it depends on its content and on nothing else."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lading.builder import normalise
from lading.layer.entries import DIRECTORY, NO_META, Entry
from lading.oci import document
from lading.oci.digest import Digest
from lading.store import image as images
from lading.store import layouts
from tests.unit.store import tiny

_PART = st.sampled_from(["a", "b", "-x", "+y", ".wh.a", ".wh.-x", ".wh..wh..opq", ".z"])


@given(st.lists(st.lists(_PART, min_size=1, max_size=4).map("/".join), unique=True, max_size=12))
def test_parents_come_first_and_whiteouts_before_their_siblings(paths: list[str]) -> None:
    entries = [Entry(path, DIRECTORY, NO_META) for path in paths]
    ordered = [entry.path for entry in normalise.order(entries)]
    assert sorted(ordered) == sorted(paths)
    for index, path in enumerate(ordered):
        above, _, name = path.rpartition("/")
        for later in ordered[index + 1 :]:
            assert not path.startswith(f"{later}/")
            if later.rpartition("/")[0] == above and later.rpartition("/")[2].startswith(".wh."):
                assert name.startswith(".wh.")
    assert ordered == [entry.path for entry in normalise.order(entries[::-1])]


def _layer(names: list[str], mtime: int, owner: str) -> tiny.Layer:
    """The same files in another order, at another time, by an owner with another name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.mtime, info.uname, info.uid, info.mode = mtime, owner, 7, 0o640
            info.size = 0 if "/.wh." in name else len(name)
            tar.addfile(info, io.BytesIO(name.encode()[: info.size]))
    raw = out.getvalue()
    return tiny.Layer("application/vnd.oci.image.layer.v1.tar", raw, Digest.of(raw))


def _normal(
    directory: Path, names: list[str], mtime: int, owner: str, **config: Any
) -> normalise.Result:
    base = tiny.layer({"base": b"of the base"})
    lent = tiny.MemoryContent()
    root = tiny.image(lent, [base], history=[{"created": "2020-01-01T00:00:00Z"}])
    layouts.write(directory / "base", root, lent)
    content = tiny.MemoryContent()
    # The builder has the base's layer without compression: it is told by its diff_id.
    own = tiny.layer({"base": b"of the base"}, "none")
    built = tiny.image(content, [own, _layer(names, mtime, owner)], **config)
    found = images.read(content, built, None)
    return normalise.image(content, found, [directory / "base"], directory / "out", what="it")


def test_order_times_and_owners_names_do_not_matter(tmp_path: Path) -> None:
    history = [{"created": "2020-01-01T00:00:00Z"}, {"created": "2026-01-01T00:00:00Z"}]
    one = _normal(tmp_path / "1", ["x/a", "x/.wh.b"], 1_700_000_000, "root", history=history)
    history[1]["created"] = "2027-01-01T00:00:00Z"
    noise = {"container": "f00", "docker_version": "28", "moby.buildkit.x": "y"}
    two = _normal(tmp_path / "2", ["x/.wh.b", "x/a"], 5, "", history=history, **noise)
    assert one == two
    layers = document.loads_object(one.manifest, what="it")["layers"]
    blob = tmp_path / "1" / "out" / "blobs" / layers[1]["digest"].replace(":", "/")
    with tarfile.open(blob) as tar:
        found = [(item.name, item.mtime, item.uid, item.uname, item.mode) for item in tar]
    # Of a whiteout only the name counts, and each storage driver has another mode for it.
    assert found == [("x/.wh.b", 0, 0, "", 0), ("x/a", 0, 7, "", 0o640)]


def test_layers_of_a_base_and_its_history_stay(tmp_path: Path) -> None:
    history = [{"created": "2020-01-01T00:00:00Z"}, {"created": "2026-01-01T00:00:00Z"}]
    result = _normal(tmp_path, ["a"], 1, "", history=history, created="2026-01-01T00:00:00Z")
    own = tiny.layer({"base": b"of the base"})
    layers = json.loads(result.manifest)["layers"]
    assert layers[0]["digest"] == str(Digest.of(own.blob))
    assert (tmp_path / "out/blobs" / layers[0]["digest"].replace(":", "/")).read_bytes() == own.blob
    config = json.loads(result.config)
    assert [item["created"] for item in config["history"]] == [
        "2020-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
    ]
    assert config["created"] == "1970-01-01T00:00:00Z"
    assert config["rootfs"]["diff_ids"][0] == str(own.diff_id)


def test_a_history_that_does_not_fit_the_layers_goes(tmp_path: Path) -> None:
    history = [{"created": "2020-01-01T00:00:00Z", "empty_layer": True}]
    result = _normal(tmp_path, ["a"], 1, "", history=history)
    assert "history" not in json.loads(result.config)
