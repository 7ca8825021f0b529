"""The ImageManifest action: files in, documents out."""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lading.actions import manifest, worker
from lading.errors import CorruptError, InputError, LadingError, NotFoundError, UsageError
from lading.oci import media_types, parts
from tests.unit.actions.bench import AMD64, Bench

ALL: dict[str, Any] = {
    "annotations": {"org.opencontainers.image.title": "app"},
    "cmd": ["--help"],
    "created": "1700000000",
    "entrypoint": ["/bin/app"],
    "env": {"LANG": "C.UTF-8", "PATH": "/app"},
    "exposed_ports": ["8080"],
    "labels": {"b": "2", "a": "1"},
    "stop_signal": "SIGINT",
    "user": "1000:1000",
    "volumes": ["/data"],
    "working_dir": "/srv",
}

GOLDEN = "sha256:579dd440b32d4345a8486436109d5dab58c7f8f80273cfbfcae84371a7486d01"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_every_attribute_is_in_the_image(bench: Bench) -> None:
    layer = bench.layer("app", {"bin/app": b"x"})
    config = bench.manifest("image", ALL, f"--layer={layer}")
    assert config == {
        "created": "2023-11-14T22:13:20Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Cmd": ["--help"],
            "Entrypoint": ["/bin/app"],
            "Env": ["LANG=C.UTF-8", "PATH=/app"],
            "ExposedPorts": {"8080/tcp": {}},
            "Labels": {"a": "1", "b": "2"},
            "StopSignal": "SIGINT",
            "User": "1000:1000",
            "Volumes": {"/data": {}},
            "WorkingDir": "/srv",
        },
        "rootfs": {"type": "layers", "diff_ids": [bench.json("app.metadata.json")["diff_id"]]},
        "history": [{"created": "2023-11-14T22:13:20Z", "created_by": "lading image_layer"}],
    }
    value = bench.json("image.manifest.json")
    assert value["annotations"] == ALL["annotations"]
    assert value["layers"][0]["digest"] == bench.json("app.metadata.json")["digest"]


def test_the_outputs_describe_each_other(bench: Bench) -> None:
    bench.manifest("image", ALL)
    data = (bench.directory / "image.manifest.json").read_bytes()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    assert (bench.directory / "image.digest").read_bytes() == digest.encode()
    assert bench.json("image.descriptor.json") == {
        "mediaType": media_types.MANIFEST,
        "digest": digest,
        "size": len(data),
        "platform": {"architecture": "amd64", "os": "linux"},
    }
    config = (bench.directory / "image.config.json").read_bytes()
    assert bench.json("image.manifest.json")["config"] == {
        "mediaType": media_types.CONFIG,
        "digest": "sha256:" + hashlib.sha256(config).hexdigest(),
        "size": len(config),
    }


def test_the_digest_does_not_change_from_version_to_version(bench: Bench) -> None:
    """A golden digest: a change of it is a change of the format, and has to be meant."""
    bench.manifest("image", ALL)
    digest = (bench.directory / "image.digest").read_text()
    assert digest == GOLDEN


def test_the_digest_depends_on_values_not_on_their_order_or_the_label(bench: Bench) -> None:
    backwards = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(ALL.items())
    }
    bench.manifest("one", ALL | {"label": "//a:image"})
    bench.manifest("two", backwards | {"label": "//b:moved"})
    assert bench.json("one.descriptor.json") == bench.json("two.descriptor.json")


def test_the_layers_of_the_base_are_below(bench: Bench) -> None:
    debian, app = bench.layer("debian", {"etc/x": b""}), bench.layer("app", {"app": b""})
    bench.manifest("base", {"env": {"PATH": "/bin"}, "cmd": ["sh"]}, f"--layer={debian}")
    config = bench.manifest(
        "image",
        {"env": {"PATH": "/app:${PATH}"}, "entrypoint": ["/app"]},
        f"--layer={app}",
        *bench.base("base"),
    )
    assert config["config"] == {"Entrypoint": ["/app"], "Env": ["PATH=/app:/bin"]}
    layers = [layer["digest"] for layer in bench.json("image.manifest.json")["layers"]]
    assert layers == [bench.json(f"{name}.metadata.json")["digest"] for name in ("debian", "app")]
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"]) == 2


