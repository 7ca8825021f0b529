"""What a Dockerfile takes from outside, however it is written (issue 6, item 3)."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.builder.dockerfile import parse
from lading.builder.expand import expand
from lading.errors import InputError
from lading.oci.platform import Platform

_RUN = ["RUN true", "RUN echo a \\\n  b", "ENV A=1", "# FROM no", "COPY x y", "LABEL a='FROM no'"]
_HEREDOCS = [
    "RUN <<EOF\nFROM no\nEOF",
    "RUN <<-'EOF' cat\nFROM no \\\n\tEOF",
    'COPY <<a <<"b" /x/\nFROM no\na\nFROM no\nb',
    "RUN cat <<EOF >/x && \\\n  true\nFROM no\nEOF",
]


def _external(text: str, **build_args: str) -> list[tuple[str, int, str]]:
    return [(item.name, item.line, item.how) for item in parse(text, build_args).external()]


def _bases(text: str) -> list[str]:
    return [stage.base.name for stage in parse(text).stages]


def test_each_way_to_take_an_image() -> None:
    text = (
        "FROM --platform=linux/amd64 one:1 AS build\n"
        "RUN --mount=type=bind,from=two,target=/x --mount=type=cache,target=/c make\n"
        "COPY --chown=1:1 --from=three@sha256:00 /a /b\n"
        "ADD https://example.org/a.tar /a\n"
        "ADD --checksum=sha256:00 https://example.org/b.tar /b\n"
        "FROM scratch\n"
        "COPY --from=build /x /x\n"
        "COPY --from=0 /x /x\n"
    )
    assert _external(text) == [
        ("one:1", 1, "FROM"),
        ("two", 2, "RUN --mount"),
        ("three@sha256:00", 3, "COPY --from"),
        ("https://example.org/a.tar", 4, "ADD"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "COPY --fr\\om=evil / /",
        'COPY --fr"o"m=evil / /',
        'COPY "--from=no" --from=no /',
        "COPY --link --from='evil' / /",
        "RUN --mount=type=bind,From=evil,target=/x true",
        "RUN --mount=type=bind,fr\\om=evil true",
        'RUN --mount=type=bind,\\"from=evil\\" true',
        "ONBUILD COPY --fr\\om=evil / /",
    ],
)
def test_no_way_to_write_a_flag_hides_an_image(line: str) -> None:
    """BuildKit takes quotes and escapes out of flags before it reads them."""
    found = [name for name, _, how in _external(f"FROM scratch\n{line}\n")]
    assert found == ([] if "=no" in line else ["evil"])


@pytest.mark.parametrize(
    ("line", "fetches"),
    [
        ("ADD ht${X}tps://example.org/a /", True),
        ("ADD http$S://example.org/a /", True),
        ('ADD ht"tps"://example.org/a /', True),
        ("ADD ht\\tps://example.org/a /", True),
        ("ADD $URL /", True),
        ('ADD ["git@$HOST:a/b", "/"]', True),
        ("ADD --checksum=$SUM https://example.org/a /", True),
        ("ADD --checksum= https://example.org/a /", True),
        ("ADD app-${VERSION}.tar /", False),
        ("ADD src/$A b/ /", False),
    ],
)
def test_no_variable_or_quote_hides_an_address(line: str, fetches: bool) -> None:
    assert bool(_external(f"FROM scratch\nARG X S URL HOST SUM A\n{line}\n")) == fetches


def test_white_space_that_builders_do_not_know_is_refused() -> None:
    with pytest.raises(InputError, match="line 3: the character"):
        parse("FROM a\nRUN x \\\n\x1c# <<E\n")


def test_a_name_that_depends_on_more_than_arguments_is_none_that_was_given() -> None:
    for name in ("scratch$TARGETVARIANT", "${A#x}base", "${A%e}", "${A/a/b}", "a$1"):
        (found,) = _external(f"ARG A=xbase\nFROM {name}\n")
        assert "$" in found[0], name


def test_a_stage_is_no_image_from_outside_unless_it_comes_later() -> None:
    assert _external("FROM a AS B\nFROM b\n") == [("a", 1, "FROM")]
    assert _external("FROM b\nFROM a AS b\nFROM 0\n") == [("0", 3, "FROM")]
    assert _external("FROM a\nCOPY --from=later / /\nFROM b AS later\nCOPY --from=0 / /\n") == [
        ("a", 1, "FROM"),
        ("later", 2, "COPY --from"),
        ("b", 3, "FROM"),
    ]


def test_only_stages_that_the_target_needs_count() -> None:
    dockerfile = parse("FROM a AS x\nFROM b AS y\nCOPY --from=x / /\nFROM c AS z\n")
    assert [item.name for item in dockerfile.external("y")] == ["a", "b"]
    assert [item.name for item in dockerfile.external("Z")] == ["c"]
    assert [item.name for item in dockerfile.external("0")] == ["a"]
    with pytest.raises(InputError, match="no stage 'w'"):
        dockerfile.external("w")


def test_arguments_before_the_first_stage_name_bases() -> None:
    text = "ARG V=1 N=base\nARG FULL=${N}:${V:-0}\nFROM ${FULL}${NONE:+x} AS $N\n"
    assert _external(text) == [("base:1", 3, "FROM")]
    assert _external(text, V="2") == [("base:2", 3, "FROM")]
    assert _external(text, FULL="other") == [("other", 3, "FROM")]
    with pytest.raises(InputError, match="line 1: FROM \\$X names no image"):
        parse("FROM $X\n")


def test_directives_are_those_at_the_very_top() -> None:
    dockerfile = parse("# syntax=docker/dockerfile:1 x\n# escape=`\nFROM a `\n  AS b\n")
    assert (dockerfile.syntax, dockerfile.syntax_line) == ("docker/dockerfile:1", 1)
    assert dockerfile.escape == "`"
    assert dockerfile.stages[0].name == "b"
    assert parse("\ufeff#syntax = evil\nFROM a").syntax == "evil"
    assert parse("#!/usr/bin/x\n# syntax=evil\nFROM a").syntax_line == 2
    assert parse("# hello\n# syntax=evil\nFROM a").syntax == ""
    assert parse("\n# syntax=evil\nFROM a").syntax == ""
    # BuildKit also takes a directive from // and from JSON; nothing else of a Dockerfile fits.
    for text in ("// syntax=evil\nFROM a", '{"syntax": "evil"}\nFROM a'):
        with pytest.raises(InputError, match="before the first FROM"):
            parse(text)
    for text in ("# escape=x\nFROM a", "# syntax=a\n# Syntax=b\nFROM a", "#!x\n# escape=`\nFROM a"):
        with pytest.raises(InputError, match="line"):
            parse(text)


def test_an_escaped_escape_does_not_continue_a_line() -> None:
    """`a \\\\` ends there: what follows is an instruction, and it takes an image."""
    assert _bases("FROM a\nRUN x \\\\\nFROM b\n") == ["a", "b"]
    assert _bases("FROM a\nRUN x \\  \n\n# c\n  FROM b\n") == ["a"]


def test_a_quote_without_an_end_takes_a_heredoc_with_it() -> None:
    """BuildKit reads on; found by asking it (tests/integration/dockerfile/test_scanner.py)."""
    assert _bases("FROM a\nRUN 'x \\\n <<E\nFROM b\nE x\n") == ["a", "b"]


def test_what_looks_like_a_heredoc_to_a_shell_alone_hides_nothing() -> None:
    """Docker knows a heredoc only by a word that begins with <<, and not in quotes."""
    for line in (
        "RUN cat<<EOF",
        'RUN echo " <<EOF "',
        "RUN a <<<EOF",
        "ENV A=<<EOF",
        "RUN \\<<EOF",
    ):
        assert _bases(f"FROM a\n{line}\nFROM b\n") == ["a", "b"], line


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no FROM"),
        ("# nothing\n", "no FROM"),
        ("RUN x\nFROM a", "line 1: RUN stands before"),
        ("FROM a b\n", "line 1: FROM a b cannot be read"),
        ("FROM a\nRUN <<EOF\nx\n", "line 2: the heredoc 'EOF' has no end"),
    ],
)
def test_what_cannot_be_read_names_its_line(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        parse(text)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["FROM", "from", "From"]),
            st.sampled_from([" ", "  ", " \\\n ", " \\\n\n# c\n\t", "\t"]),
            st.sampled_from(["", "--platform=linux/arm64 ", "--platform=$BUILDPLATFORM "]),
            st.booleans(),
            st.lists(st.sampled_from([*_RUN, *_HEREDOCS, "", "  ", "#\\"]), max_size=5),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_every_base_is_found_at_its_line(
    stages: list[tuple[str, str, str, bool, list[str]]], end: str
) -> None:
    lines: list[str] = []
    expected = []
    for number, (keyword, space, platform, named, body) in enumerate(stages):
        expected.append((f"image{number}", len(lines) + 1))
        name = f"{space}AS stage{number}" if named else ""
        lines += f"{keyword}{space}{platform}image{number}{name}".split("\n")
        lines += [line for item in body for line in item.split("\n")]
    dockerfile = parse(end.join(lines) + end)
    assert [(stage.base.name, stage.base.line) for stage in dockerfile.stages] == expected
    assert [stage.name for stage in dockerfile.stages] == [
        f"stage{number}" if stage[3] else "" for number, stage in enumerate(stages)
    ]


@given(st.text(alphabet="FROM abAS\\`\n\r#<>-EOF=$${}\"'/:syntax\t", max_size=120))
def test_no_text_breaks_it(text: str) -> None:
    with contextlib.suppress(InputError):
        parse(text).external()


def test_variables() -> None:
    values = {"A": "1", "B": "2", "E": ""}
    for text, expected in {
        "x$A-${B}": "x1-2",
        "${C:-$A}": "1",
        "${C-d}": "d",
        "${E-d}${E+e}": "e",
        "${E:-d}${E:+e}": "d",
        "${A?m}${A:?m}": "11",
        "${A##1}": "${A##1}",
        "${A:+y}${C:+n}": "y",
        "\\$A": "$A",
        "$": "$",
        "${A": "${A",
        "${C:-${D:-deep}}": "deep",
    }.items():
        assert expand(text, values) == expected


_CROSS = """\
FROM --platform=$BUILDPLATFORM tools AS build
FROM one AS for-amd64
FROM two AS for-arm64
FROM three AS for-armv7
FROM for-${TARGETARCH}${TARGETVARIANT}
COPY --from=build /x /x
"""


@pytest.mark.parametrize(
    ("platform", "base"),
    [("linux/amd64", "one"), ("linux/arm64", "two"), ("linux/arm/v7", "three")],
)
def test_the_target_platform_chooses_a_stage(platform: str, base: str) -> None:
    target = Platform.parse(platform)
    found = parse(_CROSS, platform=target).external()
    assert [item.name for item in found] == ["tools", base]
    assert [item.runs_here for item in found] == [True, False]
    # What the builder runs on is what it builds for when nothing is said.
    assert parse(_CROSS, build_platform=target).external() == found


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/$TARGETOS-$TARGETARCH", "a/linux-arm64"),
        ("a/$TARGETPLATFORM", "a/linux/arm64"),
        ("a/$BUILDPLATFORM", "a/linux/amd64"),
        ("a-$BUILDOS-${BUILDARCH}$BUILDVARIANT", "a-linux-amd64"),
        ("a${TARGETVARIANT:-x}${TARGETVARIANT:+y}", "ax"),
        ("$N", "n-arm64"),
    ],
)
def test_platforms_are_what_buildkit_says_before_the_first_stage(name: str, expected: str) -> None:
    text = f"ARG N=n-${{TARGETARCH}}\nFROM {name}\n"
    target, build = Platform("linux", "arm64"), Platform("linux", "amd64")
    (found,) = parse(text, platform=target, build_platform=build).external()
    assert found.name == expected


@pytest.mark.parametrize(
    ("name", "platform"),
    [
        ("base$BUILDARCH", "linux/amd64"),
        ("base${BUILDARCH:+x}", "linux/amd64"),
        ("base${BUILDARCH:-x}", "linux/amd64"),
        # Empty or not there, it depends on the version.
        ("base${TARGETVARIANT-x}", "linux/amd64"),
        ("base${TARGETVARIANT+x}", "linux/amd64"),
        # Builders add, drop or spell these anew.
        ("base$TARGETVARIANT", "linux/arm"),
        ("base${TARGETVARIANT:+x}", "linux/arm64/v8"),
        ("base$TARGETPLATFORM", "linux/arm64/v8"),
        ("base$TARGETARCH", "linux/aarch64"),
        # Set by newer versions.
        ("base$TARGETSTAGE", "linux/amd64"),
        ("base$TARGETOSVERSION", "linux/amd64"),
        # Declared: given to every build, kept by some builders only, or made of what is not known.
        ("base$SOURCE_DATE_EPOCH", "linux/amd64"),
        ("base$TARGETOS", "linux/amd64"),
        ("base$N", "linux/amd64"),
        ("base${N:+x}", "linux/amd64"),
    ],
)
def test_what_is_not_known_of_a_platform_names_nothing(name: str, platform: str) -> None:
    text = f"ARG SOURCE_DATE_EPOCH=\nARG TARGETOS\nARG N=$BUILDVARIANT\nFROM {name}\n"
    (found,) = parse(text, platform=Platform.parse(platform)).external()
    assert "$" in found.name
    # No stage either, whatever it is called.
    stage = f"FROM other AS {found.name}\nFROM {name}\n"
    declared = text.rpartition("FROM")[0]
    names = [
        one.name for one in parse(declared + stage, platform=Platform.parse(platform)).external()
    ]
    assert names == [found.name]


def test_a_build_argument_with_the_name_of_a_platform_wins_or_is_in_doubt() -> None:
    """BuildKit takes it even if no ARG declares it."""
    arguments, platform = {"TARGETARCH": "evil"}, Platform("linux", "amd64")
    (found,) = parse("FROM for-$TARGETARCH\n", arguments, platform=platform).external()
    assert found.name == "for-$TARGETARCH"
    text = "ARG TARGETARCH\nFROM for-$TARGETARCH\n"
    (found,) = parse(text, arguments, platform=platform).external()
    assert found.name == "for-evil"
    (found,) = parse("ARG TARGETARCH=arm64\nFROM for-$TARGETARCH\n", platform=platform).external()
    assert found.name == "for-arm64"
