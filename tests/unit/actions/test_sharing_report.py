"""The SharingReport action: bytes that images have in common."""

from __future__ import annotations

import json
from pathlib import Path

from lading.actions import sharing_report, worker
from lading.oci.digest import Digest


def _digest(name: str) -> str:
    return str(Digest.of(name.encode()))


def test_a_layer_of_several_images_is_stored_once() -> None:
    found = sharing_report.report(
        {
            "//b": [("base", 100), ("deps", 40), ("b", 1)],
            "//a": [("base", 100), ("deps", 40), ("a", 2)],
            "//c": [("base", 100), ("c", 3)],
        }
    )
    assert found.separate == 100 * 3 + 40 * 2 + 6
    assert found.stored == 146
    assert found.saved == 240
    assert list(found.layers)[:2] == ["base", "deps"]
    assert found.layers["deps"] == (40, ("//a", "//b"))
    assert list(found.images) == ["//a", "//b", "//c"]


def test_a_layer_that_an_image_has_twice_counts_once() -> None:
    found = sharing_report.report({"//a": [("empty", 32), ("empty", 32)]})
    assert (found.separate, found.stored, found.images) == (32, 32, {"//a": 32})


def test_images_without_anything_in_common_save_nothing() -> None:
    assert sharing_report.report({"//a": [("a", 1)], "//b": [("b", 1)]}).saved == 0
    assert sharing_report.report({}).separate == 0


def test_manifests_are_read_and_two_files_written(tmp_path: Path) -> None:
    arguments = []
    for name in ("a", "b"):
        layers = [
            {"mediaType": "x", "digest": _digest(layer), "size": size}
            for layer, size in (("base", 3 << 20), (name, 10))
        ]
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"schemaVersion": 2, "layers": layers}))
        arguments.append(f"--image=//{name}\t{path}")
    text, data = tmp_path / "report.txt", tmp_path / "report.json"
    sharing_report.run(worker.Request([*arguments, f"--text={text}", f"--json={data}"]))
    value = json.loads(data.read_bytes())
    assert value["saved"] == 3 << 20
    assert value["layers"][0] == {
        "digest": _digest("base"),
        "size": 3 << 20,
        "images": ["//a", "//b"],
    }
    shown = text.read_text()
    assert "2 images, 3 different layers" in shown
    assert "3.0 MiB  saved (49 %)" in shown