def test_words_of_the_base_may_stand_among_others(bench: Bench) -> None:
    bench.manifest("base", {"entrypoint": ["/app"], "cmd": ["run", "x"]})
    inherit = "__lading_inherit_from_base__"
    spec = {"entrypoint": ["/init", inherit], "cmd": [inherit, "-v"]}
    config = bench.manifest("image", spec, *bench.base("base"))
    assert config["config"] == {"Cmd": ["run", "x", "-v"], "Entrypoint": ["/init", "/app"]}
    config = bench.manifest("alone", {"cmd": [inherit, "-v"]})
    assert config["config"] == {"Cmd": ["-v"]}


def test_files_of_pairs_win_over_attributes_and_later_files_over_earlier(bench: Bench) -> None:
    config = bench.manifest(
        "image",
        {
            "labels": {"a": "attribute"},
            "annotations": {"x": "attribute"},
        },
        bench.flag("label_file", "a=one\nb=one\nc=one"),
        bench.flag("label_file", "b=two"),
        bench.flag("annotations_file", "x=file\ny=file"),
    )
    assert config["config"]["Labels"] == {"a": "one", "b": "two", "c": "one"}
    assert bench.json("image.manifest.json")["annotations"] == {"x": "file", "y": "file"}


def test_the_environment_of_the_attribute_wins_over_that_of_the_file(bench: Bench) -> None:
    spec = {"env": {"A": "attribute"}}
    config = bench.manifest("image", spec, bench.flag("env_file", "A=file\nB=file"))
    assert config["config"]["Env"] == ["A=attribute", "B=file"]


def test_a_fragment_is_merged(bench: Bench) -> None:
    fragment = bench.put("fragment.json", {"config": {"Healthcheck": {"Test": ["NONE"]}}})
    config = bench.manifest("image", {"user": "app"}, f"--config_fragment={fragment}")
    assert config["config"] == {"Healthcheck": {"Test": ["NONE"]}, "User": "app"}


@pytest.mark.parametrize("text", ["{", "[1, 2", '{"config": {}, "config": {}}', "\xff"])
def test_a_fragment_that_is_no_json_is_the_users_mistake(bench: Bench, text: str) -> None:
    fragment = bench.put("fragment.json", text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        bench.manifest("image", {"label": "//app:image"}, f"--config_fragment={fragment}")
    assert "//app:image, config_fragment" in str(caught.value)
    assert "fragment.json" in str(caught.value)


def test_the_creation_time_comes_from_a_file_or_a_text_but_not_from_both(bench: Bench) -> None:
    file = bench.put("time", "2024-02-29T12:00:00+01:00\n")
    config = bench.manifest("image", {}, f"--created_file={file}")
    assert config["created"] == "2024-02-29T11:00:00Z"
    with pytest.raises(InputError, match="both set"):
        bench.manifest("image", {"created": "0"}, f"--created_file={file}")
    with pytest.raises(InputError, match="//app:image, created_timestamp"):
        bench.manifest("image", {"created": "today", "label": "//app:image"})


def test_templates_in_values_are_filled_in_from_settings_status_and_base(bench: Bench) -> None:
    bench.manifest("base", {"env": {"PATH": "/bin"}})
    stable = bench.put("stable-status.txt", "STABLE_VERSION 1.2\nBUILD_TIME 5\n")
    volatile = bench.put("volatile-status.txt", "BUILD_TIME 1700000000\n")
    config = bench.manifest(
        "image",
        {
            "build_settings": {"stage": "dev"},
            "labels": {"version": "{{.STABLE_VERSION}}-{{.stage}}"},
            "env": {"P": "{{$PATH}}:/x", "OS": "{{.base.config.os}}"},
            "annotations": {"version": "{{.STABLE_VERSION}}"},
            "created": "{{.BUILD_TIME}}",
        },
        f"--status_file={stable}",
        f"--status_file={volatile}",
        *bench.base("base"),
    )
    assert config["config"]["Labels"] == {"version": "1.2-dev"}
    assert config["config"]["Env"] == ["PATH=/bin", "OS=linux", "P=/bin:/x"]
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert bench.json("image.manifest.json")["annotations"] == {"version": "1.2"}


def test_build_settings_keep_their_types_and_win_over_the_status(bench: Bench) -> None:
    config = bench.manifest(
        "image",
        {
            "build_settings": {"BUILD_USER": "flag", "release": False, "year": 2025},
            "labels": {
                "by": "{{.BUILD_USER}}",
                "kind": "{{if .release}}release{{else}}snapshot{{end}} {{.release}} {{.year}}",
            },
        },
        bench.flag("status_file", "BUILD_USER status"),
    )
    assert config["config"]["Labels"] == {"by": "flag", "kind": "snapshot false 2025"}


def test_an_unknown_variable_is_refused_with_the_known_ones(bench: Bench) -> None:
    spec = {"labels": {"v": "{{.VERSOIN}}"}, "build_settings": {"VERSION": "1"}, "label": "//a:b"}
    with pytest.raises(InputError) as caught:
        bench.manifest("image", spec)
    assert "//a:b, labels['v']" in str(caught.value)
    assert "there are .VERSION" in str(caught.value)


def test_a_base_of_another_architecture_is_refused_naming_both(bench: Bench) -> None:
    bench.manifest("base", {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}})
    with pytest.raises(InputError) as caught:
        bench.manifest("image", {"label": "//app:image"}, *bench.base("base"))
    assert "//app:image is for linux/amd64" in str(caught.value)
    assert "linux/arm64/v8" in str(caught.value)


