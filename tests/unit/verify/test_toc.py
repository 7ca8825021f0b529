"""What a lazy puller is told about an eStargz layer is what the layer has."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.layer.estargz import TOC_ANNOTATION, TOC_NAME
from lading.oci.verify_rules import Finding, exit_code
from lading.scan.tar import scan_stream
from lading.verify.toc import TocCheck
from tests.unit.layer.bench import Built, build
from tests.unit.verify import tables
from tests.unit.verify.seeds import member, tar_of
from tests.unit.verify.tables import Entries, of

_LARGE = 9 << 20


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Built:
    tmp_path = tmp_path_factory.mktemp("layer")
    (tmp_path / "large").write_bytes(b"ab" * (_LARGE // 2))
    (tmp_path / "small").write_bytes(b"small")
    (tmp_path / "empty").write_bytes(b"")
    meta = '{"pax_records": {"SCHILY.xattr.user.key": "value", "SCHILY.xattr.user.no": ""}}'
    lines = [
        f"F\t/bin/large\t{tmp_path}/large",
        f"F\t/bin/small\t{tmp_path}/small",
        f"F\t/etc/empty\t{tmp_path}/empty",
        "E\t/var",
        "L\t/bin/link\tsmall",
    ]
    return build(tmp_path, lines, estargz=True, default_metadata=meta)


def _findings(tmp_path: Path, tar: bytes, blob: bytes, toc_digest: str) -> tuple[Finding, ...]:
    return tables.findings(tmp_path, tar, blob, {"annotations": {TOC_ANNOTATION: toc_digest}})


def _toc(tar: bytes) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        file = archive.extractfile(TOC_NAME)
        assert file is not None
        return file.read()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _with_toc(tar: bytes, toc: bytes) -> bytes:
    """The archive with another table in it."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        member = archive.getmember(TOC_NAME)
    member.size = len(toc)
    return b"".join(
        (
            tar[: member.offset],
            member.tobuf(tarfile.USTAR_FORMAT),
            toc,
            bytes(-len(toc) % 512 + 1024),
        )
    )


def test_the_table_of_an_honest_layer(tmp_path: Path, layer: Built) -> None:
    toc = _toc(layer.tar)
    assert _findings(tmp_path, layer.tar, layer.blob, _digest(toc)) == ()


