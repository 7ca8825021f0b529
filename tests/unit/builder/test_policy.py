"""Nothing is fetched that was not given or allowed, and no frontend decides unasked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lading.builder import buildah
from lading.builder.policy import Admitted, admit
from lading.builder.request import BuildRequest, Secret
from lading.errors import InputError, LadingError, NotFoundError, UsageError
from lading.oci.platform import Platform
from lading.store import layouts
from tests.unit.store import tiny

_DIGEST = "sha256:" + "0" * 64


def _admit(directory: Path, text: str, **fields: Any) -> Admitted:
    (directory / "Dockerfile").write_text(text)
    return admit(BuildRequest(directory, **fields))


def _layout(directory: Path, *triggers: str) -> Path:
    """A base, with ONBUILD instructions."""
    content = tiny.MemoryContent()
    root = tiny.image(content, [tiny.layer({"a": b"a"})], config={"OnBuild": list(triggers)})
    layouts.write(directory / "layout", root, content)
    return directory / "layout"


def test_a_carriage_return_begins_no_line(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"FROM scratch\r\nLABEL a=b\rRUN c\r\n")
    admitted = admit(BuildRequest(tmp_path))
    assert admitted.text.encode() == (tmp_path / "Dockerfile").read_bytes()
    stages = admitted.request.parse(admitted.text).stages
    assert [one.keyword for one in stages[0].instructions] == ["LABEL"]


def test_an_image_that_was_not_given_is_refused_by_its_line(tmp_path: Path) -> None:
    text = "FROM base AS a\nFROM other\nCOPY --from=a / /\n"
    with pytest.raises(InputError, match="line 2: FROM other names an image") as caught:
        _admit(tmp_path, text, bases={"base": _layout(tmp_path)})
    assert "given: base" in caught.value.fix
    assert "allow = ['other']" in caught.value.fix
    with pytest.raises(InputError, match="line 2: COPY --from other"):
        _admit(tmp_path, "FROM scratch\nCOPY --from=other / /\n")
    with pytest.raises(InputError, match=r"line 2: ADD https://example\.org/x fetches"):
        _admit(tmp_path, "FROM scratch\nADD https://example.org/x /\n")


def test_what_is_allowed_is_pulled_and_told_how_to_pin(tmp_path: Path) -> None:
    found = _admit(tmp_path, "FROM other:1\n", allow=frozenset({"other:1"}))
    assert "registry -- inspect other:1" in found.warnings[0]
    pinned = f"other@{_DIGEST}"
    assert _admit(tmp_path, f"FROM {pinned}\n", allow=frozenset({pinned})).warnings == ()


def test_scratch_and_bases_need_nothing(tmp_path: Path) -> None:
    found = _admit(tmp_path, "ARG B=base:1\nFROM $B AS x\nFROM scratch\nCOPY --from=x / /\n",
                   bases={"base:1": _layout(tmp_path)})  # fmt: skip
    assert found.warnings == ()
    assert found.request.bases == {"base:1": tmp_path / "layout"}


def test_a_base_that_is_not_used_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not use 'basis'"):
        _admit(tmp_path, "FROM scratch\n", bases={"basis": _layout(tmp_path)})
    with pytest.raises(InputError, match="the stage 'base' has a base's name"):
        _admit(tmp_path, "FROM scratch AS base\nFROM base\n", bases={"base": _layout(tmp_path)})


def test_ordinary_frontends_are_replaced_and_others_refused(tmp_path: Path) -> None:
    text = "# syntax=docker/dockerfile:1.7\n# escape=`\nFROM scratch\n"
    found = _admit(tmp_path, text)
    assert "syntax" not in found.text.replace("no syntax", "")
    assert found.text.count("\n") == text.count("\n")
    assert found.text.startswith("# escape=`\n#\n")  # a directive still
    assert "none is fetched" in found.warnings[0]
    for name in (
        "evil/frontend",
        "docker/dockerfile-evil:1",
        "docker/dockerfilex",
        "a/b/docker/dockerfile",
    ):
        with pytest.raises(InputError, match="line 1: the frontend"):
            _admit(tmp_path, f"# syntax={name}\nFROM scratch\n")
    found = _admit(tmp_path, "# syntax=evil/x\nFROM scratch\n", allow=frozenset({"evil/x"}))
    assert found.text.startswith("# syntax=evil/x\n")
    assert "the frontend evil/x" in found.warnings[0]
    pinned = f"evil/x@{_DIGEST}"
    found = _admit(tmp_path, f"# syntax={pinned}\nFROM scratch\n", allow=frozenset({pinned}))
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"build_args": {"BUILDKIT_SYNTAX": "evil"}}, UsageError, "changes what the builder does"),
        ({"build_args": {"SOURCE_DATE_EPOCH": "1"}}, UsageError, "changes what the builder does"),
        ({"build_args": {"a b": "1"}}, UsageError, "no name of a build argument"),
        ({"build_args": {"A": "\0"}}, UsageError, "cannot be passed on"),
        ({"labels": {"a": "\0"}}, UsageError, "cannot be passed on"),
        ({"labels": {"": "a"}}, UsageError, "cannot be passed on"),
        ({"bases": {"--x": Path()}}, UsageError, "no name of a base"),
        ({"bases": {"a=b": Path()}}, UsageError, "no name of a base"),
        ({"secrets": (Secret("a,src=/etc/shadow"),)}, UsageError, "no name of a secret"),
        ({"network": "evil"}, UsageError, "network 'evil' is unknown"),
        ({"target": "none"}, InputError, "no stage 'none'"),
        ({"dockerfile": Path("/nowhere")}, NotFoundError, "no Dockerfile at /nowhere"),
    ],
)
def test_a_request_that_cannot_be_built_is_refused(
    tmp_path: Path, fields: dict[str, Any], error: type[LadingError], says: str
) -> None:
    with pytest.raises(error, match=says):
        _admit(tmp_path, "FROM scratch\n", **fields)
    with pytest.raises(NotFoundError, match="no context"):
        admit(BuildRequest(tmp_path / "missing"))


def test_what_a_base_does_on_build_counts(tmp_path: Path) -> None:
    text = "# first\nFROM base\n"
    for trigger, says in {
        "COPY --from=evil /x /x": "line 2: ONBUILD COPY --from evil names an image",
        "RUN --mount=from=evil,target=/x cp /x /y": "line 2: ONBUILD RUN --mount evil",
        "ADD https://example.org/x /x": "line 2: ONBUILD ADD https://example.org/x fetches",
    }.items():
        base = _layout(tmp_path / trigger[:3], "ENV A=1", trigger)
        with pytest.raises(InputError, match=re.escape(says)):
            _admit(tmp_path, text, bases={"base": base})
    base = _layout(tmp_path / "good", "COPY . /src", "RUN make")
    assert _admit(tmp_path, text, bases={"base": base}).warnings == ()


def test_each_form_of_an_address_is_one(tmp_path: Path) -> None:
    sources = ("HTTPS://x/y", "git@host:x/y", "ssh://git@h/x", "github.com/x/y", "$U", "${U}")
    for source in sources:
        with pytest.raises(InputError, match="fetches what nothing pins"):
            _admit(tmp_path, f"FROM scratch\nADD --chown=1 local {source} /x/\n")
    _admit(tmp_path, "FROM scratch\nADD a/b@c x-${V}.tar ./github.com/x /x/\n")


def test_a_name_for_each_platform_is_given_or_refused(tmp_path: Path) -> None:
    text = "FROM base-${TARGETARCH} AS x\nFROM x\n"
    bases, platform = {"base-arm64": _layout(tmp_path)}, Platform("linux", "arm64")
    found = _admit(tmp_path, text, bases=bases, platform=platform)
    assert found.request.bases == bases
    assert found.warnings == ()
    with pytest.raises(InputError, match=r"line 1: FROM base-\$\{TARGETARCH\} names an image that"):
        _admit(tmp_path, text, bases=bases, platform=Platform("linux", "s390x"))
    # Without a platform nothing fits, not even what is allowed by how it is written.
    with pytest.raises(InputError, match="by what is not known before it is built"):
        _admit(tmp_path, text, allow=frozenset({"base-${TARGETARCH}", "base-$TARGETARCH"}))
    found = _admit(tmp_path, text, allow=frozenset({"base-arm64"}), build_platform=platform)
    assert "base-arm64 can be another image tomorrow" in found.warnings[0]


def test_what_a_base_of_another_platform_does_on_build_counts(tmp_path: Path) -> None:
    """FROM --platform=$BUILDPLATFORM takes that one."""
    content = tiny.MemoryContent()
    images = [
        tiny.image(content, [tiny.layer({"a": b"a"})], platform, {"OnBuild": list(triggers)})
        for platform, triggers in (
            (Platform("linux", "amd64"), ("COPY --from=evil /x /x",)),
            (Platform("linux", "arm64"), ()),
        )
    ]
    for name, root in (("index", tiny.index(content, images)), ("image", images[0])):
        layouts.write(tmp_path / name, root, content)
        for platform in (Platform("linux", "arm64"), None):
            with pytest.raises(InputError, match="line 1: ONBUILD COPY --from evil names an image"):
                _admit(
                    tmp_path, "FROM --platform=$BUILDPLATFORM base\n",
                    bases={"base": tmp_path / name}, platform=platform,
                )  # fmt: skip


def test_buildah_fetches_what_runs_here_for_this_machine(tmp_path: Path) -> None:
    text = (
        "FROM --platform=$BUILDPLATFORM tools AS build\nFROM other-${TARGETARCH}\n"
        "COPY --from=build / /\nCOPY --from=given / /\n"
    )
    allow = frozenset({"tools", "other-arm64", "unused", "given"})
    found = _admit(
        tmp_path, text, allow=allow, platform=Platform("linux", "arm64"),
        bases={"given": _layout(tmp_path)},
    )  # fmt: skip
    assert buildah._pulls(found.request.parse(found.text), found.request) == {
        "tools": [],
        "other-arm64": ["--platform=linux/arm64"],
    }


def test_a_dockerfile_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "directory" / "Dockerfile").mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        admit(BuildRequest(tmp_path / "directory"))
    assert str(caught.value) == f"{tmp_path}/directory/Dockerfile cannot be read: Is a directory"
    (tmp_path / "Dockerfile").write_bytes(b"FROM \xff\n")
    with pytest.raises(InputError, match="Dockerfile is not UTF-8 text"):
        admit(BuildRequest(tmp_path))
