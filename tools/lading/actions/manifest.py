"""The ImageManifest action: a config and a manifest from what is known about layers.

It reads metadata only, never a blob, so that a remote cache moves none for it. Nothing that is
not needed is imported: a monorepo runs this a thousand times.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lading.actions import flags, values, worker
from lading.actions.values import Expand
from lading.errors import CorruptError, InputError, UsageError
from lading.oci import config, document, execution, manifest, media_types, parts

__all__ = ["run"]

_SINGLE = (
    "base_manifest", "base_config", "env_file", "annotations_file", "config_fragment",
    "created_file", "subject",
)  # fmt: skip
_REPEATED = ("layer", "label_file", "status_file", "ztoc")
_OUTPUTS = (".manifest.json", ".config.json", ".descriptor.json", ".digest")

#: In `entrypoint` and `cmd`, the words that the base has there; as in rules/private/manifest.bzl.
_INHERIT = "__lading_inherit_from_base__"

#: Attributes that only an image config can hold; of no use to other artifacts.
_IMAGE_ONLY = (*execution.ATTRIBUTES, "env", "created")


def run(request: worker.Request) -> None:
    """Assembles one image.

    Args:
        request: its arguments are `--attributes=JSON`, an object of what the target sets under the
            attributes' own names; `--layer=METADATA` for each layer, lowest first;
            `--base_manifest=`, `--base_config=` (by default beside it, as the outputs are),
            `--subject=` (a descriptor); the files
            `--annotations_file=`, `--config_fragment=`, `--created_file=`, `--env_file=`,
            `--label_file=` and `--status_file=` (both repeatable); `--ztoc=`, the descriptor of a
            layer's zTOC, for each that has one; and `--manifest=`, an output that ends in
            `.manifest.json`, beside which `.config.json`, `.descriptor.json` and `.digest` are
            written, and with zTOCs the same four of a SOCI index, `.soci.manifest.json` and so on.

    Raises:
        LadingError: an input is missing, malformed or contradicts another; nothing is written.
    """
    one, many = flags.parse(
        request.arguments,
        required=("attributes", "manifest"),
        single=_SINGLE,
        repeated=_REPEATED,
    )
    prefix = one["manifest"].removesuffix(_OUTPUTS[0])
    if prefix == one["manifest"]:
        raise UsageError(f"--manifest={prefix:.200} does not end in {_OUTPUTS[0]}")
    data = one["attributes"].encode(errors="surrogateescape")
    spec = document.loads_object(data, what="--attributes")
    what = str(spec.get("label") or one["manifest"])
    soci: tuple[bytes, ...] = ()
    if many["ztoc"]:
        from lading.oci import soci_index

        soci = soci_index.assemble([values.descriptor(path) for path in many["ztoc"]], what=what)
    image = _assemble(spec, one, many, what, soci_digest=soci[-1].decode() if soci else "")
    for suffix, output in zip(_OUTPUTS, image, strict=True):
        flags.write(prefix + suffix, output)
    for suffix, output in zip(_OUTPUTS, soci, strict=False):
        flags.write(f"{prefix}.soci{suffix}", output)


def _assemble(
    spec: Mapping[str, Any],
    one: Mapping[str, str],
    many: Mapping[str, list[str]],
    what: str,
    *,
    soci_digest: str,
) -> tuple[bytes, bytes, bytes, bytes]:
    """The bytes of manifest, config, descriptor and digest file."""
    described: Mapping[str, Any]
    base = values.base(one.get("base_manifest"), _base_config(one), what)
    layers = [parts.read_layer(flags.read(path), what=path) for path in many["layer"]]
    platform = {key: value for key, value in spec.get("platform", {}).items() if value}
    expand = values.expander(spec.get("build_settings", {}), many["status_file"], base)

    def pairs(name: str, paths: list[str]) -> dict[str, str]:
        # As in rules_img: of the environment alone the attribute wins over the file.
        where, own_wins = f"{what}, {name}", name == "env"
        return values.pairs(spec.get(name, {}), paths, expand, where, own_wins=own_wins)

    config_type = spec.get("config_media_type") or media_types.CONFIG
    artifact_type = spec.get("artifact_type", "")
    if config_type == media_types.CONFIG:
        fragment = _fragment(one, what)
        image_config = document.dumps(
            config.assemble(
                base=base,
                fragment=fragment,
                parameters=execution.parameters(
                    {
                        **spec,
                        **_inherited(spec, base),
                        "labels": pairs("labels", many["label_file"]),
                    },
                    os=platform["os"],
                    what=what,
                ),
                env=pairs("env", _listed(one, "env_file")),
                platform=platform,
                layers=layers,
                created=_created(spec, one, expand, what),
                what=what,
            )
        )
        described = parts.describe(media_types.CONFIG, image_config)
    else:
        image_config, described = _artifact_config(spec, one, config_type, what)
        platform = {}
    annotations = pairs("annotations", _listed(one, "annotations_file"))
    if soci_digest:
        annotations["com.amazon.soci.index-digest"] = soci_digest
    all_layers = [*(base.layers if base else ()), *layers]
    document_ = manifest.assemble(
        config=described,
        layers=[layer.descriptor for layer in all_layers],
        annotations=manifest.check_annotations(annotations, what=f"{what}, annotations"),
        artifact_type=artifact_type,
        subject=values.descriptor(one["subject"]) if "subject" in one else None,
        what=what,
    )
    descriptor = manifest.descriptor(
        document_, platform=platform or None, artifact_type=artifact_type
    )
    return document_, image_config, document.dumps(descriptor), descriptor["digest"].encode()


def _inherited(spec: Mapping[str, Any], base: parts.Base | None) -> dict[str, list[str]]:
    """Those of `entrypoint` and `cmd` that have words of the base among theirs."""
    inner = (base.config.get("config") or {}) if base else {}
    return {
        name: [
            word
            for given in spec[name]
            for word in ((inner.get(key) or []) if given == _INHERIT else [given])
        ]
        for name, key in (("entrypoint", "Entrypoint"), ("cmd", "Cmd"))
        if _INHERIT in spec.get(name, ())
    }


def _base_config(one: Mapping[str, str]) -> str | None:
    """The config of the base: where it is said to be, or beside the manifest."""
    manifest = one.get("base_manifest", "")
    if "base_config" not in one and manifest.endswith(_OUTPUTS[0]):
        return manifest.removesuffix(_OUTPUTS[0]) + _OUTPUTS[1]
    return one.get("base_config")


def _fragment(one: Mapping[str, str], what: str) -> Mapping[str, Any]:
    path = one.get("config_fragment")
    if path is None:
        return {}
    where = f"{what}, config_fragment: {path}"
    try:
        value = document.loads(flags.read(path), what=where)
    except CorruptError as error:
        raise InputError(error.what, fix="write a JSON object: part of an image config") from None
    return config.check_fragment(value, what=where)


def _artifact_config(
    spec: Mapping[str, Any], one: Mapping[str, str], config_type: str, what: str
) -> tuple[bytes, Mapping[str, Any]]:
    """The config of an artifact that is no image: a file as it is, or nothing."""
    useless = [name for name in _IMAGE_ONLY if name in spec]
    useless += [name for name in ("base_manifest", "env_file", "created_file") if name in one]
    if useless:
        raise InputError(
            f"{what}: config_media_type is {config_type!r:.120}, so there is no image config for"
            f" {', '.join(useless)}",
            fix="remove these attributes, or config_media_type",
        )
    if "config_fragment" in one:
        data = flags.read(one["config_fragment"])
        return data, parts.describe(config_type, data)
    if config_type != media_types.EMPTY:
        raise InputError(
            f"{what}: config_media_type is {config_type!r:.120} without a config",
            fix="name the config file in config_fragment",
        )
    if not spec.get("artifact_type"):
        raise InputError(
            f"{what}: an empty config says nothing about what this is",
            fix="set artifact_type, such as application/spdx+json",
        )
    return b"{}", manifest.EMPTY_DESCRIPTOR


def _created(
    spec: Mapping[str, Any],
    one: Mapping[str, str],
    expand: Expand,
    what: str,
) -> str:
    text = spec.get("created", "")
    attribute = "created_timestamp"
    if "created_file" in one:
        if text:
            raise InputError(
                f"{what}: created and created_timestamp are both set", fix="keep one of them"
            )
        attribute = f"created: {one['created_file']}"
        text = flags.read(one["created_file"]).decode(errors="replace")
    text = expand(text, f"{what}, {attribute}")
    if not text:
        return ""
    from lading.oci import timestamp

    return timestamp.canonical(text, what=f"{what}, {attribute}")


def _listed(one: Mapping[str, str], name: str) -> list[str]:
    return [one[name]] if name in one else []


if __name__ == "__main__":
    worker.main(run)
