"""Image configs: a base's config with a target's attributes on top (image-spec 1.1, config.md).

Nothing of the base is dropped: fields that the specification does not know, such as Docker's
Healthcheck, Shell and OnBuild, are as good as those it does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lading.errors import InputError
from lading.oci import environment
from lading.oci.parts import Base, Layer

__all__ = ["assemble", "check_fragment"]

_FIRST = ("created", "author", "architecture", "os", "os.version", "os.features", "variant")
_COMPUTED = ("rootfs", "history")
_MAPS = ("ExposedPorts", "Labels", "Volumes")
_KNOWN = (*_FIRST, "config", *_COMPUTED)
_KNOWN_PARAMETERS = (
    "User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels",
    "StopSignal", "ArgsEscaped", "Healthcheck", "OnBuild", "Shell",
)  # fmt: skip


def check_fragment(value: object, *, what: str) -> dict[str, Any]:
    """Returns `value` if it can be merged into a config; raises InputError."""
    if not isinstance(value, dict):
        raise InputError(f"{what} is not a JSON object", fix='write {"config": {…}}')
    for key in _COMPUTED:
        if key in value:
            raise InputError(f"{what} sets {key!r}, which follows from the layers", fix="remove it")
    inner = value.get("config", {})
    if not isinstance(inner, dict):
        raise InputError(f"{what}: 'config' is not a JSON object")
    _check_spelling(value, _KNOWN, what)
    _check_spelling(inner, _KNOWN_PARAMETERS, f"{what}, 'config'")
    for name in _KNOWN_PARAMETERS:
        if name in value:
            raise InputError(
                f"{what} has {name!r} at the top", fix=f'write {{"config": {{"{name}": …}}}}'
            )
    env = inner.get("Env")
    if env is not None:
        if not isinstance(env, list) or not all(isinstance(entry, str) for entry in env):
            raise InputError(f"{what}: 'Env' is not a list of strings", fix='write ["NAME=value"]')
        for entry in env:
            environment.check_name(entry.partition("=")[0], what=f"{what}, 'Env'")
    return value


def assemble(
    *,
    base: Base | None,
    fragment: Mapping[str, Any],
    parameters: Mapping[str, Any],
    env: Mapping[str, str],
    platform: Mapping[str, Any],
    layers: Sequence[Layer],
    created: str,
    what: str,
) -> dict[str, Any]:
    """The config of an image: `base`, changed by `fragment`, changed by a target's attributes.

    Args:
        base: None for an image from nothing.
        fragment: part of a config, as `check_fragment` returns it. Objects are merged key by
            key, lists and scalars replaced, null removes; `Env` is merged by name.
        parameters: what `execution.parameters` returns.
        env: variables to set; `$NAME` stands for the value in base and fragment.
        platform: os, architecture and perhaps variant, os.version, os.features.
        layers: layers on top of the base.
        created: canonical time, or empty to keep the base's.
        what: names the target in an error.

    Raises:
        InputError: a platform that contradicts base or fragment, a variable that is not there.
    """
    config: dict[str, Any] = dict(base.config) if base else {}
    # The base's, before anything is merged: an entrypoint makes its arguments meaningless, as in
    # a Dockerfile, where ENTRYPOINT resets the CMD of the base, also when it is empty.
    inner: dict[str, Any] = dict(config.get("config") or {})
    if "Entrypoint" in parameters or "Entrypoint" in (fragment.get("config") or {}):
        inner.pop("Cmd", None)
    config["config"] = inner
    config = _merged(config, fragment)
    config |= _platform(config, platform, what)
    config["config"] = _with_parameters(config.get("config") or {}, parameters, env, what)
    if created:
        config["created"] = created
    diff_ids = [layer.diff_id for layer in (*(base.layers if base else ()), *layers)]
    history = [*(base.history if base else ()), *(_history(layer, created) for layer in layers)]
    ordered = {key: config[key] for key in (*_FIRST, "config") if key in config}
    ordered["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    ordered["history"] = history
    return ordered | {key: value for key, value in config.items() if key not in ordered}


def _with_parameters(
    inner: Mapping[str, Any], parameters: Mapping[str, Any], env: Mapping[str, str], what: str
) -> dict[str, Any]:
    result = dict(inner)
    for key in _MAPS:
        merged = (result.get(key) or {}) | (parameters.get(key) or {})
        if merged:
            result[key] = dict(sorted(merged.items()))
        else:
            result.pop(key, None)
    for key, value in parameters.items():
        if key in _MAPS:
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = value
    listed = result.get("Env") or []
    values = environment.as_map(listed)
    changes = {
        environment.check_name(name, what=f"{what}, env"): environment.expand(
            value, values, what=f"{what}, env[{name!r}]"
        )
        for name, value in env.items()
    }
    if merged_env := environment.merge(listed, changes):
        result["Env"] = merged_env
    else:
        result.pop("Env", None)
    return dict(sorted(result.items()))


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        existing = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = _merged(existing if isinstance(existing, dict) else {}, value)
        elif key == "Env" and isinstance(existing, list):
            result[key] = environment.merge(existing, environment.as_map(value))
        else:
            result[key] = value
    return result


def _history(layer: Layer, created: str) -> dict[str, Any]:
    """A layer's line of history. It names no target: moving one must not change a digest."""
    entry: dict[str, Any] = {"created": created} if created else {}
    entry |= {key: value for key, value in layer.history.items() if key not in entry}
    entry.pop("empty_layer", None)
    return entry if "created_by" in entry else entry | {"created_by": "lading"}


def _platform(config: Mapping[str, Any], platform: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The platform fields of the config; raises InputError when base or fragment contradict."""
    for key in ("os", "architecture"):
        if config.get(key) and config[key] != platform[key]:
            raise InputError(
                f"{what} is for {_name(platform)}, but its base or config_fragment is for"
                f" {_name(config)}",
                fix="name a base for that platform, or build with another --platforms",
            )
    result = {key: value for key, value in platform.items() if value}
    theirs, ours = config.get("variant") or "", platform.get("variant") or ""
    if theirs and ours and theirs != ours and not _runs_on(theirs, ours):
        raise InputError(
            f"{what} is for {_name(platform)}, but its base or config_fragment needs"
            f" {_name(config)}",
            fix="name a base for that variant, or build for a platform that has it",
        )
    return result


def _runs_on(base: str, target: str) -> bool:
    """Whether code for the variant `base` runs on the variant `target`: v6 runs on v7."""
    numbers = [re.fullmatch(r"v([0-9]{1,3})", variant) for variant in (base, target)]
    older, newer = numbers
    return bool(older and newer and int(older[1]) <= int(newer[1]))


def _name(platform: Mapping[str, Any]) -> str:
    words = (platform.get(key) for key in ("os", "architecture", "variant"))
    return "/".join(str(word) for word in words if word)


def _check_spelling(value: Mapping[str, Any], known: Sequence[str], what: str) -> None:
    """Refuses `env` for `Env`: Go programs read both, so that two readers would differ."""
    proper = {name.lower(): name for name in known}
    for key in value:
        right = proper.get(key.lower(), key)
        if right != key:
            raise InputError(f"{what} has {key!r}", fix=f"the specification spells it {right!r}")
