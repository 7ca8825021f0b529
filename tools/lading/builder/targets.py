"""The targets of a workspace and what they depend on, as `bazel query` prints them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lading.errors import InputError

__all__ = ["Node", "nodes"]


@dataclass(frozen=True, slots=True)
class Node:
    """A target: its rule class (or `source file`), the labels and the texts of its attributes.

    `path` is where a source file is, or the BUILD file of a rule.
    """

    label: str
    kind: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    path: str = ""

    @property
    def is_source(self) -> bool:
        """Whether nothing makes it."""
        return self.kind == "source file"


def nodes(lines: Iterable[str]) -> dict[str, Node]:
    """Reads what `bazel query --output=streamed_jsonproto` prints; raises InputError."""
    found: dict[str, Node] = {}
    for line in lines:
        try:
            value = json.loads(line)
            node = _node(value)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"bazel query printed {line[:80]!r}: {error}") from None
        if node is not None:
            found[node.label] = node
    return found


def _node(value: Mapping[str, Any]) -> Node | None:
    if value["type"] == "SOURCE_FILE":
        source = value["sourceFile"]
        path = source.get("location", "").rpartition(":")[0].rpartition(":")[0]
        return Node(source["name"], "source file", path=path)
    if value["type"] == "GENERATED_FILE":
        made = value["generatedFile"]
        return Node(made["name"], "generated file", {"by": (made["generatingRule"],)})
    if value["type"] != "RULE":
        return None
    rule = value["rule"]
    labels: dict[str, tuple[str, ...]] = {}
    texts: dict[str, dict[str, str]] = {}
    for attribute in rule.get("attribute", ()):
        name, kind = attribute["name"], attribute["type"]
        if not name[:1].isalpha() or not attribute.get("explicitlySpecified"):
            continue
        if kind == "LABEL" and attribute.get("stringValue"):
            labels[name] = (attribute["stringValue"],)
        elif kind == "LABEL_LIST":
            labels[name] = tuple(attribute.get("stringListValue", ()))
        elif kind == "LABEL_DICT_UNARY":
            items = attribute.get("labelDictUnaryValue", ())
            labels[name] = tuple(item["value"] for item in items)
            texts[name] = {item["key"]: item["value"] for item in items}
        elif kind == "LABEL_KEYED_STRING_DICT":
            items = attribute.get("labelKeyedStringDictValue", ())
            labels[name] = tuple(item["key"] for item in items)
        elif kind == "STRING_DICT":
            items = attribute.get("stringDictValue", ())
            texts[name] = {item["key"]: item["value"] for item in items}
        elif kind == "STRING_LIST":
            texts[name] = dict.fromkeys(attribute.get("stringListValue", ()), "")
        elif kind == "STRING" and attribute.get("stringValue"):
            texts[name] = {"": attribute["stringValue"]}
    path = rule.get("location", "").rpartition(":")[0].rpartition(":")[0]
    return Node(rule["name"], rule["ruleClass"], labels, texts, path)
