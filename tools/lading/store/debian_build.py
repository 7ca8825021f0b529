"""Builds images from Debian packages without an engine: a layer of packages on the base.

The packages come from the machine's mirror, named by a signed index and checked by sha256. They
are unpacked, not installed: maintainer scripts do not run, so what needs one is left to images
that an engine builds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lading.debian.fetch import fetch
from lading.debian.index import Index, meets
from lading.debian.locking import open_suites, read_index
from lading.debian.package import Package
from lading.debian.resolve import resolve
from lading.debian.signature import find_keyring
from lading.debian.sources import Mirrors, find_mirrors
from lading.debian.spec import Spec
from lading.errors import ConflictError, CorruptError, NotFoundError
from lading.layer.build import LayerRequest, build_layer
from lading.layer.compress import Compression
from lading.oci import config, document, environment, manifest, media_types, parts
from lading.oci.content import Content, FilesContent, FirstOf
from lading.oci.descriptor import Descriptor
from lading.oci.digest import Digest
from lading.registry.threads import Threads
from lading.store.access import Opened
from lading.store.installed import installed
from lading.store.prepare import Build
from lading.store.recipe import Recipe

__all__ = ["SUITES", "builder", "closure"]

SUITES = {"debian-12": "bookworm", "debian-13": "trixie", "debian-14": "forky"}
#: What an image from nothing has: a shell and the usual commands.
_MINIMUM = (
    "base-files", "bash", "ca-certificates", "coreutils", "dash", "findutils", "grep", "gzip",
    "libc-bin", "mawk", "netbase", "sed", "tar", "tzdata",
)  # fmt: skip
#: Counts as installed: programs for maintainer scripts, which do not run here.
_EXCLUDE = {
    "awk": "mawk is there; the name comes from update-alternatives",
    "debconf": "asks questions at installation",
    "debianutils": "for maintainer scripts",
    "dpkg": "nothing is installed in the container",
    "openssl": "ca-certificates uses it in its maintainer script",
    "python3": "scripts of packages that only developers of the compiler use",
}
_DOCUMENTATION = (
    "/usr/share/bug*", "/usr/share/doc/*/*", "!/usr/share/doc/*/copyright", "/usr/share/info/*",
    "/usr/share/lintian*", "/usr/share/man/*", "/usr/share/locale/*",
)  # fmt: skip
_FILES = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_DOWNLOADS = 4


def builder(say: Callable[[str], None]) -> Build:
    """A Build that needs the machine's Debian mirror and nothing else."""

    @contextlib.contextmanager
    def build(
        recipe: Recipe, base: Opened | None, work: Path
    ) -> Iterator[tuple[Content, Descriptor]]:
        mirrors = find_mirrors()
        index = _index(recipe, mirrors, say)
        have = installed(base.archive, base.image) if base else {}
        if base and not have:
            raise NotFoundError(
                f"{base.entry.name} does not say which Debian packages it has",
                fix="it has no /var/lib/dpkg; save a base that has",
            )
        new = closure(index, [*recipe.install, *(() if base else _MINIMUM)], have)
        total = sum(package.size for package in new)
        say(f"{len(new)} packages, {total / 1e6:.1f} MB, are fetched")
        files = _fetched(new, mirrors, work, say)
        say("the layer is packed")
        layer = _layer(recipe, files, work, from_nothing=base is None)
        content, root = _assembled(recipe, base, layer, work)
        yield content, root

    return build


def closure(index: Index, wanted: Sequence[str], have: Mapping[str, Package]) -> list[Package]:
    """The packages to add to those there are, sorted by name.

    One that is there in a version that a new package cannot do with is replaced by the suite's.

    Raises NotFoundError, InputError, ConflictError: see resolve; also when no version fits.
    """
    below = dict(have)
    # The suite's exclusions are about what is missing only.
    roots = [name for name in dict.fromkeys(wanted) if name not in below]
    for _ in range(20):
        exclude = {
            name: why for name, why in _EXCLUDE.items() if name not in roots and name not in below
        }
        found = resolve(index, roots, below=below, exclude=exclude).packages
        new = [package for name, package in found.items() if name not in below]
        outdated = _outdated(new, found, exclude) & below.keys()
        if not outdated:
            return sorted(new, key=lambda package: package.name)
        for name in outdated:
            del below[name]
            roots.append(name)
    raise ConflictError(
        f"the base's packages are too old for {', '.join(wanted)}", fix="save a newer base"
    )


