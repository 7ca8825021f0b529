"""Image configs: what is inherited, merged, replaced and refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import InputError
from lading.oci import config, parts
from tests.unit.oci import images

AMD64 = {"os": "linux", "architecture": "amd64"}


def assemble(
    base: parts.Base | None = None,
    *,
    fragment: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    platform: Mapping[str, Any] | None = None,
    layers: tuple[str, ...] = ("app",),
    created: str = "",
) -> dict[str, Any]:
    return config.assemble(
        base=base,
        fragment=config.check_fragment(dict(fragment or {}), what="fragment.json"),
        parameters=parameters or {},
        env=env or {},
        platform=platform or AMD64,
        layers=[images.layer(name) for name in layers],
        created=created,
        what="//app:image",
    )


def test_an_image_from_nothing_has_only_what_was_said() -> None:
    assert assemble() == {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [images.digest("tar of app")]},
        "history": [{"created_by": "lading app"}],
    }


def test_every_field_of_the_base_is_kept_whether_known_or_not() -> None:
    inner = {
        "ArgsEscaped": True,
        "Cmd": ["sh"],
        "Entrypoint": ["/init"],
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 5},
        "OnBuild": ["RUN x"],
        "Shell": ["/bin/bash"],
        "StopSignal": "SIGINT",
        "User": "app",
        "WorkingDir": "/srv",
        "org.example.unknown": [1],
    }
    top = {
        "author": "A",
        "created": "2020-01-01T00:00:00Z",
        "os.version": "10.0.1",
        "os.features": ["win32k"],
        "variant": "v2",
        "docker_version": "20.10",
        "unknown": {"nested": None},
    }
    result = assemble(images.base(config=inner, top=top))
    assert result["config"] == inner
    assert {key: result[key] for key in top} == top


def test_maps_are_merged_with_the_bases_and_sorted() -> None:
    base = images.base(
        config={
            "Labels": {"b": "1", "c": "2"},
            "ExposedPorts": {"80/tcp": {}},
            "Volumes": {"/z": {}},
            "Env": ["PATH=/bin", "LANG=C"],
        }
    )
    result = assemble(
        base,
        parameters={
            "Labels": {"c": "3", "a": "0"},
            "ExposedPorts": {"53/udp": {}},
            "Volumes": {"/data": {}},
        },
        env={"PATH": "/app:$PATH", "HOME": "/app"},
    )["config"]
    assert list(result["Labels"].items()) == [("a", "0"), ("b", "1"), ("c", "3")]
    assert list(result["ExposedPorts"]) == ["53/udp", "80/tcp"]
    assert list(result["Volumes"]) == ["/data", "/z"]
    assert result["Env"] == ["PATH=/app:/bin", "LANG=C", "HOME=/app"]


def test_setting_the_entrypoint_clears_an_inherited_cmd() -> None:
    base = images.base(config={"Entrypoint": ["/init"], "Cmd": ["sh"]})
    assert assemble(base, parameters={"Entrypoint": ["/app"]})["config"] == {"Entrypoint": ["/app"]}
    assert assemble(base, parameters={"Entrypoint": None})["config"] == {}
    both = {"Entrypoint": ["/app"], "Cmd": ["x"]}
    assert assemble(base, parameters=both)["config"] == both
    cmd = assemble(base, parameters={"Cmd": ["x"]})["config"]
    assert cmd == {"Entrypoint": ["/init"], "Cmd": ["x"]}


def test_an_entrypoint_in_a_fragment_clears_the_cmd_of_the_base_but_not_its_own() -> None:
    base = images.base(config={"Entrypoint": ["/init"], "Cmd": ["sh"]})
    result = assemble(base, fragment={"config": {"Entrypoint": ["/f"]}})
    assert result["config"] == {"Entrypoint": ["/f"]}
    fragment = {"config": {"Cmd": ["of the fragment"]}}
    result = assemble(base, fragment=fragment, parameters={"Entrypoint": ["/app"]})
    assert result["config"] == {"Entrypoint": ["/app"], "Cmd": ["of the fragment"]}


def test_an_empty_value_removes_what_the_base_set() -> None:
    base = images.base(config={"User": "app", "WorkingDir": "/srv", "StopSignal": "9"})
    result = assemble(base, parameters={"User": None, "WorkingDir": None, "StopSignal": None})
    assert result["config"] == {}


def test_a_fragment_is_merged_between_base_and_attributes() -> None:
    base = images.base(
        config={"Labels": {"a": "base", "b": "base"}, "Env": ["A=base", "B=base"], "User": "base"},
        top={"author": "base"},
    )
    result = assemble(
        base,
        fragment={
            "author": "fragment",
            "config": {
                "Labels": {"b": "fragment", "c": "fragment"},
                "Env": ["B=fragment", "C=fragment"],
                "User": "fragment",
                "Healthcheck": {"Test": ["NONE"]},
            },
        },
        parameters={"User": "attribute", "Labels": {"c": "attribute"}},
        env={"C": "$B"},
    )
    assert result["author"] == "fragment"
    assert result["config"] == {
        "Env": ["A=base", "B=fragment", "C=fragment"],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {"a": "base", "b": "fragment", "c": "attribute"},
        "User": "attribute",
    }


def test_null_in_a_fragment_removes_a_field_of_the_base() -> None:
    base = images.base(config={"Healthcheck": {"Test": ["CMD", "x"]}, "Labels": {"a": "1"}})
    fragment = {"config": {"Healthcheck": None, "Labels": {"a": None}}}
    assert assemble(base, fragment=fragment)["config"] == {}


@pytest.mark.parametrize(
    ("fragment", "reason"),
    [
        ([], "not a JSON object"),
        ({"rootfs": {}}, "'rootfs'"),
        ({"history": []}, "'history'"),
        ({"config": []}, "'config'"),
        ({"config": {"env": ["A=1"]}}, "'Env'"),
        ({"Config": {}}, "'config'"),
        ({"Entrypoint": ["/app"]}, '{"config": {"Entrypoint": …}}'),
        ({"config": {"Env": {"A": "1"}}}, "'Env'"),
        ({"config": {"Env": ["=1"]}}, "'Env'"),
        ({"config": {"Env": [1]}}, "'Env'"),
    ],
)
def test_a_fragment_that_cannot_be_merged_is_refused(fragment: object, reason: str) -> None:
    with pytest.raises(InputError, match=r"fragment\.json") as caught:
        config.check_fragment(fragment, what="fragment.json")
    assert reason in str(caught.value)


def test_layers_diff_ids_and_history_agree_and_history_names_no_target() -> None:
    result = assemble(images.base(layers=("one", "two")), layers=("app", "data"))
    names = ["one", "two", "app", "data"]
    assert result["rootfs"]["diff_ids"] == [images.digest(f"tar of {name}") for name in names]
    lines = [entry["created_by"] for entry in result["history"]]
    assert lines == ["ADD one", "ADD two", "lading app", "lading data"]


def test_created_is_set_in_the_config_and_in_the_history_of_own_layers() -> None:
    base = images.base(top={"created": "2020-01-01T00:00:00Z"})
    result = assemble(base, created="2024-01-01T00:00:00Z")
    assert result["created"] == "2024-01-01T00:00:00Z"
    assert [entry.get("created") for entry in result["history"]] == [None, "2024-01-01T00:00:00Z"]
    assert assemble(base)["created"] == "2020-01-01T00:00:00Z"
    assert "created" not in assemble()


@pytest.mark.parametrize("key", ["os", "architecture"])
def test_a_base_for_another_platform_is_refused_naming_both(key: str) -> None:
    base = images.base(top={key: "plan9"})
    with pytest.raises(InputError) as caught:
        assemble(base)
    assert "linux/amd64" in str(caught.value)
    assert "plan9" in str(caught.value)
    assert "--platforms" in str(caught.value)


def test_a_fragment_for_another_platform_is_refused() -> None:
    with pytest.raises(InputError, match="arm64"):
        assemble(fragment={"architecture": "arm64"})


@pytest.mark.parametrize(
    ("theirs", "ours", "result"),
    [
        ("", "v8", "v8"),
        ("v8", "v8", "v8"),
        ("v6", "v7", "v7"),
        ("v7", "", "v7"),
        ("v7", "v6", None),
    ],
)
def test_variants_a_base_for_an_older_cpu_is_fine_and_for_a_newer_one_is_not(
    theirs: str, ours: str, result: str | None
) -> None:
    base = images.base(top={"architecture": "arm"} | ({"variant": theirs} if theirs else {}))
    platform = {"os": "linux", "architecture": "arm", "variant": ours}
    if result is None:
        with pytest.raises(InputError, match="linux/arm/v7"):
            assemble(base, platform=platform)
    else:
        assert assemble(base, platform=platform)["variant"] == result


def test_a_base_that_does_not_state_its_platform_is_taken_as_right() -> None:
    base = images.base(top={"architecture": "", "os": ""})
    result = assemble(base)
    assert (result["os"], result["architecture"]) == ("linux", "amd64")


def test_a_variable_that_neither_base_nor_fragment_sets_is_refused() -> None:
    with pytest.raises(InputError, match=r"//app:image, env\['X'\]"):
        assemble(env={"X": "$PATH"})


TEXT = st.text("abc/$", max_size=3)
NAMES = st.text("ABC", min_size=1, max_size=2)
MAPS = st.dictionaries(NAMES, TEXT, max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=6,
)


@given(MAPS, MAPS, st.dictionaries(st.text("xyz", min_size=1), JSON, max_size=3))
def test_the_order_of_attributes_never_matters(
    labels: dict[str, str], env: dict[str, str], unknown: dict[str, Any]
) -> None:
    env = {key: value.replace("$", "$$") for key, value in env.items()}
    base = images.base(config={"Labels": {"A": "base"}, "Env": ["B=base"], **unknown})

    def backwards(value: dict[str, str]) -> dict[str, str]:
        return dict(reversed(value.items()))

    first = assemble(base, parameters={"Labels": labels}, env=env)
    second = assemble(base, parameters={"Labels": backwards(labels)}, env=backwards(env))
    assert list(map(str, first["config"].items())) == list(map(str, second["config"].items()))
    assert first["config"].items() >= {key: unknown[key] for key in unknown}.items()


@given(st.dictionaries(st.text("xyz", min_size=1), JSON, max_size=4))
def test_building_on_an_image_without_saying_anything_keeps_its_parameters(
    unknown: dict[str, Any],
) -> None:
    inner = {"Cmd": ["x"], "Env": ["A=1"], "Labels": {"a": "b"}, **unknown}
    assert assemble(images.base(config=inner), layers=())["config"] == inner
