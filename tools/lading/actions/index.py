"""The ImageIndex action: an index from the descriptors of its images. It reads nothing else."""

from __future__ import annotations

from lading.actions import flags, values, worker
from lading.oci import document, index, manifest, media_types, parts, soci_index

__all__ = ["run"]

_OUTPUTS = ("index", "descriptor", "digest")
_SINGLE = (
    "label", "annotations_file", "subject", "base_manifest", "base_config", "build_settings",
)  # fmt: skip
_REPEATED = ("manifest_descriptor", "soci", "annotation", "status_file")


def run(request: worker.Request) -> None:
    """Assembles one index.

    Args:
        request: its arguments are `--manifest_descriptor=PATH` for each image in order,
            `--soci=PATH<TAB>IMAGE` for the descriptors of a SOCI index and its image,
            `--annotation=K=V`, `--annotations_file=`, `--subject=`, `--build_settings=` (a JSON
            object), `--status_file=`, `--base_manifest=` and `--base_config=` for what `.base` is
            in templates, `--label=` for messages, and the outputs `--index=`,
            `--descriptor=` and `--digest=`.

    Raises:
        LadingError: an input is missing, malformed or contradicts another; nothing is written.
    """
    one, many = flags.parse(
        request.arguments, required=_OUTPUTS, single=_SINGLE, repeated=_REPEATED
    )
    what = one.get("label") or one["index"]
    base = values.base(one.get("base_manifest"), one.get("base_config"), what)
    settings = one.get("build_settings", "{}").encode(errors="surrogateescape")
    expand = values.expander(
        document.loads_object(settings, what="--build_settings"), many["status_file"], base
    )
    files = [one["annotations_file"]] if "annotations_file" in one else []
    annotations = values.pairs(
        flags.pairs(many["annotation"], "--annotation"), files, expand, f"{what}, annotations"
    )
    data = index.assemble(
        manifests=[values.descriptor(path) for path in many["manifest_descriptor"]],
        artifacts=[
            soci_index.listed(*map(values.descriptor, pair.split("\t"))) for pair in many["soci"]
        ],
        annotations=manifest.check_annotations(annotations, what=f"{what}, annotations"),
        subject=values.descriptor(one["subject"]) if "subject" in one else None,
        what=what,
    )
    described = parts.describe(media_types.INDEX, data)
    flags.write(one["index"], data)
    flags.write(one["descriptor"], document.dumps(described))
    flags.write(one["digest"], described["digest"].encode())


if __name__ == "__main__":
    worker.main(run)
