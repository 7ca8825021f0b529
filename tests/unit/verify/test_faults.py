"""Every seeded fault is found by its rule (correctness.md, the table of faults)."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading.commands import verify
from lading.oci import media_types
from lading.oci.digest import Digest
from lading.oci.verify_rules import Limits, exit_code
from lading.oci.verify_table import RULES, Severity
from lading.scan import rules as scan_rules
from lading.verify.place import Options, verify_directory
from tests.unit.verify.seeds import Spoilt, member, sound, tar_of

_FILE = member("etc/a", b"a")


def _manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[Spoilt], None]:
    return lambda spoilt: spoilt.change_manifest(change)


def _config(change: Callable[[dict[str, Any]], object]) -> Callable[[Spoilt], None]:
    return lambda spoilt: spoilt.change_config(change)


def _index(change: Callable[[dict[str, Any]], object]) -> Callable[[Spoilt], None]:
    def spoil(spoilt: Spoilt) -> None:
        value = spoilt.index
        change(value)
        spoilt.index = value

    return spoil


def _tar(*members: tuple[tarfile.TarInfo, bytes]) -> Callable[[Spoilt], None]:
    return lambda spoilt: spoilt.set_layer(tar_of(*members))


def _tar_bytes(change: Callable[[bytes], bytes]) -> Callable[[Spoilt], None]:
    return lambda spoilt: spoilt.set_layer(change(tar_of(_FILE)))


def _blob(change: Callable[[bytes], bytes]) -> Callable[[Spoilt], None]:
    """A layer whose compressed bytes are changed and described as they are."""
    tar = tar_of(member("etc/a", os.urandom(5000)))
    return lambda spoilt: spoilt.set_layer(tar, change(gzip.compress(tar, mtime=0)))


def _flip(spoilt: Spoilt) -> None:
    path = spoilt.blob(spoilt.manifest["layers"][0]["digest"])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _cut(spoilt: Spoilt) -> None:
    path = spoilt.blob(spoilt.manifest["layers"][0]["digest"])
    path.write_bytes(path.read_bytes()[:-7])


def _link_instead(spoilt: Spoilt) -> None:
    path = spoilt.blob(spoilt.manifest["layers"][0]["digest"])
    path.rename(spoilt.directory.parent / "elsewhere")
    path.symlink_to(spoilt.directory.parent / "elsewhere")


def _pax_size(data: bytes) -> bytes:
    """A header that says 1 byte before a PAX record that says 600 (CVE-2025-62518)."""
    record = b"12 size=600\n"
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, len(record)
    big = tarfile.TarInfo("etc/z")
    big.size = 1
    return (
        info.tobuf(tarfile.USTAR_FORMAT)
        + record.ljust(512, b"\0")
        + big.tobuf(tarfile.USTAR_FORMAT)
        + bytes(1024)
        + data
    )


def _duplicate_key(spoilt: Spoilt) -> None:
    text = json.dumps(spoilt.manifest)
    spoilt.set_root(
        text.replace('{"schemaVersion"', '{"schemaVersion": 1, "schemaVersion"', 1).encode()
    )


def _directory_with_data(data: bytes) -> bytes:
    info = tarfile.TarInfo("etc/d")
    info.type, info.size = tarfile.DIRTYPE, 512
    return info.tobuf(tarfile.USTAR_FORMAT) + bytes(512) + data


_AMD64 = {"platform": {"os": "linux", "architecture": "amd64"}}


def _set_index(spoilt: Spoilt, manifests: list[dict[str, Any]]) -> None:
    """Puts an index of `manifests` between the layout's and the image."""
    for item in manifests:
        item.pop("annotations", None)
    data = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    spoilt.set_root(data, mediaType=media_types.INDEX)


def _two_for_one_platform(spoilt: Spoilt) -> None:
    first = {**spoilt.index["manifests"][0], **_AMD64}
    spoilt.change_manifest(lambda value: value.update(annotations={"a": "b"}))
    _set_index(spoilt, [first, {**spoilt.index["manifests"][0], **_AMD64}])


def _one_without_a_platform(spoilt: Spoilt) -> None:
    first = {**spoilt.index["manifests"][0], **_AMD64}
    spoilt.change_manifest(lambda value: value.update(annotations={"a": "b"}))
    second = spoilt.index["manifests"][0]
    second.pop("platform", None)
    _set_index(spoilt, [first, second])