def test_a_config_that_is_not_the_bases_is_refused(bench: Bench) -> None:
    bench.manifest("base", {})
    bench.manifest("other", {"user": "x"})
    mixed = [bench.base("base")[0], bench.base("other")[1]]
    with pytest.raises(CorruptError, match="the config is sha256:"):
        bench.manifest("image", {}, *mixed)


def test_an_artifact_takes_its_config_as_it_is(bench: Bench) -> None:
    raw = b'{ "name": "chart",\n "version": "1" }'
    layer = bench.layer("chart", {"chart/x": b""})
    spec = {"config_media_type": "application/vnd.cncf.helm.config.v1+json"}
    bench.manifest(
        "image", spec, f"--layer={layer}", f"--config_fragment={bench.put('chart.json', raw)}"
    )
    assert (bench.directory / "image.config.json").read_bytes() == raw
    described = bench.json("image.manifest.json")["config"]
    assert described["mediaType"] == spec["config_media_type"]
    assert "platform" not in bench.json("image.descriptor.json")


def test_an_artifact_with_an_empty_config_and_a_subject(bench: Bench) -> None:
    bench.manifest("image", {})
    spec = {"config_media_type": media_types.EMPTY, "artifact_type": "application/spdx+json"}
    bench.manifest("sbom", spec, f"--subject={bench.directory / 'image.descriptor.json'}")
    assert (bench.directory / "sbom.config.json").read_bytes() == b"{}"
    value = bench.json("sbom.manifest.json")
    assert value["artifactType"] == "application/spdx+json"
    assert value["config"]["data"] == "e30="
    assert value["subject"]["digest"] == (bench.directory / "image.digest").read_text()
    assert bench.json("sbom.descriptor.json")["artifactType"] == "application/spdx+json"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"config_media_type": "application/x", "user": "app"}, "user"),
        ({"config_media_type": "application/x"}, "config_fragment"),
        ({"config_media_type": media_types.EMPTY}, "artifact_type"),
        ({"user": "a b"}, "user"),
        ({"exposed_ports": ["http"]}, "exposed_ports"),
        ({"env": {"A=B": "c"}}, "env"),
        ({"env": {"A": "$B"}}, "env['A']"),
        ({"annotations": {"": "c"}}, "annotations"),
        ({"labels": {"": "c"}}, "labels"),
        ({"entrypoint": [""]}, "entrypoint"),
    ],
)
def test_a_wrong_attribute_is_named_and_nothing_is_written(
    bench: Bench, spec: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError) as caught:
        bench.manifest("image", spec | {"label": "//app:image"})
    assert "//app:image" in str(caught.value)
    assert reason in str(caught.value)
    assert [path.name for path in bench.directory.iterdir()] == []


def test_without_a_label_the_output_names_the_target(bench: Bench) -> None:
    with pytest.raises(InputError, match=r"image\.manifest\.json, user"):
        bench.manifest("image", {"user": ":"})


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["--base_manifest=x"], UsageError),
        (["--layer=nothing"], NotFoundError),
        (["--base_manifest=nothing", "--base_config=nothing"], NotFoundError),
        (["--blob=x"], UsageError),
    ],
)
def test_a_wrong_command_line(bench: Bench, arguments: list[str], kind: type[LadingError]) -> None:
    with pytest.raises(kind):
        bench.manifest("image", {}, *arguments)


def test_a_missing_output_is_said_before_anything_is_read() -> None:
    with pytest.raises(UsageError, match="--manifest"):
        manifest.run(worker.Request(["--attributes={}"]))


