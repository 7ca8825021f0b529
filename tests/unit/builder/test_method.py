"""Which way fits a target (S2.1): a Nix derivation, outputs of Bazel, or anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lading.builder.method import DOCKERFILE, NIX, RULES, Verdict, decide
from lading.builder.targets import Node, nodes
from lading.errors import InputError, NotFoundError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _decide(*graph: Node, text: str = "") -> Verdict:
    """The verdict about the first node; source files at the path `D` hold `text`."""
    Path("D").write_text(text)
    return decide(graph[0].label, {node.label: node for node in graph})


def _source(label: str, path: str = "") -> Node:
    return Node(label, "source file", path=path)


def _image(files: tuple[str, ...], **texts: dict[str, str]) -> Node:
    labels = {"dockerfile": ("//a:Dockerfile",), "srcs": files}
    return Node("//a:image", "dockerfile_image", labels, texts)


_COPIES = "FROM base\nCOPY x /x\nENV A=1\n"
_RUNS = "FROM base\nCOPY x /x\nRUN /x\n"


def test_outputs_of_bazel_are_for_rules() -> None:
    binary = Node("//a:server", "go_binary", {"srcs": ("//a:main.go",)})
    verdict = _decide(binary, _source("//a:main.go"))
    assert (verdict.method, verdict.now, verdict.example) == (RULES, "", "image_from_binary")
    assert _decide(Node("//a:files", "filegroup")).example == "image_layer"
    assert _decide(Node("//a:i", "image_manifest")).to_json()["fits"] is True


def test_a_nix_derivation_is_for_nix() -> None:
    assert _decide(Node("@nixpkgs//:hello", "nixpkgs_package")).method == NIX
    group = Node("//a:files", "filegroup", {"srcs": ("//a:default.nix",)})
    verdict = _decide(group, _source("//a:default.nix"))
    assert (verdict.method, verdict.example) == (NIX, "nix_image")
    layer = Node("//a:l", "image_layer", {"srcs": ("@nixpkgs//:hello",)})
    verdict = _decide(layer, Node("@nixpkgs//:hello", "nixpkgs_package"))
    assert (verdict.method, verdict.now) == (NIX, RULES)
    # What the macro nix_image declares.
    image = Node("//a:i", "image_manifest", {"layers": ("//a:l",), "base": ("//a:b",)})
    verdict = _decide(image, Node("//a:l", "nix_layers"))
    assert (verdict.method, verdict.now) == (NIX, NIX)
    # On a base of Nix, what is added here is not.
    image = Node("//a:i", "image_manifest", {"base": ("//a:l",)})
    assert _decide(image, Node("//a:l", "nix_layers")).method == RULES


def test_a_dockerfile_that_runs_something_stays_one() -> None:
    image = _image(("//a:made",), bases={"base": "//b"})
    verdict = _decide(image, _source("//a:Dockerfile", "D"), text=_RUNS)
    assert (verdict.method, verdict.now) == (DOCKERFILE, DOCKERFILE)
    assert verdict.why == ("line 3: RUN runs a program",)


def test_a_dockerfile_over_outputs_alone_is_better_rules() -> None:
    image = _image(("//a:made",), bases={"base": "//b"})
    made = Node("//a:made", "generated file")
    verdict = _decide(image, _source("//a:Dockerfile", "D"), made, text=_COPIES)
    assert (verdict.method, verdict.now) == (RULES, DOCKERFILE)
    assert verdict.to_json()["fits"] is False
    reasoned = _image((), bases={"base": "//b"}, reason={"": "an audit wants it"})
    assert (
        "an audit wants it"
        in _decide(reasoned, _source("//a:Dockerfile", "D"), text=_COPIES).why[1]
    )


def test_what_keeps_it_a_dockerfile_is_told() -> None:
    source = _source("//a:main.c", "M")
    image = _image(("//a:main.c",), bases={"base": "//b"})
    verdict = _decide(image, source, _source("//a:Dockerfile", "D"), text=_COPIES)
    assert verdict.why == ("//a:main.c of its context is a source file",)
    verdict = _decide(_image(()), _source("//a:Dockerfile", "D"), text=_COPIES)
    assert verdict.why == ("line 1: FROM base comes from outside of Bazel",)
    generated = Node("//a:Dockerfile", "generated file")
    assert "itself built" in _decide(_image(()), generated).why[0]


def test_a_folder_with_a_dockerfile() -> None:
    group = Node("//a:dev", "filegroup", {"srcs": ("//a:dev/Dockerfile", "//a:dev/entrypoint.sh")})
    file = _source("//a:dev/Dockerfile", "D")
    entry = _source("//a:dev/entrypoint.sh")
    verdict = _decide(group, file, entry, text=_RUNS)
    assert (verdict.method, verdict.example) == (DOCKERFILE, "dockerfile_image")
    assert _decide(group, file, entry, text=_COPIES).method == RULES
    assert _decide(_source("//a:x.Dockerfile", "D"), text=_RUNS).method == DOCKERFILE
    assert _decide(_source("//a:Dockerfile.dockerignore")).method == RULES


def test_an_alias_is_what_it_names() -> None:
    alias = Node("//a:alias", "alias", {"actual": ("//a:i",)})
    assert _decide(alias, Node("//a:i", "nix_layers")).label == "//a:i"


def test_the_query_is_read() -> None:
    line = (
        '{"type":"RULE","rule":{"name":"//a:i","ruleClass":"dockerfile_image","location":"/w/a/B:1:2",'
        '"attribute":[{"name":"bases","type":"LABEL_DICT_UNARY","explicitlySpecified":true,'
        '"labelDictUnaryValue":[{"key":"base:1","value":"//b"}]},'
        '{"name":"$tool","type":"LABEL","stringValue":"//t","explicitlySpecified":true},'
        '{"name":"srcs","type":"LABEL_LIST","stringListValue":["//a:x"],"explicitlySpecified":true}]}}'
    )
    source = '{"type":"SOURCE_FILE","sourceFile":{"name":"//a:x","location":"/w/a/x:1:1"}}'
    found = nodes([line, source])
    assert found["//a:i"].labels == {"bases": ("//b",), "srcs": ("//a:x",)}
    assert found["//a:i"].texts["bases"] == {"base:1": "//b"}
    assert (found["//a:x"].path, found["//a:x"].is_source) == ("/w/a/x", True)
    with pytest.raises(InputError, match="bazel query printed"):
        nodes(["{}"])
    with pytest.raises(NotFoundError, match="no target //a:none"):
        decide("//a:none", found)
