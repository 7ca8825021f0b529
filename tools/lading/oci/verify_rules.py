"""What `lading verify` finds, and the exit code that findings lead to.

A rule is a noun with an identity that scripts can rely on; `verify_table` has them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lading.oci.verify_table import RULES, Kind, Severity

__all__ = ["Finding", "Findings", "Limits", "exit_code"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that does not hold somewhere.

    Args:
        rule: the identity of a rule in `RULES`.
        subject: the file, blob or image: `index.json`, `sha256:…`, `archive`.
        at: the place in it: a JSON pointer or a tar entry; empty for the whole.
        what: what is there, one line.
    """

    rule: str
    subject: str
    at: str
    what: str

    @property
    def severity(self) -> Severity:
        return RULES[self.rule].severity

    @property
    def kind(self) -> Kind:
        return RULES[self.rule].kind

    @property
    def fix(self) -> str:
        return RULES[self.rule].fix

    def to_json(self) -> dict[str, Any]:
        """The object printed by `--json`."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "class": self.kind.value,
            "subject": self.subject,
            "at": self.at,
            "what": self.what,
            "fix": self.fix,
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps that keep a hostile image from exhausting the machine that verifies it.

    Sizes are in bytes, uncompressed where that differs. `ratio` (uncompressed by compressed size)
    counts only beyond `ratio_floor`: small layers of zeros are harmless and common.
    """

    seconds: float = 3600.0
    entries: int = 1_000_000
    layer_bytes: int = 64 << 30
    total_bytes: int = 256 << 30
    ratio: int = 200
    ratio_floor: int = 1 << 30
    documents: int = 10_000
    depth: int = 8
    findings_of_a_rule: int = 20


class Findings:
    """Collects findings, and stops repeating itself: a rule is reported so often per subject."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._cap = (limits or Limits()).findings_of_a_rule
        self._items: list[Finding] = []
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, rule: str, subject: str, what: str, *, at: str = "") -> None:
        """Notes that `rule` does not hold at `at` in `subject`."""
        if rule not in RULES:
            raise KeyError(rule)
        count = self._counts[rule, subject] = self._counts.get((rule, subject), 0) + 1
        if count <= self._cap:
            self._items.append(Finding(rule, subject, at, what))

    def extend(self, other: Findings) -> None:
        """Adds everything that `other` holds, after what is here."""
        self._items += other._items
        for key, count in other._counts.items():
            self._counts[key] = self._counts.get(key, 0) + count

    def drop(self, rules: frozenset[str]) -> None:
        """Forgets the findings of `rules`: they follow from another one."""
        self._items = [item for item in self._items if item.rule not in rules]
        self._counts = {key: n for key, n in self._counts.items() if key[0] not in rules}

    def items(self) -> list[Finding]:
        """Every finding, in the order found, each cut-off rule followed by how many were left."""
        result = list(self._items)
        for (rule, subject), count in self._counts.items():
            if count > self._cap:
                result.append(
                    Finding(rule, subject, "", f"and {count - self._cap} more of the same")
                )
        return result

    def has_any(self, rules: frozenset[str]) -> bool:
        """Whether a finding of one of `rules` is here."""
        return any(item.rule in rules for item in self._items)

    def __bool__(self) -> bool:
        return bool(self._items)


def exit_code(findings: Iterable[Finding], *, strict: bool = False) -> int:
    """0 when nothing fails the verification; otherwise the code of the gravest class found."""
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    kinds = {finding.kind for finding in findings if finding.severity in failing}
    return next((kind.exit_code for kind in Kind if kind in kinds), 0)
