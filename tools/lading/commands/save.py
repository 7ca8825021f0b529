"""Saves an image in the store of this machine, as an archive with an entry in the catalog.

No engine is needed, and saving what is there already writes nothing. Prints the archive's path.
"""

from __future__ import annotations

from collections.abc import Sequence

from lading.commands import connection, deploy, entry, flags, remote, target
from lading.commands.meter import Meter
from lading.commands.store.saving import define_facts, facts, report
from lading.errors import UsageError
from lading.oci.platform import Platform
from lading.store import save
from lading.store.root import store_root

__all__ = ["main"]


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    target.define(values)
    flags.define_string("name", "", "<project>-<os>-<version>-<variant>.", flag_values=values)
    flags.define_string("store", "", "Root of the store.", flag_values=values)
    flags.define_bool("json", False, "Print one JSON object.", flag_values=values)
    define_facts(values)
    connection.define(values)
    remote.define(values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    entry.parse_flags(values, argv, usage=__doc__ or "", fix="the name is set with --name=NAME")
    spec, runfiles = target.files(values, "//…:save")
    image = deploy.read(spec, runfiles)
    name = values.name or image.extra.get("name")
    if not name:
        raise UsageError(
            f"{image.label} has no name in the store",
            fix="set image_name, or give --name=<project>-<os>-<version>-<variant>",
        )
    for flag in ("docker_tag", "platform"):
        values.put(flag, getattr(values, flag) or image.extra.get(flag, ""))
    values.put("package", [*values.package, *image.extra.get("packages", [])])
    values.put("tool", [*values.tool, *image.extra.get("tools", [])])
    root = store_root(values.store)
    with remote.opened(values, image) as content, Meter(f"{name}: saved") as meter:
        saved = save.save(
            root,
            content,
            image.root,
            facts(name, values),
            platform=Platform.parse(values.platform) if values.platform else None,
            progress=meter,
        )
    report(root, saved, as_json=values.json)
    return 0


if __name__ == "__main__":
    entry.run(main)
