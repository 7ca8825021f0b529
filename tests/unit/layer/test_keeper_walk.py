"""A worker that lives long: layers of files, trees and archives change in every way there is.

Whatever is kept, was cancelled, is built several times at once, or does not fit the cache, the
bytes are those of a build without a worker.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lading.layer.build import LayerRequest, build_layer
from tests.unit.layer.kept_tree import KINDS, Tree, content

_names = st.sampled_from([f"{a}/{b}{c}" for a in "ac" for b in "xy" for c in range(4)])
#: Tiny ones, none, and those around the sizes at which a file is cut.
_sizes = st.one_of(
    st.integers(0, 3000),
    st.sampled_from([8191, 8192, 8193, 24_575, 24_576, 24_577, 16_384, 65_536, 100_000]),
)
_contents = st.builds(content, st.integers(0, 3), _sizes)
_several = st.lists(_contents, min_size=1, max_size=4)
_places = st.sampled_from(["b", "d"])
_metas = st.sampled_from(
    [
        '{"mode": "0600"}',
        '{"uid": 7, "gname": "é"}',
        '{"mtime": 5}',
        '{"pax_records": {"SCHILY.xattr.user.a": ""}}',
    ]
)


class _StopError(BaseException):
    """As a cancelled request ends."""


class _Sources(Tree):
    """Bazel knows the files of trees too."""

    def inputs(self) -> dict[str, str]:
        files = [path for path in (self.root / "trees").rglob("*/*") if path.is_file()]
        known = {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        return known | super().inputs()


class LongLived(RuleBasedStateMachine):
    """One layer of a worker."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = tempfile.TemporaryDirectory()
        self.tree = _Sources(Path(self._directory.name))
        self.lines: dict[str, str] = {}

    def teardown(self) -> None:
        self._directory.cleanup()

    @initialize(files=st.dictionaries(_names, _contents, min_size=4))
    def begin(self, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            self.tree.put(name, data)

    @rule(name=_names, data=_contents)
    def put(self, name: str, data: bytes) -> None:
        self.tree.put(name, data)

    @rule(name=_names, other=_names, keep=st.booleans())
    def copy(self, name: str, other: str, keep: bool) -> None:
        if name in self.tree.files:
            self.tree.put(other, self.tree.files[name])
            if not keep and other != name:
                self.remove(name)

    @rule(name=_names)
    def remove(self, name: str) -> None:
        self.tree.files.pop(name, None)
        self.tree.modes.pop(name, None)

    @rule(name=_names, meta=_metas)
    def describe(self, name: str, meta: str) -> None:
        if name in self.tree.files:
            self.tree.modes[name] = meta

    @rule(name=_names)
    def forget_digest(self, name: str) -> None:
        self.tree.unknown ^= {name}

    @rule(place=_places, contents=_several, packed=st.booleans())
    def archive(self, place: str, contents: list[bytes], packed: bool) -> None:
        """Some files; every other one has a second name, which is a hard link."""
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for number, data in enumerate(contents):
                info = tarfile.TarInfo(f"f{number}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
                if number % 2:
                    info = tarfile.TarInfo(f"link{number}")
                    info.type, info.linkname = tarfile.LNKTYPE, f"f{number}"
                    archive.addfile(info)
        data = stream.getvalue()
        path = self.tree.root / f"{place}.tar"
        path.write_bytes(gzip.compress(data, 1) if packed else data)
        self.lines[f"archive {place}"] = f"A\t/{place}\t{path}"

    @rule(
        place=_places,
        contents=_several,
        kind=st.sampled_from("TF"),
    )
    def directory(self, place: str, contents: list[bytes], kind: str) -> None:
        path = self.tree.root / "trees" / place
        shutil.rmtree(path, ignore_errors=True)
        for number, data in enumerate(contents):
            file = path / f"sub{number % 2}" / f"f{number}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        (path / "link").symlink_to("sub0/f0")
        self.lines[f"tree {place}"] = f"{kind}\t/{place}/tree\t{path}"

    @precondition(lambda self: self.lines)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        del self.lines[data.draw(st.sampled_from(sorted(self.lines)))]

    @rule(kind=st.sampled_from(KINDS))
    def compress(self, kind: str) -> None:
        self.tree.kind = kind

    @rule(limit=st.sampled_from([0, 3000, 20_000, 1 << 20]))
    def limit_memory(self, limit: int) -> None:
        self.tree.cache.limit = limit

    @rule(at=st.integers(0, 10**6))
    def break_blob(self, at: int) -> None:
        blob = self.tree.root / "out/layer.blob"
        if blob.exists():
            with blob.open("r+b") as stream:
                stream.seek(at % blob.stat().st_size)
                stream.write(b"?")

    @rule(after=st.integers(0, 6))
    def cancel(self, after: int) -> None:
        def checkpoint() -> None:
            nonlocal after
            after -= 1
            if after < 0:
                raise _StopError

        out = self.tree.root / "out"
        try:
            self.tree.warm(checkpoint=checkpoint)
        except _StopError:
            assert list(out.iterdir()) == []

    @rule()
    def build_at_once(self) -> None:
        """Three requests for one output; Bazel has never been seen to send them."""
        self._say_more()
        blob = str(self.tree.root / "out/layer.blob")

        def build(_: int) -> str:
            request = LayerRequest(
                blob,
                self.tree.lines(),
                compression=self.tree.compression(),
                inputs=self.tree.inputs(),
                cache=self.tree.cache,
            )
            return build_layer(request).digest

        with ThreadPoolExecutor(3) as executor:
            assert len(set(executor.map(build, range(3)))) == 1

    def _say_more(self) -> None:
        self.tree.more = list(self.lines.values())

    @invariant()
    def the_bytes_are_those_of_a_build_without_a_worker(self) -> None:
        self._say_more()
        self.tree.check()


LongLived.TestCase.settings = settings(max_examples=12, stateful_step_count=25, deadline=None)
TestLongLived = LongLived.TestCase
