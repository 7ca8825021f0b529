"""The flags that say where outputs are which Bazel did not download, and all places together."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lading.commands import connection, flags
from lading.commands.places import Places
from lading.oci.content import Content

if TYPE_CHECKING:
    from lading.cas.cache import RemoteCache
    from lading.cas.http_cache import HttpCache
    from lading.commands.deploy import Deploy
    from lading.registry.session import Session

__all__ = ["Remote", "define", "opened"]

#: Variables by flag; the second ones are what rules_img reads.
_VARIABLES = {
    "remote_cache": ("LADING_REMOTE_CACHE", "IMG_REAPI_ENDPOINT"),
    "remote_instance_name": ("LADING_REMOTE_INSTANCE_NAME", "IMG_REAPI_INSTANCE_NAME"),
    "credential_helper": ("LADING_CREDENTIAL_HELPER", "IMG_CREDENTIAL_HELPER"),
    "disk_cache": ("LADING_DISK_CACHE", "IMG_DISK_CACHE"),
}


def define(values: flags.FlagValues) -> None:
    """Adds the flags to a command's. Their names are those that Bazel uses."""
    flags.define_string(
        "remote_cache",
        None,
        "Remote cache that content which is not on this machine is streamed from: grpc://host:port,"
        " grpcs://host, http://host:port, https://host. Also LADING_REMOTE_CACHE; empty for none.",
        flag_values=values,
    )
    flags.define_string(
        "remote_instance_name", None, "Instance name in the remote cache.", flag_values=values
    )
    flags.define_string(
        "credential_helper",
        None,
        "Program that knows the headers to send to the remote cache.",
        flag_values=values,
    )
    flags.define_string(
        "disk_cache", None, "Directory of Bazel's disk cache, read too.", flag_values=values
    )


@contextlib.contextmanager
def opened(values: flags.FlagValues, image: Deploy) -> Iterator[Content]:
    """Everywhere that the content of `image` may be, for the time of a block.

    Registries are asked for layers of a shallow base, and nothing else.
    """
    with contextlib.ExitStack() as ends:
        session = None
        if image.sources:
            session = ends.enter_context(contextlib.closing(connection.connect(values)))
        caches = ends.enter_context(contextlib.closing(Remote(values, image.remote)))
        yield caches.content(image, session)


class Remote:
    """The caches that flags, variables and the target's own settings name, in this order.

    Args:
        values: the command's flags.
        settings: `remote` of the deploy specification.
    """

    def __init__(self, values: flags.FlagValues, settings: Mapping[str, str]) -> None:
        self._values = values
        self._settings = settings
        self._cache: RemoteCache | HttpCache | None = None
        self._places = self._find()

    def close(self) -> None:
        """Ends connections to a cache."""
        if self._cache is not None:
            self._cache.close()

    def content(self, image: Deploy, session: Session | None) -> Content:
        """Everywhere that the content of `image` may be.

        Args:
            image: the image.
            session: to fetch layers of a shallow base from their registry with.
        """
        places: list[tuple[str, Content]] = [("the target's files", image.content)]
        if image.outputs:
            places.append(("bazel-out", image.outputs))
        if image.recipes:
            places.append(("the layers' recipes", image.recipes))
        places += self._places
        if session is not None:
            from lading.registry.content import RegistryContent

            for source in image.sources:
                repository = session.repository(source.registry, source.repository)
                places.append((str(repository), RegistryContent(repository)))
        return Places(
            places,
            fix="build it again, or name the cache that has it: --remote_cache=grpc://host:port, or"
            " --disk_cache=DIRECTORY",
        )

    def _find(self) -> list[tuple[str, Content]]:
        places: list[tuple[str, Content]] = []
        if directory := self._value("disk_cache"):
            from lading.cas.disk import DiskCache

            where = Path(_workspace()) / os.path.expanduser(directory)
            places.append((f"the disk cache {where}", DiskCache(where)))
        if text := self._value("remote_cache"):
            self._cache = self._connect(text)
            places.append((f"the remote cache {self._cache.address}", self._cache))
        return places

    def _connect(self, text: str) -> RemoteCache | HttpCache:
        from lading.cas import address, helper

        where = address.parse(text)
        program = self._value("credential_helper").replace("%workspace%", _workspace())
        if where.speaks_http:
            from lading.cas.http_cache import HttpCache

            return HttpCache(
                where,
                headers=lambda: helper.get(program, where.uri) if program else (),
                ca_file=self._values.ca_file,
                notice=connection.notice(),
            )
        from lading.cas.cache import RemoteCache

        return RemoteCache(
            where,
            instance=self._value("remote_instance_name"),
            headers=lambda: helper.get(program, where.uri) if program else (),
            ca_file=self._values.ca_file,
        )

    def _value(self, name: str) -> str:
        flag: str | None = getattr(self._values, name)
        if flag is not None:
            return flag
        for variable in _VARIABLES[name]:
            if text := os.environ.get(variable):
                return text
        return self._settings.get(name, "")


def _workspace() -> str:
    """The directory of the workspace, as `bazel run` tells it."""
    return os.environ.get("BUILD_WORKSPACE_DIRECTORY", "")