LIES: dict[str, Callable[[Entries], object]] = {
    **tables.LIES,
    "another digest": lambda all_: of(all_, "bin/small").update(digest=_digest(b"evil!")),
    "another chunk": lambda all_: of(all_, "bin/small").update(chunkDigest=_digest(b"evil!")),
    "another later chunk": lambda all_: of(all_, "bin/large", "chunk").update(
        chunkDigest=_digest(b"evil!")
    ),
    "another type": lambda all_: of(all_, "etc/empty").update(type="fifo"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_table_that_lies(tmp_path: Path, layer: Built, lie: str) -> None:
    value = json.loads(_toc(layer.tar))
    LIES[lie](value["entries"])
    toc = json.dumps(value).encode()
    tar = _with_toc(layer.tar, toc)
    findings = _findings(tmp_path, tar, gzip.compress(tar, 1, mtime=0), _digest(toc))
    assert {item.rule for item in findings} == {"layer-toc"}
    assert exit_code(findings) == 12


def _rechunked(entries: Entries, content: bytes, sizes: list[int]) -> None:
    """As another writer has them: `bin/large` in chunks of these sizes."""
    first = of(entries, "bin/large")
    for later in [item for item in entries if item["type"] == "chunk"]:
        entries.remove(later)
    offset = 0
    for size in sizes:
        digest = _digest(content[offset : offset + size])
        if offset:
            value = {"name": "bin/large", "type": "chunk", "chunkOffset": offset}
            entries.append({**value, "chunkSize": size, "chunkDigest": digest})
        else:
            first.update(chunkSize=size, chunkDigest=digest)
        offset += size


SIZES = [[_LARGE], [5 << 20, 4 << 20], [1 << 20] * 9, [1, _LARGE - 1], [_LARGE - 7, 7]]


@pytest.mark.parametrize("sizes", SIZES, ids=len)
@pytest.mark.parametrize("lie", [False, True])
def test_chunks_of_other_sizes(
    tmp_path: Path, layer: Built, sizes: list[int], *, lie: bool
) -> None:
    content = layer.content("bin/large")
    value = json.loads(_toc(layer.tar))
    # The digest of the whole file is right, and nobody who pulls lazily looks at it.
    _rechunked(value["entries"], b"evil" + content[4:] if lie else content, sizes)
    toc = json.dumps(value).encode()
    tar = _with_toc(layer.tar, toc)
    findings = _findings(tmp_path, tar, gzip.compress(tar, 1, mtime=0), _digest(toc))
    assert [item.what for item in findings] == ["the table says another chunks"] * lie


@pytest.mark.parametrize(
    "offsets", [[1], [0, 0], [0, 9, 5], [0, _LARGE], [0, "5"], [0, None], [0, 1.5]]
)
def test_chunks_that_do_not_follow_one_another(
    tmp_path: Path, layer: Built, offsets: list[Any]
) -> None:
    value = json.loads(_toc(layer.tar))
    entries = value["entries"]
    _rechunked(entries, bytes(_LARGE), [1 << 20] * len(offsets))
    chunks = [item for item in entries if item["name"] == "bin/large"]
    for chunk, offset in zip(chunks, offsets, strict=True):
        chunk["chunkOffset"] = offset
    toc = json.dumps(value).encode()
    tar = _with_toc(layer.tar, toc)
    findings = _findings(tmp_path, tar, gzip.compress(tar, 1, mtime=0), _digest(toc))
    assert [item.what for item in findings] == ["it is malformed"]


def test_a_layer_that_is_damaged_when_it_is_read_again(layer: Built) -> None:
    value = json.loads(_toc(layer.tar))
    _rechunked(value["entries"], layer.content("bin/large"), [5 << 20, 4 << 20])
    toc = json.dumps(value).encode()
    blob = gzip.compress(_with_toc(layer.tar, toc), 1)
    found: list[str] = []
    check = TocCheck({TOC_ANNOTATION: _digest(toc)}, lambda rule, at, what: found.append(rule))
    scanner = scan_stream(io.BytesIO(blob), lambda rule, at, what: None)
    for entry in scanner:
        check.visit(entry, scanner.data())
    check.finish(lambda: io.BytesIO(blob[: len(blob) // 2]), len(layer.tar))
    assert found == ["compression-corrupt"]


@pytest.mark.parametrize("minor", [3, 5])
def test_the_number_of_a_device(tmp_path: Path, minor: int) -> None:
    null = {"name": "dev/null", "type": "char", "mode": 0o666, "devMajor": 1, "devMinor": minor}
    toc = json.dumps({"version": 1, "entries": [null]}).encode()
    device: dict[str, Any] = {"type": tarfile.CHRTYPE, "mode": 0o666, "devmajor": 1, "devminor": 3}
    tar = tar_of(member("dev/null", **device), member(TOC_NAME, toc))
    findings = _findings(tmp_path, tar, gzip.compress(tar, mtime=0), _digest(toc))
    wrong = [] if minor == 3 else ["the table says another device"]
    assert [item.what for item in findings] == wrong


@pytest.mark.parametrize("toc", [b"", b"[]", b"{}", b'{"entries": 5}', b"[" * 100_000, b"\xff"])
def test_a_table_that_is_none(tmp_path: Path, layer: Built, toc: bytes) -> None:
    tar = _with_toc(layer.tar, toc)
    findings = _findings(tmp_path, tar, gzip.compress(tar, 1, mtime=0), _digest(toc))
    assert [item.what for item in findings] == ["it is malformed"]


def test_an_annotation_that_names_another_table(tmp_path: Path, layer: Built) -> None:
    findings = _findings(tmp_path, layer.tar, layer.blob, _digest(b"another"))
    assert [item.rule for item in findings] == ["layer-toc"]


def test_an_annotation_and_no_table(tmp_path: Path) -> None:
    plain = build(tmp_path, ["E\t/var"])
    findings = _findings(tmp_path, plain.tar, plain.blob, _digest(b""))
    assert [item.rule for item in findings] == ["layer-toc"]
