"""What an image is assembled from: a base, and layers on top of it.

These are the documents as they were read, checked as far as assembling depends on them: plain JSON
values with every field in its place, which the records of `descriptor.py` are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from lading.errors import CorruptError, InputError
from lading.oci import document, media_types
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest

__all__ = ["Base", "Layer", "check_descriptor", "describe", "read_base", "read_layer"]


class Layer(NamedTuple):
    """One layer: its descriptor, the digest of its tar, and its line of history."""

    descriptor: Mapping[str, Any]
    diff_id: str
    history: Mapping[str, Any]


class Base(NamedTuple):
    """An image to build on, with OCI media types whatever types it was pulled with."""

    #: Every field of the base's config except `rootfs` and `history`.
    config: Mapping[str, Any]
    layers: tuple[Layer, ...]
    #: The base's history, with as many entries that are not empty layers as there are layers.
    history: tuple[Mapping[str, Any], ...]
    #: The manifest as it was read, for templates.
    manifest: Mapping[str, Any]
    manifest_data: bytes


def check_descriptor(value: object, *, what: str) -> dict[str, Any]:
    """Returns `value` if it is a descriptor, every field kept; raises CorruptError."""
    Descriptor.from_json(value, what=what)
    assert isinstance(value, dict)
    return value


def describe(media_type: str, data: bytes) -> dict[str, Any]:
    """The descriptor of `data`."""
    return Descriptor.of(media_type, data).to_json()


def read_layer(data: bytes, *, what: str) -> Layer:
    """Reads the metadata file that a layer action writes; raises CorruptError."""
    value = check_descriptor(document.loads_object(data, what=what), what=what)
    diff_id = str(Digest.from_json(value.get("diff_id"), what=f"{what}, diff_id"))
    descriptor = {key: value[key] for key in ("mediaType", "digest", "size")}
    if value.get("annotations"):
        descriptor["annotations"] = dict(sorted(value["annotations"].items()))
    history = value.get("history") or {}
    if not isinstance(history, dict):
        raise CorruptError(f"{what} has a history that is not an object")
    return Layer(descriptor, diff_id, history)


def read_base(manifest_data: bytes, config_data: bytes, *, what: str) -> Base:
    """Reads an image to build on.

    Args:
        manifest_data: the base's manifest, OCI or Docker schema 2.
        config_data: the config that the manifest describes.
        what: names the base in an error.

    Raises:
        InputError: an index, an artifact or an old schema: valid, but nothing to build on.
        CorruptError: the two documents contradict each other or themselves.
    """
    manifest = document.loads_object(manifest_data, what=f"{what}, manifest")
    _check_is_image(manifest, what)
    described = Descriptor.from_json(manifest.get("config"), what=f"{what}, config")
    actual = Digest.of(config_data, described.digest.algorithm)
    if (described.digest, described.size) != (actual, len(config_data)):
        raise CorruptError(
            f"{what}: the config is {actual} of {len(config_data)} bytes, but the manifest names"
            f" {described.digest} of {described.size}",
            fix="pull the base again, or name the config that belongs to the manifest",
        )
    if media_types.promote(described.media_type) != media_types.CONFIG:
        raise InputError(
            f"{what} has a config of type {described.media_type}: it is an artifact, no image"
        )
    config = document.loads_object(config_data, what=f"{what}, config")
    layers = _layers(manifest, config, what)
    history = _complete_history(config.get("history"), len(layers), what)
    own = {key: value for key, value in config.items() if key not in ("rootfs", "history")}
    _check_types(own, what)
    return Base(own, layers, history, manifest, manifest_data)


def _check_is_image(manifest: Mapping[str, Any], what: str) -> None:
    stated = str(manifest.get("mediaType", media_types.MANIFEST))
    if "manifests" in manifest and ("layers" in manifest or "config" in manifest):
        raise CorruptError(f"{what} claims to be an index and a manifest at once")
    if stated in media_types.INDEX_TYPES or "manifests" in manifest:
        raise InputError(
            f"{what} is an index of several images", fix="name the manifest of one platform"
        )
    if stated not in media_types.MANIFEST_TYPES or manifest.get("schemaVersion") != 2:
        raise InputError(
            f"{what} is no image manifest that can be built on: mediaType {stated!r:.120},"
            f" schemaVersion {manifest.get('schemaVersion')!r:.20}",
            fix="pull it as an OCI or Docker schema 2 image",
        )


def _check_types(config: Mapping[str, Any], what: str) -> None:
    """Refuses a config whose fields have types that merging could not handle."""

    def check(value: Mapping[str, Any], keys: tuple[str, ...], kind: type) -> None:
        for key in keys:
            if value.get(key) is not None and not isinstance(value[key], kind):
                raise CorruptError(f"{what}: {key} in the config is {value[key]!r:.80}")

    check(config, ("architecture", "os", "variant", "created"), str)
    check(config, ("config",), dict)
    inner = config.get("config") or {}
    check(inner, ("Labels", "ExposedPorts", "Volumes"), dict)
    check(inner, ("Env",), list)
    if not all(isinstance(entry, str) for entry in inner.get("Env") or ()):
        raise CorruptError(f"{what}: Env in the config is not a list of strings")


def _layers(manifest: Mapping[str, Any], config: Mapping[str, Any], what: str) -> tuple[Layer, ...]:
    described = manifest.get("layers")
    rootfs = config.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    if not isinstance(described, list):
        raise CorruptError(f"{what}: the manifest has no list of layers")
    if not isinstance(diff_ids, list):
        # Go writes an empty list as null.
        if diff_ids is not None or described:
            raise CorruptError(f"{what}: the config has no list of diff_ids")
        diff_ids = []
    if len(described) != len(diff_ids):
        raise CorruptError(
            f"{what} has {len(described)} layers, but {len(diff_ids)} diff_ids in its config"
        )
    layers = []
    for number, (value, diff_id) in enumerate(zip(described, diff_ids, strict=True), start=1):
        descriptor = check_descriptor(value, what=f"{what}, layer {number}")
        promoted = {**descriptor, "mediaType": media_types.promote(descriptor["mediaType"])}
        checked = Digest.from_json(diff_id, what=f"{what}, diff_id {number}")
        layers.append(Layer(promoted, str(checked), {}))
    return tuple(layers)


def _complete_history(value: object, layers: int, what: str) -> tuple[Mapping[str, Any], ...]:
    """The base's history, made to agree with its number of layers.

    Some builders write no history, or leave lines out. The lines appended for our own layers
    would then be read as describing the base's, so lines without text are put in first.
    """
    entries = [] if value is None else value
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise CorruptError(f"{what}: the history in the config is not a list of objects")
    surplus = sum(not entry.get("empty_layer") for entry in entries) - layers
    if surplus < 0:
        return ({"comment": "layer of the base without history"},) * -surplus + tuple(entries)
    result = []
    for entry in entries:
        if surplus and not entry.get("empty_layer"):
            entry = {**entry, "empty_layer": True}
            surplus -= 1
        result.append(entry)
    return tuple(result)
