"""The catalog's text: what it says, and that a change changes nothing else (S1.5)."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lading import yamltext
from lading.errors import CorruptError, InputError, LadingError, LimitError
from lading.store import catalog
from lading.store.catalog import Catalog
from lading.store.entry import Entry

#: Written by hand, in a layout of its own, with comments and keys that lading does not know.
HAND = """\
# Our images; ask the build team before touching.
version: "1.0"
owner: build-team   # unknown key
images:
    # The workhorse.
    - name: capy-ubuntu-25.04-gcc15
      file: images/capy/capy-ubuntu-25.04-gcc15.tar
      docker_tag: "capy-ubuntu-25.04-gcc15:latest"
      os: ubuntu-25.04
      architecture: x86_64   # as uname says
      compilers: [gcc15]
      packages:
        - cmake     # from the archive
        - ninja-build
      tools: [cmake]
      variants: []
      size_mb: 512.5
      created: 2026-01-02T03:04:05Z
      last_used: "2026-02-03T04:05:06Z"   # touched by load
      usage_count: 7
      cost_center: 4711
      ports: {http: 80}

    # Only for the sanitizer job.
    - name: capy-ubuntu-25.04-clang20-asan
      file: images/capy/capy-ubuntu-25.04-clang20-asan.tar
      usage_count: 1
# The end.
checked: yes
"""


def _parse(text: str) -> Catalog:
    return catalog.parse(text, what="catalog")


def _entry(name: str = "capy-debian-13-gcc14", **changes: object) -> Entry:
    return replace(Entry.from_values({"name": name, "architecture": "amd64"}), **changes)  # type: ignore[arg-type]


def test_a_catalog_written_by_hand_is_read() -> None:
    first, second = _parse(HAND).entries
    assert first.os == "ubuntu-25.04"
    assert first.architecture == "amd64"
    assert first.packages == ("cmake", "ninja-build")
    assert first.created == "2026-01-02T03:04:05Z"
    assert (first.size_mb, first.usage_count) == (512.5, 7)
    assert first.extra == {"cost_center": 4711, "ports": {"http": 80}}
    # What is not said follows from the name.
    assert (second.os, second.compilers, second.variants) == (
        "ubuntu-25.04",
        ("clang20",),
        ("asan",),
    )
    assert second.docker_tag == "capy-ubuntu-25.04-clang20-asan:latest"


def test_a_use_changes_two_values_and_no_other_byte() -> None:
    before = _parse(HAND)
    after = catalog.put(before, before.entries[0].used("2026-03-01T00:00:00Z"))
    expected = HAND.replace("2026-02-03T04:05:06Z", "2026-03-01T00:00:00Z").replace(
        "usage_count: 7", "usage_count: 8"
    )
    assert after.text == expected


def test_a_key_that_was_not_there_is_added_to_its_entry() -> None:
    before = _parse(HAND)
    after = catalog.put(before, before.entries[1].used("2026-03-01T00:00:00Z"))
    assert after.text == HAND.replace(
        "      usage_count: 1\n", '      usage_count: 2\n      last_used: "2026-03-01T00:00:00Z"\n'
    )


def test_a_new_entry_goes_to_the_end_with_the_margin_of_the_others() -> None:
    after = catalog.put(_parse(HAND), _entry())
    head, tail = HAND.split("# The end.\n")
    assert after.text.startswith(head + "    - name: capy-debian-13-gcc14\n      file: ")
    assert after.text.endswith("# The end.\n" + tail)


def test_dropping_an_entry_takes_the_comment_right_above_it() -> None:
    after = catalog.drop(_parse(HAND), "capy-ubuntu-25.04-clang20-asan")
    assert "sanitizer" not in after.text
    assert "# The end.\nchecked: yes\n" in after.text
    assert after.text.startswith(HAND.split("    # Only for", maxsplit=1)[0])


def test_dropping_the_first_entry_keeps_the_comment_that_may_be_about_the_list() -> None:
    after = catalog.drop(_parse(HAND), "capy-ubuntu-25.04-gcc15")
    assert "The workhorse" in after.text
    assert [entry.name for entry in _parse(after.text).entries] == [
        "capy-ubuntu-25.04-clang20-asan"
    ]


def test_times_and_versions_are_written_as_quoted_strings() -> None:
    text = catalog.put(catalog.EMPTY, _entry(created="2026-01-02T03:04:05Z")).text
    assert 'version: "1.0"' in text
    assert 'created: "2026-01-02T03:04:05Z"' in text
    # A reader of YAML 1.1 has to see texts too.
    [value] = yaml.safe_load(text)["images"]
    assert value["created"] == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "1.10",
        "0x1f",
        "1:30",
        "null",
        "~",
        "a: b",
        "# x",
        "-",
        "é\u2028",
        "\x7f",
        "",
        "\U0001f600",
    ],
)
def test_every_text_survives_both_versions_of_yaml(text: str) -> None:
    written = catalog.put(catalog.EMPTY, _entry(packages=(text,))).text
    assert _parse(written).entries[0].packages == (text,)
    assert yaml.safe_load(written)["images"][0]["packages"] == [text]


@pytest.mark.parametrize(
    "text",
    [
        'version: "1.0"\nimages: []\n',
        'version: "1.0"\nimages:\n',
        'version: "1.0"\nimages:',
        "images: null",
        "version: 1.0\nimages: # none yet\n",
    ],
)
def test_an_empty_catalog_takes_entries(text: str) -> None:
    after = catalog.put(_parse(text), _entry())
    assert _parse(after.text).entries == (_entry(),)
    assert catalog.drop(after, _entry().name).entries == ()


@pytest.mark.parametrize(
    "text",
    [
        "images: [{name: capy-debian-13-base, usage_count: 1}]\n",
        '{"version": "1.0", "images": [{"name": "capy-debian-13-base", "x": [1, {"y": null}]}]}',
        "images:\n  -\n    name: capy-debian-13-base\n",
        "images:\n- name: capy-debian-13-base\r  usage_count: 1\n",
    ],
)
def test_a_catalog_in_another_layout_is_written_anew_and_loses_no_value(text: str) -> None:
    before = _parse(text)
    after = catalog.put(before, _entry())
    assert after.entries == (*before.entries, _entry())
    used = catalog.put(after, after.entries[0].used("2026-01-01T00:00:00Z"))
    assert _parse(used.text).entries == used.entries
    assert catalog.drop(used, "capy-debian-13-base").entries == (_entry(),)


def test_a_list_over_several_lines_can_be_replaced() -> None:
    before = _parse(HAND)
    changed = replace(before.entries[0], packages=("git",))
    after = catalog.put(before, changed)
    assert after.entries[0] == changed
    assert "cost_center: 4711" in after.text


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "listed",
    [
        " [make, git]",
        "\n      - make\n      - git",
        "  # why: a test\n    - make # how\n\n    - git",
        "",
    ],
    ids=["in-brackets", "below", "with-comments", "nothing"],
)
def test_a_list_is_replaced_and_no_other_line(listed: str, end: str) -> None:

    def text(packages: str) -> str:
        return f"""\
