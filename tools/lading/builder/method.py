"""Which of the three ways to put something into an image fits it, and why (S2.1).

A Nix derivation becomes layers of its closure; what consists of Bazel outputs is arranged by
rules; for anything else there is a Dockerfile. The answer is read off the target graph as
`bazel query` shows it, without building or analysing anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lading.builder.copies import obstacles
from lading.builder.dockerfile import parse, read
from lading.builder.targets import Node
from lading.errors import NotFoundError

__all__ = ["DOCKERFILE", "NIX", "RULES", "Verdict", "decide"]

NIX, RULES, DOCKERFILE = "nix", "rules", "Dockerfile"

#: Rules of lading that make an image or a layer, and the method that each one is.
_OURS = {
    **dict.fromkeys(("dockerfile_image", "image_run_layer"), DOCKERFILE),
    **dict.fromkeys(("nix_layer", "nix_layers", "_nix_program"), NIX),
    **dict.fromkeys(
        ("empty_layer", "image_import", "image_index", "image_layer", "image_manifest",
         "imported_index", "imported_manifest", "layer_from_binary", "layer_from_file",
         "layer_from_tar", "layer_plan", "python_layer", "repository_layer"),
        RULES,
    ),
}  # fmt: skip
_NIX_FILES = ("default.nix", "flake.nix", "shell.nix", "flake.lock")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What fits `label`, what it uses now (empty when it is no image), and why."""

    label: str
    method: str
    now: str
    why: tuple[str, ...]
    example: str = ""

    def to_json(self) -> dict[str, object]:
        """The JSON object."""
        return {
            "target": self.label,
            "method": self.method,
            "now": self.now or None,
            "fits": self.now in ("", self.method),
            "why": list(self.why),
        }


def decide(label: str, graph: Mapping[str, Node]) -> Verdict:
    """Which method fits a target.

    Args:
        label: of the target, as the graph has it.
        graph: the target and what it depends on, `nodes` of a query.

    Raises NotFoundError when the graph has no such target, and what reading a Dockerfile raises.
    """
    if label not in graph:
        raise NotFoundError(f"there is no target {label}")
    node = graph[label]
    if node.kind == "alias" and node.labels.get("actual"):
        return decide(node.labels["actual"][0], graph)
    if _OURS.get(node.kind) == NIX:
        return Verdict(label, NIX, NIX, ("it is the closure of a Nix derivation",))
    if _is_nix(node):
        return _nix(node, "it is a Nix derivation")
    inside = _inside(node, graph)
    for other in inside:
        if _OURS.get(other.kind) == NIX:
            return Verdict(label, NIX, NIX, (f"{other.label} in it is a Nix closure",))
    for other in inside:
        if _is_nix(other):
            return _nix(node, f"{other.label} in it is a Nix derivation")
    if node.kind == "dockerfile_image":
        return _dockerfile_image(node, graph)
    if node.kind == "image_run_layer":
        why = "it runs a program in an image, which only a builder can"
        return Verdict(label, DOCKERFILE, DOCKERFILE, (why,))
    for other in [node, *inside]:
        if other.is_source and _is_dockerfile(other.label):
            return _dockerfile(node, other)
    return _rules(node, inside)


def _inside(node: Node, graph: Mapping[str, Node]) -> list[Node]:
    """What becomes part of it: sources, data and layers, but not what an image is built on."""
    seen: dict[str, Node] = {}
    todo = [node]
    while todo:
        current = todo.pop()
        for attribute, labels in sorted(current.labels.items()):
            if attribute in ("base", "bases", "deps") and current.kind in _OURS:
                continue
            for label in labels:
                other = graph.get(label)
                if other is not None and label not in seen:
                    seen[label] = other
                    todo.append(other)
    return list(seen.values())


def _is_nix(node: Node) -> bool:
    if node.is_source:
        return node.label.rpartition(":")[2].rpartition("/")[2] in _NIX_FILES
    return node.kind.startswith(("nix_", "nixpkgs_"))


def _is_dockerfile(label: str) -> bool:
    name = label.rpartition(":")[2].rpartition("/")[2]
    stem, _, suffix = name.partition(".")
    return (stem in ("Dockerfile", "Containerfile") and suffix != "dockerignore") or suffix in (
        "Dockerfile",
        "dockerfile",
        "Containerfile",
    )


def _nix(node: Node, why: str) -> Verdict:
    return Verdict(
        node.label,
        NIX,
        _OURS.get(node.kind, ""),
        (why, "its closure is known path by path, so what many images share is a layer of its own"),
        "nix_image",
    )


def _dockerfile_image(node: Node, graph: Mapping[str, Node]) -> Verdict:
    source = graph.get((node.labels.get("dockerfile") or ("",))[0])
    files = [*node.labels.get("srcs", ()), *node.labels.get("files", ())]
    sources = [label for label in files if (found := graph.get(label)) and found.is_source]
    why = [f"{label} of its context is a source file" for label in sources[:3]]
    if source is None or not source.is_source:
        why.insert(0, "its Dockerfile is itself built, so what it says is known only then")
        return Verdict(node.label, DOCKERFILE, DOCKERFILE, tuple(why))
    arguments = node.texts.get("build_args", {})
    dockerfile = parse(read(Path(source.path)), arguments)
    target = node.texts.get("target", {}).get("", "")
    why = [*obstacles(dockerfile, target, frozenset(node.texts.get("bases", ()))), *why]
    if why:
        return Verdict(node.label, DOCKERFILE, DOCKERFILE, tuple(why))
    reason = node.texts.get("reason", {}).get("", "")
    told = ["its Dockerfile runs nothing, and all that it copies is an output of Bazel"]
    if reason:
        told.append(f"it is a Dockerfile all the same, because: {reason}")
    return Verdict(node.label, RULES, DOCKERFILE, tuple(told), "image_manifest and image_layer")


def _dockerfile(node: Node, file: Node) -> Verdict:
    """A Dockerfile that is no image target yet: a file, or a folder of files with one in it."""
    dockerfile = parse(read(Path(file.path)))
    bases = frozenset(item.name for item in dockerfile.external())
    why = obstacles(dockerfile, "", bases)
    if why:
        return Verdict(node.label, DOCKERFILE, "", tuple(why), "dockerfile_image")
    text = "the Dockerfile runs nothing; rules can copy what it copies, and need no builder"
    return Verdict(node.label, RULES, "", (text,), "image_manifest and image_layer")


def _rules(node: Node, inside: list[Node]) -> Verdict:
    now = _OURS.get(node.kind, "")
    built = [other for other in inside if _OURS.get(other.kind) == DOCKERFILE]
    if node.is_source:
        return Verdict(
            node.label, RULES, "", ("it is a file, which a layer can hold as it is",), "image_layer"
        )
    why = [f"{node.kind}: all that is in it is made by rules or lies in the repository"]
    if built:
        why.append(f"of what it holds, {built[0].label} takes a builder")
    if now:
        return Verdict(node.label, RULES, now, tuple(why))
    program = node.kind.endswith(("_binary", "_test"))
    return Verdict(
        node.label, RULES, "", tuple(why), "image_from_binary" if program else "image_layer"
    )