_EMPTY = {"mediaType": media_types.EMPTY, "size": 2}


def _sha512(content: bytes) -> dict[str, Any]:
    return {"digest": str(Digest.of(content, "sha512")), "size": len(content)}


def _data(content: bytes) -> str:
    return base64.b64encode(content).decode()


FAULTS: dict[str, tuple[str, Callable[[Spoilt], object]]] = {
    # the layout
    "no marker": ("layout-marker", lambda s: (s.directory / "oci-layout").unlink()),
    "another version": (
        "layout-marker",
        lambda s: (s.directory / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}'),
    ),
    "no index": ("layout-index", lambda s: (s.directory / "index.json").unlink()),
    "a link for a blob": ("layout-file-type", _link_instead),
    "a pipe": ("layout-file-type", lambda s: os.mkfifo(s.directory / "blobs/pipe")),
    "a blob with another name": (
        "layout-blob-name",
        lambda s: (s.directory / "blobs/sha256/hello").write_text("x"),
    ),
    "a blob nobody needs": ("layout-unreferenced", lambda s: s.put(b"nobody")),
    "a malformed tag": (
        "layout-ref-name",
        _index(lambda v: v["manifests"][0]["annotations"].update(
            {"org.opencontainers.image.ref.name": "a b"})),
    ),
    # content
    "a missing layer": (
        "blob-missing",
        lambda s: s.blob(s.manifest["layers"][1]["digest"]).unlink(),
    ),
    "a missing config": (
        "blob-missing", lambda s: s.blob(s.manifest["config"]["digest"]).unlink(),
    ),
    "a flipped bit": ("blob-digest", _flip),
    "a short layer": ("blob-size", _cut),
    "a wrong size": ("blob-size", _manifest(lambda v: v["layers"][0].update(size=5))),
    "a blob nobody needs that is another": (
        "blob-digest", lambda s: s.blob(s.put(b"nobody")).write_bytes(b"other"),
    ),
    # JSON
    "no JSON": ("json-syntax", lambda s: s.set_root(b"{")),
    "a list": ("json-syntax", lambda s: s.set_root(b"[]")),
    "a key twice": ("json-duplicate-key", _duplicate_key),
    "a large document": ("json-size", lambda s: s.set_root(b" " * (4 << 20) + b"{}")),
    # descriptors
    "an upper-case digest": (
        "digest-grammar",
        _manifest(lambda v: v["layers"][0].update(digest="sha256:" + "A" * 64)),
    ),
    "an unknown algorithm": (
        "digest-algorithm", _manifest(lambda v: v["layers"][0].update(digest="md5:" + "a" * 32)),
    ),
    "no media type": (
        "descriptor-media-type", _manifest(lambda v: v["layers"][0].pop("mediaType")),
    ),
    "a size of text": ("descriptor-size", _manifest(lambda v: v["layers"][0].update(size="5"))),
    "a negative size": ("descriptor-size", _manifest(lambda v: v["layers"][0].update(size=-1))),
    "other embedded data": (
        "descriptor-data", _manifest(lambda v: v["config"].update(data=_data(b"other"))),
    ),
    "other embedded data, sha512": (
        "descriptor-data",
        _manifest(lambda v: v.update(subject={**v["config"], **_sha512(b"{}"), "data": "W10="})),
    ),
    "another empty content": (
        "descriptor-empty",
        _manifest(lambda v: v.update(subject={**_EMPTY, **_sha512(b"[]")})),
    ),
    "foreign URLs": (
        "descriptor-urls",
        _manifest(lambda v: v["layers"][0].update(urls=["https://example.com/x"])),
    ),
    "annotations of numbers": ("annotations", _manifest(lambda v: v.update(annotations={"a": 1}))),
    "a platform without os": (
        "descriptor-platform",
        _index(lambda v: v["manifests"][0].update(platform={"architecture": "amd64"})),
    ),
    "an artifact type that is none": (
        "descriptor-artifact-type", _manifest(lambda v: v.update(artifactType="none")),
    ),
    # indexes
    "no manifests": (
        "index-manifests",
        lambda s: s.set_root(b'{"schemaVersion":2}', mediaType=media_types.INDEX),
    ),
    "two images, one without a platform": ("platform-missing", _one_without_a_platform),
    "two images for one platform": ("platform-duplicate", _two_for_one_platform),
    # documents
    "schema version 1": ("schema-version", _manifest(lambda v: v.update(schemaVersion=1))),
    "another media type inside": (
        "document-media-type",
        _manifest(lambda v: v.update(mediaType="application/vnd.oci.image.index.v1+json")),
    ),
    "manifest and index at once": (
        "document-ambiguous", _manifest(lambda v: v.update(manifests=[])),
    ),
    "no config": ("manifest-config", _manifest(lambda v: v.pop("config"))),
    "no layers": ("manifest-layers", _manifest(lambda v: v.pop("layers"))),
    "an unknown layer type": (
        "layer-media-type",
        _manifest(lambda v: v["layers"][0].update(mediaType="application/x-layer")),
    ),
    "no layers at all": (
        "manifest-no-layers", _manifest(lambda v: v.update(layers=[])),
    ),
    "a nameless platform": ("config-platform", _config(lambda v: v.pop("os"))),
    "an unknown architecture": (
        "platform-vocabulary", _config(lambda v: v.update(architecture="x86_64")),
    ),
    "another platform than described": (
        "platform-mismatch",
        _index(lambda v: v["manifests"][0].update(
            platform={"os": "linux", "architecture": "arm64"})),
    ),
    "a port of text": (
        "config-field", _config(lambda v: v["config"].update(ExposedPorts={"http": {}})),
    ),
    "a malformed variable": (
        "config-field", _config(lambda v: v["config"].update(Env=["NOVALUE"])),
    ),
    "a malformed time": ("config-field", _config(lambda v: v.update(created="yesterday"))),
    "another rootfs": ("rootfs-type", _config(lambda v: v["rootfs"].update(type="flat"))),
    "no diff_ids": ("rootfs-diff-ids", _config(lambda v: v["rootfs"].pop("diff_ids"))),
    "a diff_id too few": ("diff-id-count", _config(lambda v: v["rootfs"]["diff_ids"].pop())),
    "a wrong diff_id": (
        "diff-id",
        _config(lambda v: v["rootfs"]["diff_ids"].__setitem__(0, "sha256:" + "0" * 64)),
    ),
    "history of another image": ("history-count", _config(lambda v: v["history"].pop())),
    # layers as bytes
    "a plain layer called gzip": (
        "layer-compression", lambda s: s.set_layer(tar_of(_FILE), tar_of(_FILE)),
    ),
    "a stream cut off": ("compression-corrupt", _blob(lambda data: data[:-20])),
    "a damaged stream": (
        "compression-corrupt", _blob(lambda data: data[:2000] + b"\0" * 50 + data[2050:]),
    ),
    "bytes behind the stream": ("compression-trailing-data", _blob(lambda data: data + b"more")),
    # layers as tar
    "a wrong checksum": ("tar-header", _tar_bytes(lambda data: b"X" + data[1:])),
    "a cut archive": ("tar-truncated", _tar_bytes(lambda data: data[:600])),
    "no end": ("tar-end", _tar_bytes(lambda data: data[:1024])),
    "something behind the end": ("tar-trailing-data", _tar_bytes(lambda data: data + b"x" * 512)),
    "two sizes": ("tar-size-disagreement", _tar_bytes(_pax_size)),
    "a path twice": ("tar-duplicate", _tar(_FILE, _FILE)),
    "an absolute name": ("tar-name-absolute", _tar(member("/etc/x", b"x"))),
    "a name that leaves": ("tar-name-parent", _tar(member("a/../../x", b"x"))),
    "a name too long for a file system": ("tar-name-long", _tar(member("d/" + "n" * 256))),
    "a name too long in UTF-8": ("tar-name-long", _tar(member("é" * 128 + "/x"))),
    "a file below a link": (
        "tar-through-link",
        _tar(member("d", type=tarfile.SYMTYPE, linkname="/etc"), member("d/x", b"x")),
    ),
    "a directory with data": ("tar-link-size", _tar_bytes(_directory_with_data)),
    "a name of nothing": ("tar-name-empty", _tar(member(""))),
    "a root that is a file": ("tar-name-empty", _tar(member("./."))),
    "a name in Latin-1": ("tar-name-encoding", _tar(member("caf\udce9"))),
    "a sparse file": (
        "tar-sparse",
        _tar(member("x", b"0\n", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"})),
    ),
    "a hard link to nothing": (
        "tar-hardlink", _tar(member("l", type=tarfile.LNKTYPE, linkname="nothing")),
    ),
    "a hard link outside": (
        "tar-hardlink-escape", _tar(member("l", type=tarfile.LNKTYPE, linkname="../../etc/passwd")),
    ),
    "a hard link with another mode": (
        "tar-hardlink-metadata",
        _tar(member("a", b"a"), member("l", type=tarfile.LNKTYPE, linkname="./a", mode=0o4755)),
    ),
    "a link to a hard link with another owner": (
        "tar-hardlink-metadata",
        _tar(
            member("a", b"a"),
            member("l", type=tarfile.LNKTYPE, linkname="a"),
            member("m", type=tarfile.LNKTYPE, linkname="l", gid=1),
        ),
    ),
    "a whiteout with content": ("tar-whiteout", _tar(member("etc/.wh.a", b"x"))),
    "a whiteout behind what it hides": (
        "tar-whiteout-order", _tar(member("etc/a", b"a"), member("etc/.wh.a")),
    ),
    "an opaque directory behind what is in it": (
        "tar-whiteout-order", _tar(member("etc/d/a", b"a"), member("etc/.wh..wh..opq")),
    ),
    "a whiteout that is a directory": (
        "tar-whiteout", _tar(member("etc/.wh.a", type=tarfile.DIRTYPE)),
    ),
    "a whiteout of its parent": ("tar-whiteout-name", _tar(member("etc/.wh...", b""))),
    "a file with the name of a directory": ("tar-field", _tar(member("d/"))),
    "a symbolic link to nowhere": ("tar-field", _tar(member("l", type=tarfile.SYMTYPE))),
    "an owner below zero": ("tar-field", _tar(member("x", uid=2**32 - 1))),
    "a name longer than any path": ("limit-name", _tar(member("d/" * 100_000 + "x"))),
    "a sparse name that hides another": (
        "tar-pax",
        _tar(
            member(
                "../../etc/passwd",
                pax_headers={"GNU.sparse.major": "1", "GNU.sparse.name": "etc/passwd"},
            )
        ),
    ),
    "an unknown type": ("tar-type", _tar(member("x", type=b"Z"))),
}  # fmt: skip

#: What scripts rely on (docs/verify.md).
_CODES = {"unsafe": 12, "corrupt": 5, "missing": 4, "invalid": 3, "limit": 9}


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_found_by_its_rule(tmp_path: Path, name: str) -> None:
    rule, spoil = FAULTS[name]
    spoilt = Spoilt(tmp_path / "layout")
    spoil(spoilt)
    report = verify_directory(spoilt.directory, Options())
    findings = [finding for finding in report.findings if finding.rule == rule]
    assert findings
    if RULES[rule].severity is not Severity.NOTE:
        assert exit_code(findings, strict=True) == _CODES[RULES[rule].kind.value]
    assert (exit_code(report.findings) != 0) >= (RULES[rule].severity is Severity.ERROR)


def test_a_fault_of_every_rule_is_seeded() -> None:
    elsewhere = {
        "docker-manifest", "docker-tag", "docker-oci-disagreement", "layer-toc",
        "limit-documents", "limit-entries", "limit-names", "limit-ratio", "limit-size",
        "limit-time", "index-depth", "platform-expected",
    }  # fmt: skip
    assert elsewhere | {rule for rule, _ in FAULTS.values()} == RULES.keys()


def test_a_sound_image_has_no_findings(tmp_path: Path) -> None:
    report = verify_directory(sound(tmp_path / "layout"), Options())
    assert report.findings == ()
    assert (report.counts.images, report.counts.layers, report.counts.entries) == (1, 2, 2)


def test_the_empty_content_by_another_algorithm_has_no_findings(tmp_path: Path) -> None:
    spoilt = Spoilt(tmp_path / "layout")
    empty = {**_EMPTY, **_sha512(b"{}"), "data": _data(b"{}")}
    spoilt.change_manifest(lambda value: value.update(subject=empty))
    findings = verify_directory(spoilt.directory, Options()).findings
    assert {finding.rule for finding in findings} == {"layout-unreferenced"}


def test_the_gravest_class_gives_the_code(tmp_path: Path) -> None:
    spoilt = Spoilt(tmp_path / "layout")
    spoilt.set_layer(tar_of(_FILE, _FILE))  # unsafe
    _cut_second(spoilt)  # corrupt
    assert exit_code(verify_directory(spoilt.directory, Options()).findings) == 12


def _cut_second(spoilt: Spoilt) -> None:
    path = spoilt.blob(spoilt.manifest["layers"][1]["digest"])
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        (Limits(entries=3), "limit-entries"),
        (Limits(layer_bytes=1000), "limit-size"),
        (Limits(total_bytes=5000), "limit-size"),
        (Limits(ratio=2, ratio_floor=1), "limit-ratio"),
        (Limits(seconds=0), "limit-time"),
        (Limits(documents=1), "limit-documents"),
        (Limits(depth=-1), "index-depth"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_caps_hold(tmp_path: Path, limits: Limits, rule: str) -> None:
    spoilt = Spoilt(tmp_path / "layout")
    spoilt.set_layer(tar_of(*(member(f"f{number}", bytes(2000)) for number in range(9))))
    report = verify_directory(spoilt.directory, Options(limits))
    assert rule in {finding.rule for finding in report.findings}
    assert exit_code(report.findings) == 9


def test_paths_that_fill_memory_are_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every directory on the way to a name counts: 2,000 of them make 4 KiB of name 4 MiB."""
    monkeypatch.setattr(scan_rules, "_MAX_NAMES", 20 << 20)
    spoilt = Spoilt(tmp_path / "layout")
    spoilt.set_layer(tar_of(*(member(f"{number:04}/" + "d/" * 1900 + "x") for number in range(50))))
    report = verify_directory(spoilt.directory, Options())
    assert [item.rule for item in report.findings if item.rule.startswith("limit")] == [
        "limit-names"
    ]
    assert exit_code(report.findings) == 9


def test_a_layout_of_odd_files_is_reported_in_plain_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Links to nothing and in a circle, pipes, names that are no text or move the cursor."""
    directory = sound(tmp_path / "layout")
    (directory / "nowhere").symlink_to("gone")
    (directory / "blobs/circle").symlink_to("circle")
    (directory / "blobs/up").symlink_to("..")
    os.mkfifo(directory / "blobs/sha256/\x1b[2Jpipe")
    (directory / "blobs/sha256" / os.fsdecode(b"\xff")).write_bytes(b"x")
    for words in ([], ["--follow_links"]):
        assert verify.main([f"oci:{directory}", *words]) != 0
        out = capsys.readouterr().out
        out.encode()
        assert r"\x1b[2Jpipe" in out
        assert "\x1b" not in out


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    spoilt = Spoilt(tmp_path / "layout")
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as stream:
        info = tarfile.TarInfo("big")
        info.size = 3 << 30
        stream.write(info.tobuf())
        for _ in range(64):
            stream.write(bytes(1 << 20))
    spoilt.set_layer(b"", out.getvalue())
    report = verify_directory(spoilt.directory, Options(Limits(layer_bytes=8 << 20)))
    assert "limit-size" in {finding.rule for finding in report.findings}


def test_many_findings_of_a_rule_are_cut_short(tmp_path: Path) -> None:
    spoilt = Spoilt(tmp_path / "layout")
    spoilt.set_layer(tar_of(*[_FILE] * 50))
    found = [
        item
        for item in verify_directory(spoilt.directory, Options()).findings
        if item.rule == "tar-duplicate"
    ]
    assert len(found) == 21
    assert found[-1].what == "and 29 more of the same"


@pytest.mark.parametrize(
    ("name", "target", "what"),
    [
        ("blobs/gone", "nowhere", "leads nowhere"),
        ("blobs/round", ".", "leads to a directory of the layout"),
        ("blobs/sha256/up", "../..", "leads to a directory of the layout"),
        ("blobs/itself", "itself", "leads nowhere"),
    ],
)
def test_a_link_that_is_followed_may_lead_nowhere_or_in_circles(
    tmp_path: Path, name: str, target: str, what: str
) -> None:
    directory = sound(tmp_path / "layout")
    for link in (name, f"{name}2"):
        (directory / link).symlink_to(target)
    findings = verify_directory(directory, Options(follow_links=True)).findings
    assert {finding.rule for finding in findings} == {"layout-file-type"}
    assert {finding.subject for finding in findings} == {name, f"{name}2"}
    assert all(what in finding.what for finding in findings)