version: 1.0
images:
  - name: capy-debian-13-gcc14  # ours
    # Asked for by the build team:
    packages:{packages}
    release: 1.10
    # until 2027
    owner: {{team: build}}
""".replace("\n", end)

    before = _parse(text(listed))
    after = catalog.put(before, replace(before.entries[0], packages=("cmake",)))
    assert after.entries[0].packages == ("cmake",)
    assert after.text == text(" [cmake]")


def test_an_os_with_its_version_is_left_as_it_is() -> None:
    """An image may have a version of its own."""
    values = {"name": "capy-ubuntu-24.04-gcc13", "version": "3"}
    for os in ({}, {"os": "ubuntu-24.04"}):
        assert Entry.from_values({**values, **os}).os == "ubuntu-24.04"
    assert Entry.from_values({**values, "os": "Ubuntu", "os_version": "24.04"}).os == "ubuntu-24.04"


def test_a_version_without_quotes_is_no_number() -> None:
    """Ubuntu 24.10 is not 24.1, in whichever way its entry is written again."""
    text = """\
version: 1.0
images: [{
  name: capy-ubuntu-24.10-gcc13,
  os: ubuntu,
  os_version: 24.10,
  size_mb: 12.50,
  usage_count: 007,
  team: {floor: 1.10, room: 010, door: 7, share: 0.5}
}]
"""
    found = _parse(text)
    [entry] = found.entries
    assert (entry.os, entry.size_mb, entry.usage_count) == ("ubuntu-24.10", 12.5, 7)
    after = catalog.put(found, replace(entry, packages=("cmake",)))
    [entry] = _parse(after.text).entries
    assert (entry.os, entry.packages, entry.usage_count) == ("ubuntu-24.10", ("cmake",), 7)
    assert entry.extra["team"] == {"floor": "1.10", "room": "010", "door": 7, "share": 0.5}
    assert yaml.safe_load(after.text)["images"][0]["os_version"] == "24.10"


def test_what_would_nest_too_deep_is_not_written() -> None:
    deep: Any = 1
    for _ in range(30):
        deep = [deep]
    with pytest.raises(InputError, match="nests deeper"):
        catalog.put(_parse(HAND), _entry(extra={"x": deep}))
    with pytest.raises(InputError, match="cannot stand in a catalog"):
        catalog.put(_parse(HAND), _entry(extra={"x": deep[0][0][0][0][0][0][0][0][0][0][0]}))


def test_bad_entries_are_reported_and_left_alone() -> None:
    text = HAND + "images2: x\n"
    text = text.replace(
        "# The end.", "    - name: Bad Name\n    - just a text\n    - usage_count: 1\n# The end."
    )
    text = text.replace("usage_count: 1\n# The", "name: capy-ubuntu-25.04-gcc15\n# The")
    before = _parse(text)
    assert len(before.entries) == 2
    assert len(before.problems) == 3
    assert before.problems[0].startswith("line 28, 'Bad Name': ")
    assert "no mapping" in before.problems[1]
    assert "earlier entry" in before.problems[2]
    after = catalog.put(before, before.entries[0].used("2026-03-01T00:00:00Z"))
    assert "    - name: Bad Name\n    - just a text\n" in after.text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("[]", "no mapping"),
        ("version: '1.0'", "no list of images"),
        ("images: {}", "no list of images"),
        ("images: 3", "no list of images"),
        ("version: '2.0'\nimages: []", "version '2.0'"),
        ("images: &a []\nother: *a", r"line 2: it has an alias \(\*a\)"),
        ("images:\n  - !!python/object:os.system x", "the tag"),
        ("images: []\nimages: []", "a second time"),
        ("images: []\n---\nimages: []", "more than one document"),
        ("images:\n\t- name: x", "not YAML"),
        ("images: [", "not YAML"),
        ("images: \x00", "not YAML"),
        ("? [a]\n: b\nimages: []", "a key that is no text"),
    ],
)
def test_what_is_no_catalog_is_refused(text: str, reason: str) -> None:
    with pytest.raises(CorruptError, match=reason) as caught:
        _parse(text)
    assert "unicode string" not in caught.value.what
    # Another version is not damage: to rebuild the catalog would lose what that knows.
    assert bool(caught.value.fix) == ("version" not in reason)


def test_a_bomb_of_aliases_is_refused_in_no_time() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(CorruptError, match="an alias"):
        _parse("\n".join([*lines, "images: []"]))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(LimitError, match="nests deeper"):
        _parse("images: []\nx: " + "[" * 200 + "]" * 200)


_NAMES = st.sampled_from([f"capy-debian-13-{variant}" for variant in ("base", "gcc14", "asan")])
_TEXT = st.text(
    alphabet=st.characters(
        codec="utf-8", exclude_characters="\x00", exclude_categories=("Cs", "Cc")
    ),
    max_size=8,
)
_VALUES = st.recursive(
    _TEXT | st.integers(-5, 10**6) | st.booleans() | st.none() | st.floats(-10, 10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_ENTRIES = st.builds(
    lambda name, packages, count, extra: replace(
        _entry(name),
        packages=tuple(packages),
        usage_count=count,
        extra={f"x-{key}": value for key, value in extra.items()},
    ),
    _NAMES,
    st.lists(_TEXT, max_size=3),
    st.integers(0, 99),
    st.dictionaries(st.from_regex("[a-z]{1,3}", fullmatch=True), _VALUES, max_size=2),
)


@given(st.lists(_ENTRIES | _NAMES, max_size=8), st.sampled_from([catalog.EMPTY, _parse(HAND)]))
def test_any_changes_leave_a_catalog_that_reads_as_it_is_kept(
    changes: list[Entry | str], current: Catalog
) -> None:
    expected = {entry.name: entry for entry in current.entries}
    for change in changes:
        if isinstance(change, Entry):
            current = catalog.put(current, change)
            expected[change.name] = change
        else:
            current = catalog.drop(current, change)
            expected.pop(change, None)
        again = _parse(current.text)
        assert {entry.name: entry for entry in again.entries} == expected
        assert again == current


@given(st.text(max_size=60) | st.text(alphabet="images: -[]{}\n#&*!'\"|>ab", max_size=60))
def test_any_text_is_a_catalog_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(LadingError):
        _parse(text)


@given(_VALUES)
def test_what_is_written_is_read_as_the_same_value(value: object) -> None:
    node = yamltext.parse(f"x: {yamltext.dumps_value(value)}\n", what="x")
    assert node is not None
    assert node.value == {"x": value}