def _outdated(
    new: Sequence[Package], found: Mapping[str, Package], exclude: Mapping[str, str]
) -> set[str]:
    """Names whose version in `found` does not meet what a new package needs."""
    names: set[str] = set()
    for package in new:
        for group in package.depends:
            if any(relation.name in exclude for relation in group):
                continue
            if not any(meets(one, relation) for relation in group for one in found.values()):
                names |= {relation.name for relation in group}
    return names


def _index(recipe: Recipe, mirrors: Mirrors, say: Callable[[str], None]) -> Index:
    suite = SUITES.get(recipe.name.os)
    if suite is None:
        raise NotFoundError(
            f"{recipe.name.os} cannot be built from packages here",
            fix=f"systems are {', '.join(SUITES)}; others are built without --builder=packages",
        )
    spec = Spec(suite, ("main",), (recipe.architecture,), (), {})
    say(f"the index of {suite} is read")
    suites = open_suites(spec, mirrors, keyring=find_keyring(), now=datetime.now(UTC))
    if not any(one.archive == "security" for one in suites):
        say(f"warning: no mirror of this machine has {suite}-security")
    return read_index(spec, suites, recipe.architecture)


def _fetched(
    packages: Sequence[Package], mirrors: Mirrors, work: Path, say: Callable[[str], None]
) -> list[Path]:
    def get(package: Package) -> Path:
        data = fetch(mirrors.of(package.archive), package.path, limit=package.size)
        if hashlib.sha256(data).hexdigest() != package.sha256:
            raise CorruptError(f"{package.path} is not what the signed index says it is")
        path = work / f"{package.name}.deb"
        path.write_bytes(data)
        say(f"fetched {package.name} {package.version}")
        return path

    with Threads(_DOWNLOADS) as threads:
        return threads.each(get, packages)


def _layer(
    recipe: Recipe, debs: Sequence[Path], work: Path, *, from_nothing: bool
) -> tuple[Path, bytes]:
    """The blob and its metadata."""
    sources = [f"P\t\t{path}" for path in debs]
    sources += [f"X\t{pattern}\t" for pattern in _DOCUMENTATION]
    # An alternative that a package brings itself is as good.
    sources += [f"L\t{path}\t{target}" for path, target in recipe.links]
    if from_nothing:
        for number, (path, text) in enumerate(_FILES.items()):
            file = work / f"file{number}"
            file.write_text(text)
            sources += [f"F\t{path}\t{file}", f'M\t{path}\t{{"mode": "0644"}}']
        sources += [f"D\t/{name}\t" for name in ("dev", "proc", "root", "sys", "tmp")]
    blob, metadata = work / "layer", work / "layer.json"
    build_layer(
        LayerRequest(
            os.fspath(blob),
            sources,
            metadata=os.fspath(metadata),
            compression=Compression("zstd"),
        )
    )
    return blob, metadata.read_bytes()


def _assembled(
    recipe: Recipe, base: Opened | None, layer: tuple[Path, bytes], work: Path
) -> tuple[Content, Descriptor]:
    what = recipe.name.text
    below = None
    if base is not None:
        below = parts.read_base(base.image.manifest_bytes, base.image.config_bytes, what=what)
    added = parts.read_layer(layer[1], what=what)
    platform = {"os": "linux", "architecture": recipe.architecture}
    if base is not None and base.image.platform.variant:
        platform["variant"] = base.image.platform.variant
    value = config.assemble(
        base=below,
        fragment={},
        parameters={} if below else {"Cmd": ["/bin/bash"]},
        env={} if below else {"LANG": "C.UTF-8", "PATH": environment.DEFAULT_PATH},
        platform=platform,
        layers=[added],
        created="",
        what=what,
    )
    config_bytes = document.dumps(value)
    manifest_bytes = manifest.assemble(
        config=parts.describe(media_types.CONFIG, config_bytes),
        layers=[one.descriptor for one in (*(below.layers if below else ()), added)],
        annotations={},
        artifact_type="",
        subject=None,
        what=what,
    )
    root = Descriptor.of(media_types.MANIFEST, manifest_bytes)
    files = {Digest.parse(str(added.descriptor["digest"])): layer[0]}
    for name, data in (("config", config_bytes), ("manifest", manifest_bytes)):
        path = work / name
        path.write_bytes(data)
        files[Digest.of(data)] = path
    places: list[Content] = [FilesContent(files)]
    if base is not None:
        places.append(base.archive)
    return FirstOf(places), root
