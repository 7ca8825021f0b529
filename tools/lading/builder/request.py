"""What is asked of a builder, and what it answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lading.builder.dockerfile import Dockerfile, parse, read
from lading.builder.progress import Event
from lading.errors import InputError
from lading.oci.platform import Platform

__all__ = ["NETWORKS", "BuildRequest", "Builder", "OnEvent", "Secret"]

#: What instructions may reach: nothing, what the builder gives by default, the machine's own.
NETWORKS = ("none", "default", "host")

#: Called with each event while a build runs.
OnEvent = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Secret:
    """A value for `RUN --mount=type=secret,id=…`, in a file or in a variable of this process.

    The value itself is in no command line, log, or result of lading's.
    """

    id: str
    file: Path | None = None
    env: str = ""

    def value(self, environ: Mapping[str, str]) -> str:
        """The value; raises InputError when it is not there."""
        try:
            if self.file is not None:
                return self.file.read_text(encoding="utf-8", errors="surrogateescape")
            return environ[self.env]
        except OSError as error:
            raise InputError(
                f"the secret {self.id!r:.80} is not in {self.file}: {error.strerror}"
            ) from None
        except KeyError:
            raise InputError(
                f"the secret {self.id!r:.80} is to come from ${self.env}, which is not set"
            ) from None


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build.

    Attributes:
        context: the directory that COPY and ADD read.
        dockerfile: the file; by default `Dockerfile` in the context.
        target: stage to build; by default the last one.
        build_args: values of ARG. They are part of the image's history: no place for secrets.
        labels: labels of the image.
        secrets: for `RUN --mount=type=secret`.
        platform: what to build for; by default what the builder runs on.
        build_platform: what the builder runs on, where that is known; `build` finds it out.
        network: one of NETWORKS, for RUN.
        bases: name as FROM, COPY --from or RUN --mount has it, to the OCI layout that it stands
            for. No registry is asked for it.
        allow: images and frontends that the builder may fetch from a registry, as they are named.
        no_cache: whether every instruction is run, whatever the builder remembers.
        pull: whether images of `allow` are asked for anew, where the builder has them.
        cache_from: where the builder looks for results of earlier builds, as buildx writes it:
            `type=registry,ref=NAME`, `type=local,src=/directory`.
        cache_to: where it puts its own: `type=registry,ref=NAME`, `type=local,dest=/directory`,
            `type=inline`.
        ulimits: limits of RUN by name: `SOFT` or `SOFT:HARD`.
        shm_size: bytes of /dev/shm of RUN, 0 for the builder's own.
        extra_hosts: names that RUN knows, and their addresses.
        entitlements: what instructions may ask for: `security.insecure` is RUN with the rights of
            the machine's root, if the builder lets it.
        timeout: seconds that the build may take, 0 for any time.
    """

    context: Path
    dockerfile: Path | None = None
    target: str = ""
    build_args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    platform: Platform | None = None
    build_platform: Platform | None = None
    network: str = "none"
    bases: Mapping[str, Path] = field(default_factory=dict)
    allow: frozenset[str] = frozenset()
    no_cache: bool = False
    pull: bool = False
    cache_from: tuple[str, ...] = ()
    cache_to: tuple[str, ...] = ()
    ulimits: Mapping[str, str] = field(default_factory=dict)
    shm_size: int = 0
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    entitlements: frozenset[str] = frozenset()
    timeout: float = 0

    @property
    def logs_in(self) -> bool:
        """Whether the builder is given the logins of this user."""
        return bool(self.allow or self.cache_from or self.cache_to)

    @property
    def file(self) -> Path:
        """The Dockerfile."""
        return self.dockerfile or self.context / "Dockerfile"

    def secret_values(self) -> list[str]:
        """The texts that no line may show; raises InputError when one is not there."""
        return [secret.value(os.environ) for secret in self.secrets]

    def parse(self, text: str) -> Dockerfile:
        """Reads `text`, a Dockerfile, with the values of this request; raises InputError."""
        return parse(
            text,
            self.build_args,
            platform=self.platform,
            build_platform=self.build_platform,
        )

    def text(self) -> str:
        """What is in the Dockerfile; raises NotFoundError or InputError."""
        return read(self.file)


class Builder(Protocol):
    """Something that builds Dockerfiles."""

    @property
    def name(self) -> str:
        """`docker`, `buildkit` or `buildah`."""
        ...

    def platform(self) -> Platform | None:
        """What it runs on; None when that is not known."""
        ...

    def build(self, request: BuildRequest, output: Path, on_event: OnEvent) -> None:
        """Builds, and writes the image to `output`: a tar that `store.archive.Archive` reads.

        `request` was admitted (see `policy.admit`), its Dockerfile is the one to use as it is.

        Raises:
            EngineError: the builder is not there, went away, or the Dockerfile failed in it.
            LimitError: the time is over; the build has ended.
            StorageError: no space left.
        """
        ...