def test_an_output_of_another_name_is_refused() -> None:
    with pytest.raises(UsageError, match=r"does not end in \.manifest\.json"):
        manifest.run(worker.Request(["--attributes={}", "--manifest=manifest"]))


def test_as_a_program_it_prints_two_lines_and_a_code(bench: Bench) -> None:
    attributes = json.dumps({"platform": AMD64, "user": ":", "label": "//app:image"})
    lines = [f"--attributes={attributes}", f"--manifest={bench.directory}/image.manifest.json"]
    params = bench.put("params", "\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "lading.actions.manifest", f"@{params}"],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == InputError.exit_code
    assert done.stderr.splitlines()[0].startswith("//app:image, user: ':' is not a user")
    assert len(done.stderr.splitlines()) == 2


def test_start_up_imports_nothing_that_is_not_needed() -> None:
    """A one-shot action costs its imports; these took most of the time before."""
    heavy = {"absl", "dataclasses", "inspect", "datetime", "pathlib", "tempfile", "yaml", "http"}
    code = "import lading.actions.manifest, lading.actions.index, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0]={sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not heavy.intersection(done.stdout.split())


def test_a_worker_assembles_many_images(bench: Bench) -> None:
    layer = bench.layer("app", {"app": b""})
    requests = []
    for number in range(1, 21):
        attributes = json.dumps({"platform": AMD64, "user": str(number)})
        output = f"--manifest={bench.directory / str(number)}.manifest.json"
        arguments = [f"--attributes={attributes}", f"--layer={layer}", output]
        requests.append(json.dumps({"requestId": number, "arguments": arguments}))
    with subprocess.Popen(
        [sys.executable, "-m", "lading.actions.manifest", "--persistent_worker"],
        env={"PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n".join(requests) + "\n")
        process.stdin.flush()
        replies = [json.loads(process.stdout.readline()) for _ in requests]
        process.stdin.close()
        assert process.wait(30) == 0
    assert {reply["requestId"] for reply in replies} == set(range(1, 21))
    assert {reply["exitCode"] for reply in replies} == {0}
    for number in range(1, 21):
        assert bench.json(f"{number}.config.json")["config"] == {"User": str(number)}


def test_every_order_of_status_files_and_labels_is_deterministic(bench: Bench) -> None:
    files = [f"--label_file={bench.put(name, f'{name}=1')}" for name in "abc"]
    digests = set()
    for order in itertools.permutations(files):
        bench.manifest("image", {}, *order)
        digests.add((bench.directory / "image.digest").read_text())
    assert len(digests) == 1


def test_image_names_the_index_of_its_ztocs(bench: Bench) -> None:
    layer = bench.layer("app", {"bin/app": b"x"})
    ztocs = [
        parts.describe("application/octet-stream", text)
        | {"annotations": {"com.amazon.soci.image-layer-digest": f"sha256:{text.hex() * 32}"}}
        for text in (b"1", b"2")
    ]
    flags = [bench.flag("ztoc", ztoc) for ztoc in ztocs]
    bench.manifest("image", {"annotations": {"a": "b"}}, f"--layer={layer}", *flags)

    index = (bench.directory / "image.soci.manifest.json").read_bytes()
    digest = f"sha256:{hashlib.sha256(index).hexdigest()}"
    assert bench.json("image.manifest.json")["annotations"] == {
        "a": "b",
        "com.amazon.soci.index-digest": digest,
    }
    assert (bench.directory / "image.soci.config.json").read_bytes() == b"{}"
    assert (bench.directory / "image.soci.digest").read_text() == digest
    artifact = "application/vnd.amazon.soci.index.v2+json"
    assert bench.json("image.soci.descriptor.json") == {
        "mediaType": media_types.MANIFEST,
        "digest": digest,
        "size": len(index),
        "artifactType": artifact,
    }
    # What soci-snapshotter reads: the type of the config, and the layers with their annotations.
    assert json.loads(index) == {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": parts.describe(artifact, b"{}"),
        "layers": ztocs,
        "annotations": {"com.amazon.soci.build-tool-identifier": "lading"},
    }


def test_image_without_ztocs_has_no_soci_index(bench: Bench) -> None:
    bench.manifest("image", {}, f"--layer={bench.layer('app', {'bin/app': b'x'})}")
    assert "annotations" not in bench.json("image.manifest.json")
    assert not list(bench.directory.glob("*.soci.*"))
