"""Values that are known late: build settings and the workspace status in templates.

Bazel writes two files of `KEY value` lines: stable-status.txt, a change of which reruns actions,
and volatile-status.txt, a change of which does not. An action that reads the second one may
therefore keep an old value; what goes into a digest should use STABLE_ keys. Tags and repository
names are expanded when a command runs, which is never too early.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lading.errors import InputError

if TYPE_CHECKING:
    from lading.oci.parts import Base

__all__ = ["base_variables", "expand", "read_status"]


def read_status(data: bytes, *, what: str) -> dict[str, str]:
    """Reads a workspace status file: `KEY value` lines, the value perhaps empty.

    Raises InputError when it is not UTF-8.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{what} is not UTF-8: {error.reason}", fix="correct --workspace_status_command"
        ) from None
    lines = (line.rstrip("\r").partition(" ") for line in text.split("\n") if line.strip())
    return {key: value for key, _, value in lines}


def base_variables(base: Base) -> dict[str, Any]:
    """What templates know of the base: `.base.config`, `.base.manifest`, keys in lower case.

    `.base.digest` is the digest of the manifest, `$NAME` is a variable of the base's environment.
    """
    from lading.oci import environment
    from lading.oci.digest import Digest

    env = (base.config.get("config") or {}).get("Env") or []
    return {
        "base": {
            "config": _lowered(base.config),
            "digest": str(Digest.of(base.manifest_data)),
            "manifest": _lowered(base.manifest),
        },
        "$": environment.as_map(env),
    }


def expand(text: str, variables: Mapping[str, Any], *, what: str) -> str:
    """Fills in the templates of `text`; a text without `{{` is returned as it is.

    Raises InputError, which lists the variables there are when one is unknown.
    """
    if "{{" not in text:
        return text
    from lading.oci import template

    return template.render(text, variables, what=what)


def _lowered(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key.lower(): _lowered(item) for key, item in value.items()}
    return [_lowered(item) for item in value] if isinstance(value, list) else value
