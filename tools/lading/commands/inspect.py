"""Shows where an image's bytes go: layers, the biggest files, what is stored twice or hidden.

    inspect IMAGE        oci:DIRECTORY[:TAG], a directory, an archive, or a reference to a registry

Layers are read without being unpacked.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from lading.commands import anywhere, connection, entry, flags
from lading.commands.usage import count
from lading.errors import UsageError, visible
from lading.oci.platform import Platform
from lading.store import image as images
from lading.store import sizes
from lading.verify.sizes import Files, measure, wasted

__all__ = ["main"]


def main(argv: Sequence[str]) -> int:
    """Runs the command; raises LadingError."""
    values = flags.FlagValues()
    flags.define_bool("json", False, "Print one JSON object.", flag_values=values)
    flags.define_integer("top", 10, "So many files and copies.", lower_bound=0, flag_values=values)
    flags.define_string("platform", "", "Of an index, os/architecture.", flag_values=values)
    connection.define(values)
    words = entry.parse(values, argv, usage=__doc__ or "")
    if len(words) != 1:
        raise UsageError(f"{count(len(words), 'image')} named", fix="usage: inspect IMAGE")
    platform = Platform.parse(values.platform) if values.platform else None
    with anywhere.opened(words[0], lambda: connection.connect(values)) as found:
        image = images.read(found.content, found.root, platform)
        files = measure(found.content, image)
    if values.json:
        print(json.dumps(_object(image, files, values.top)))
    else:
        _print(image, files, values.top)
    return 0


def _object(image: images.Image, files: Files, top: int) -> dict[str, object]:
    copies = files.copies()
    return {
        "digest": str(image.manifest.digest),
        "platform": str(image.platform),
        "compressed": image.size,
        "uncompressed": sum(layer.uncompressed for layer in files.layers),
        "wasted": wasted(files),
        "layers": [
            {
                "digest": str(layer.descriptor.digest),
                "compressed": layer.descriptor.size,
                "uncompressed": layer.uncompressed,
                "entries": layer.entries,
                "hidden": layer.hidden,
            }
            for layer in files.layers
        ],
        "biggest": [{"path": path, "size": size} for size, path in files.biggest(top)],
        "copies": [{"size": one.size, "paths": one.paths} for one in copies[:top]],
    }


def _print(image: images.Image, files: Files, top: int) -> None:
    print(visible(f"{image.manifest.digest}  {image.platform}"))
    print(f"{'compressed':>12}{'files':>12}{'entries':>9}{'hidden':>12}  layer")
    for layer in files.layers:
        print(
            f"{sizes.human(layer.descriptor.size):>12}{sizes.human(layer.uncompressed):>12}"
            f"{layer.entries:>9}{sizes.human(layer.hidden):>12}  {layer.descriptor.digest}"
        )
    total = sum(layer.uncompressed for layer in files.layers)
    entries = sum(layer.entries for layer in files.layers)
    hidden = sum(layer.hidden for layer in files.layers)
    print(
        f"{sizes.human(image.size):>12}{sizes.human(total):>12}{entries:>9}"
        f"{sizes.human(hidden):>12}  in all"
    )
    if biggest := files.biggest(top):
        print("\nbiggest files")
        for size, path in biggest:
            print(f"{sizes.human(size):>12}  {visible(path)}")
    if copies := files.copies():
        shown = copies[:top]
        print(f"\nstored more than once: {len(copies)} contents")
        for one in shown:
            print(f"{sizes.human(one.size):>12}  {visible(' '.join(one.paths))}")
    share = f" ({100 * wasted(files) / total:.1f} %)" if total else ""
    print(f"\nwasted: {sizes.human(wasted(files))}{share}, hidden or stored more than once")


if __name__ == "__main__":
    entry.run(main)
