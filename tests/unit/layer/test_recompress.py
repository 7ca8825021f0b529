"""An archive compressed anew has the very tar that was in it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import random
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import zstandard

from lading.errors import CorruptError, InputError, LadingError, LimitError
from lading.layer import decompress
from tests.unit.layer.bench import build


def _tar(*names: str, size: int = 100, mode: str = "w:") -> bytes:
    """An archive that lading would have written otherwise: unsorted, with owners and times."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=tarfile.GNU_FORMAT) as archive:  # type: ignore[call-overload]
        for number, name in enumerate(names):
            info = tarfile.TarInfo(name)
            info.size = size
            info.mtime = 1_700_000_000 + number
            info.uname = "somebody"
            archive.addfile(info, io.BytesIO(random.Random(number).randbytes(size)))
    return stream.getvalue()


TAR = _tar("z/last", "a/first", "long/" * 60 + "name", size=2_000_000)
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}


@cache
def _packed(form: str) -> bytes:
    return FORMS[form](TAR)


@pytest.mark.parametrize("kind", ["gzip", "zstd", "none"])
@pytest.mark.parametrize("form", FORMS)
def test_the_tar_stays_as_it_is(tmp_path: Path, form: str, kind: str) -> None:
    (tmp_path / "archive").write_bytes(_packed(form))
    built = build(tmp_path, [f"R\t/\t{tmp_path}/archive"], compression=(kind, "fast"))
    assert built.tar == TAR
    assert built.metadata["diff_id"] == f"sha256:{hashlib.sha256(TAR).hexdigest()}"
    assert (built.blob == TAR) == (kind == "none")


def test_bytes_do_not_depend_on_how_it_was_compressed_nor_on_threads(tmp_path: Path) -> None:
    blobs = set()
    for form in FORMS:
        (tmp_path / form).write_bytes(_packed(form))
        for threads in (1, 3):
            blobs.add(build(tmp_path, [f"R\t/\t{tmp_path}/{form}"], threads=threads).blob)
    assert len(blobs) == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        pytest.param(_tar("a", "a"), InputError, id="a path twice"),
        pytest.param(_tar("../a"), InputError, id="a path that leads out"),
        pytest.param(_tar("a")[:1024], LadingError, id="no end"),
        pytest.param(_packed("xz")[:-8], CorruptError, id="cut off"),
        pytest.param(_packed("gzip") + b"x", CorruptError, id="something follows"),
        pytest.param(b"no archive" * 100, LadingError, id="no archive"),
        pytest.param(b"", LadingError, id="empty"),
    ],
)
def test_an_archive_that_is_not_clean_is_refused(
    tmp_path: Path, data: bytes, error: type[LadingError]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "archive").write_bytes(data)
    with pytest.raises(error, match="archive"):
        build(out, [f"R\t/\t{tmp_path}/archive"])
    assert list(out.iterdir()) == []


def _entries(*entries: tuple[str, bytes, str]) -> bytes:
    """An archive of empty entries: name, type and the target of a link."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, kind, link in entries:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, link
            archive.addfile(info)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(_entries(("d", b"5", ""), ("d", b"5", "")), id="a directory twice"),
        pytest.param(_entries(("f", b"0", ""), ("f", b"0", "")), id="a file twice"),
        pytest.param(_entries(("/f", b"0", "")), id="an absolute name"),
        pytest.param(_entries(("../f", b"0", "")), id="a name that leads out"),
        pytest.param(_entries(("d", b"2", "x"), ("d/f", b"0", "")), id="below a link"),
        pytest.param(_entries(("f", b"1", "none")), id="a hard link to nothing"),
        pytest.param(_entries(("f", b"1", "/x")), id="a hard link that leads out"),
        pytest.param(_entries((".wh.", b"0", "")), id="a whiteout of nothing"),
        pytest.param(_entries((".wh.f", b"5", "")), id="a whiteout that is a directory"),
        pytest.param(_entries(("f", b"9", "")), id="an unknown type"),
        pytest.param(_entries(("f", b"0", ""))[:512], id="no end"),
    ],
)
def test_packing_anew_is_proposed_exactly_where_it_helps(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "archive").write_bytes(data)
    try:
        build(tmp_path, [f"A\t/\t{tmp_path}/archive"])
        helps = True
    except LadingError:
        helps = False
    with pytest.raises(InputError) as caught:
        build(tmp_path, [f"R\t/\t{tmp_path}/archive"])
    assert ("pack it anew" in caught.value.fix) == helps
    assert caught.value.fix


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "_FREE_SIZE", 1 << 20)
    zeros = io.BytesIO()
    with tarfile.open(fileobj=zeros, mode="w") as archive:
        info = tarfile.TarInfo("zeros")
        info.size = 50_000_000
        archive.addfile(info, io.BytesIO(bytes(info.size)))
    (tmp_path / "archive").write_bytes(gzip.compress(zeros.getvalue()))
    with pytest.raises(LimitError, match="expands to more than"):
        build(tmp_path, [f"R\t/\t{tmp_path}/archive"])
