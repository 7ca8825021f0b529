"""The table of rules that people read is the one that the tool has."""

from __future__ import annotations

import re
from pathlib import Path

from lading.oci.verify_table import RULES


def test_the_document_has_every_rule_as_it_is() -> None:
    text = Path("docs/verify.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (\w+) \| (.*) \|$", text, re.MULTILINE)
    assert rows == [
        (rule.id, rule.severity.value, rule.kind.value, rule.summary) for rule in RULES.values()
    ]
