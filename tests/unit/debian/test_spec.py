"""images/debian.yaml: what it may say."""

from __future__ import annotations

import pytest

from lading.debian.spec import parse_spec
from lading.errors import InputError

GOOD = """
suite: trixie
components: [main]
architectures: [arm64, amd64]
sets:
  python: {above: [cc], packages: [python3.13-minimal]}
  cc: {packages: [libc6, libstdc++6]}
exclude: {debconf: asks questions}
point_releases: {openssl: a reason}
"""


def test_sets_follow_those_they_are_above() -> None:
    spec = parse_spec(GOOD, "debian.yaml")
    assert [each.name for each in spec.sets] == ["cc", "python"]
    assert spec.architectures == ("amd64", "arm64")
    assert spec.exclude == {"debconf": "asks questions"}
    assert spec.point_releases == {"openssl": "a reason"}
    assert parse_spec(GOOD.partition("exclude")[0], "debian.yaml").point_releases == {}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("suite: trixie", "suite: ../x", "suite is not a list of names"),
        ("suite: trixie", "", "suite is not"),
        ("components: [main]", "componets: [main]", "unknown key 'componets'"),
        ("[main]", "[main, main]", "names something twice"),
        ("[main]", "[]", "components is not"),
        ("packages: [libc6", "package: [libc6", "set 'cc' is not a mapping"),
        ("libc6", "Libc6", "packages is not a list of names"),
        ("above: [cc]", "above: [rust]", "above rust, which is no set"),
        ("cc: {", "cc: {above: [python], ", "above each other"),
        ("asks questions", "", "exclude is not a mapping of package names to reasons"),
        ("{openssl: a reason}", "[openssl]", "point_releases is not a mapping"),
        (
            "  cc:",
            "  cc: {packages: [zlib1g]}\n  cc:",
            "line 8: it has the key 'cc' a second time\n  keep one of",
        ),
        ("sets:", "sets: [", "is not YAML"),
        ("suite: trixie", "suite: !!python/object/apply:os.getcwd []", "the tag"),
    ],
)
def test_mistakes_are_named(old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=message):
        parse_spec(GOOD.replace(old, new, 1), "debian.yaml")


def test_a_list_or_nothing_is_refused() -> None:
    for text in ("", "- a", "[" * 2000):
        with pytest.raises(InputError):
            parse_spec(text, "debian.yaml")
