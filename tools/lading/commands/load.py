"""Loads an image into a container engine on this machine.

Of an index, the image for the engine's own platform is loaded. Layers that the engine has are
not sent. A name moves only when the engine has the complete image, and nothing is ever pulled.
Prints one loaded reference a line; with --dry_run those that would be, and loads nothing.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence

from lading.commands import connection, deploy, entry, flags, remote, target
from lading.commands.meter import Meter
from lading.commands.usage import count
from lading.engine import engines, loading
from lading.engine.engine import Loaded
from lading.engine.name import image_name, is_whole
from lading.errors import NotFoundError, UsageError
from lading.oci.content import Content
from lading.oci.platform import Platform
from lading.store import sizes

__all__ = ["image_names", "load", "main"]


def _flags() -> flags.FlagValues:
    values = flags.FlagValues()
    target.define(values)
    flags.define_enum("daemon", None, engines.ENGINES, "Engine.", flag_values=values)
    flags.define_string(
        "host", "", "Address of the engine: unix:///path or tcp://host:port.", flag_values=values
    )
    flags.define_string("name", None, "Name without a tag: team/app.", flag_values=values)
    flags.define_multi_string(
        "tag", None, "Tag, or whole name (team/app:dev); may be repeated.", flag_values=values
    )
    flags.define_string(
        "platform", "", "Load the image for os/architecture[/variant].", flag_values=values
    )
    flags.define_bool("dry_run", False, "Load nothing, say what would be.", flag_values=values)
    flags.define_bool("json", False, "Print one JSON object.", flag_values=values)
    connection.define(values)
    remote.define(values)
    return values


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = _flags()
    entry.parse_flags(values, argv, usage=__doc__ or "", fix="tags are set with --tag=NAME")
    spec, runfiles = target.files(values, "//…:load")
    platform = Platform.parse(values.platform) if values.platform else None
    image = deploy.read(spec, runfiles)
    with remote.opened(values, image) as content:
        loaded = load(
            image,
            content,
            repository=values.name,
            tags=values.tag,
            daemon=values.daemon,
            host=values.host,
            platform=platform,
            dry_run=values.dry_run,
        )
    _report(image.label, loaded, dry_run=values.dry_run, as_json=values.json)
    return 0


def load(
    image: deploy.Deploy,
    content: Content,
    *,
    repository: str | None = None,
    tags: Sequence[str] | None = None,
    daemon: str | None = None,
    host: str = "",
    platform: Platform | None = None,
    dry_run: bool = False,
) -> Loaded:
    """Loads an image of the build; what is given here wins over what its target says.

    Args:
        image: what is loaded.
        content: where its bytes are.
        repository: its name, without a tag.
        tags: see `image_names`.
        daemon: the engine.
        host: address of the engine.
        platform: another one than the engine's own.
        dry_run: ask the engine, but send and name nothing.

    Raises:
        UsageError: it has no name.
        LadingError: see `loading.load`.
    """
    if repository is None:
        repository = "/".join(word for word in (image.registry, image.repository) if word)
    names = image_names(repository, image.tags if tags is None else tags)
    name = daemon or image.extra.get("daemon") or "docker"
    with (
        contextlib.closing(engines.connect(name, host=host)) as engine,
        Meter(f"{image.label}: sent") as meter,
    ):
        try:
            return loading.load(
                engine,
                content,
                image.root,
                names,
                platform=platform,
                progress=meter,
                dry_run=dry_run,
            )
        except NotFoundError as error:
            # Of many loads, which? A digest tells nobody.
            raise error.about(image.label) from None


def image_names(repository: str, tags: Sequence[str]) -> list[str]:
    """The names to load under: each tag is one of `repository`, or a whole name by itself.

    Without a repository, every tag is a whole name.
    """
    names = [tag if is_whole(tag, repository) else f"{repository}:{tag}" for tag in tags]
    if not names:
        names = [repository]
    if any(name.startswith(":") or not name for name in names):
        raise UsageError("the image has no name", fix="set `repository`, or give --name=team/app")
    return list(dict.fromkeys(image_name(name) for name in names))


def _report(label: str, loaded: Loaded, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        value = {"label": label, "dryRun": dry_run, **loaded.to_json()}
        print(json.dumps(value | {"platform": str(loaded.platform)}))
        return
    layers, size = count(loaded.layers_sent, "layer"), sizes.human(loaded.bytes_sent)
    sent = f"up to {layers} to send, {size}" if dry_run else f"{layers} sent, {size}"
    would = "would be" if dry_run else "is"
    print(f"lading: {label} {would} in {loaded.engine} as {loaded.id} ({sent})", file=sys.stderr)
    for name in loaded.names:
        print(name)


if __name__ == "__main__":
    entry.run(main)
