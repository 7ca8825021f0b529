"""Archives written and read: `save`, `verify`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lading.commands import anywhere, connection, flags
from lading.commands.meter import Meter
from lading.commands.store.shared import Verb, described, dump, selected
from lading.engine.name import image_name
from lading.errors import LadingError
from lading.oci.platform import Platform
from lading.store import access, archive, naming, register, save, sizes, stamp
from lading.store.save import Facts, Saved

if TYPE_CHECKING:
    from lading.registry.session import Session

__all__ = ["define_facts", "facts", "report", "save_", "verify_"]


def save_(argv: Sequence[str]) -> int:
    """store save NAME SOURCE [--package=cmake …] [--tool=ninja …]

    SOURCE is an archive that docker, podman or skopeo wrote, oci:DIRECTORY[:TAG], or an image in
    a registry: localhost:5000/app:v1. NAME is
    <project>-<os>-<version>-<variant>; --normalize takes the nearest valid one.
    """
    verb = Verb(save_.__doc__ or "")
    define_facts(verb.flags)
    connection.define(verb.flags)
    name, source = verb.parse(argv, least=2, most=2)
    said = facts(name, verb.flags)

    def connect() -> Session:
        return connection.connect(verb.flags)

    with anywhere.opened(source, connect) as found, Meter(f"{name}: saved") as meter:
        platform = Platform.parse(verb.flags.platform) if verb.flags.platform else None
        saved = save.save(
            verb.root,
            found.content,
            found.root,
            said,
            platform=platform,
            progress=meter,
        )
    report(verb.root, saved, as_json=verb.json)
    return 0


def verify_(argv: Sequence[str]) -> int:
    """store verify [NAME…] [--deep]

    Reads every byte of the archives again. Without a name, also says where the catalog and the
    archives do not agree: bad entries, archives that no entry is about. The code is that of the
    first thing that is wrong.
    """
    verb = Verb(verify_.__doc__ or "")
    flags.define_bool("deep", False, "Unpack layers and compare diff_ids.", flag_values=verb.flags)
    names = verb.parse(argv)
    root = verb.root
    found_catalog, entries = selected(root, names)
    code = 0
    results = []
    for name, error in () if names else register.disagreements(root, found_catalog):
        code = code or error.exit_code
        results.append({"name": name, "ok": False, "error": str(error)})
        print(f"lading: {error}", file=sys.stderr)
    for item in entries:
        stamp.forget(root, item.name)
        failure: LadingError | None = None
        try:
            with (
                Meter(f"{item.name}: verified") as meter,
                access.opened(root, item.name, "verify", progress=meter) as found,
            ):
                if verb.flags.deep:
                    archive.verify(found.archive, found.image, deep=True)
        except LadingError as error:
            failure = error
            code = code or error.exit_code
        results.append({"name": item.name, "ok": failure is None, "error": str(failure or "")})
        if failure:
            print(f"lading: {failure}", file=sys.stderr)
        elif not verb.json:
            print(f"{item.name} is whole")
    if verb.json:
        dump(results)
    return code


def define_facts(values: flags.FlagValues) -> None:
    """Defines the flags for what an image's bytes do not say."""
    flags.define_string("docker_tag", "", "Name to load under; NAME:latest.", flag_values=values)
    flags.define_multi_string("package", [], "A package that is in it.", flag_values=values)
    flags.define_multi_string("tool", [], "A tool that is in it.", flag_values=values)
    flags.define_bool(
        "normalize", False, "Take the nearest valid name in place of NAME.", flag_values=values
    )
    flags.define_string(
        "platform", "", "Of an index, the image for os/architecture.", flag_values=values
    )


def facts(name: str, values: flags.FlagValues) -> Facts:
    """The facts that the flags give about the image `name`; raises InputError for bad names."""
    text = naming.normalize(name) if values.normalize else name
    if text != name:
        print(f"lading: {name} is saved as {text}", file=sys.stderr)
    # An engine takes no other, and an archive that says another is none for `docker load`.
    tag = image_name(values.docker_tag) if values.docker_tag else ""
    return Facts(naming.parse(text), tag, tuple(values.package), tuple(values.tool))


def report(root: Path, saved: Saved, *, as_json: bool) -> None:
    """Says where the image is: for people on stderr, its path on stdout."""
    if as_json:
        dump({**described(root, saved.entry), "size": saved.size, "unchanged": saved.unchanged})
        return
    how = "was there already" if saved.unchanged else "is saved"
    print(f"lading: {saved.entry.name} {how} ({sizes.human(saved.size)})", file=sys.stderr)
    print(saved.path)
