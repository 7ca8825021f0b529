"""A build by the command line, with something in place of a builder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.builder.request import BuildRequest, OnEvent
from lading.commands import anywhere, build
from lading.errors import InputError
from lading.oci.platform import Platform
from lading.store import image as images
from lading.store import tarball
from tests.unit.store import tiny


class _Builder:
    """Builds one image, whatever it is asked for."""

    name = "builder"

    def platform(self) -> Platform | None:
        return None

    def build(self, request: BuildRequest, output: Path, on_event: OnEvent) -> None:
        content = tiny.MemoryContent()
        image = images.read(content, tiny.image(content, [tiny.layer({"a": b"a"})]))
        output.write_bytes(b"".join(tarball.stream(tarball.members(image, []), content)))


@pytest.mark.parametrize("tags", [[], ["--tag=v1"], ["--tag=v1", "--tag=v2"]])
def test_what_was_built_is_named_as_other_commands_read_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tags: list[str],
) -> None:
    monkeypatch.setattr("lading.builder.choose.find", lambda *_, **__: _Builder())
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    build.main([str(tmp_path), f"--output={tmp_path}/layout", *tags])
    digest, reference = capsys.readouterr().out.splitlines()
    with anywhere.opened(reference, lambda: pytest.fail("it is no registry's")) as found:
        assert str(found.root.digest) == digest


def test_what_is_no_tag_is_told_before_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lading.builder.choose.find", lambda *_, **__: pytest.fail("it is built"))
    with pytest.raises(InputError, match="is not a tag"):
        build.main([str(tmp_path), f"--output={tmp_path}/layout", "--tag=a tag"])
