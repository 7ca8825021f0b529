"""Which of the three ways to build an image fits (S2.1), as far as a Dockerfile tells.

A Dockerfile that runs nothing, takes nothing from outside, and copies only what Bazel has built
says in another language what `image_manifest` and `image_layer` say.
"""

from __future__ import annotations

from lading.builder.dockerfile import Dockerfile
from lading.builder.request import BuildRequest
from lading.errors import InputError

__all__ = ["obstacles", "refuse_copies"]

#: Instructions that copy files, or say something about the image that attributes of
#: `image_manifest` say too. HEALTHCHECK, SHELL and ONBUILD go into its `config_fragment`.
_DECLARATIVE = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL",
    "MAINTAINER", "ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})  # fmt: skip


def obstacles(dockerfile: Dockerfile, target: str, bases: frozenset[str]) -> list[str]:
    """Why a build of `target` needs a builder, line by line; empty when rules could do it.

    A heredoc of COPY is a file that is written in the Dockerfile, so no output of Bazel.
    """
    found = [
        f"line {item.line}: {item.how} {item.text} comes from outside of Bazel"
        for item in dockerfile.external(target)
        if item.name not in bases and item.text not in bases
    ]
    for number in dockerfile.reachable(target):
        for instruction in dockerfile.stages[number].instructions:
            where = f"line {instruction.line}: {instruction.keyword}"
            if instruction.keyword == "RUN":
                found.append(f"{where} runs a program")
            elif instruction.keyword not in _DECLARATIVE:
                found.append(f"{where} is more than copying")
            elif instruction.heredocs:
                found.append(f"{where} holds a file of its own")
    return found


def refuse_copies(request: BuildRequest, what: str) -> None:
    """Raises InputError for a Dockerfile that only arranges what Bazel has built.

    Call it for a request whose context holds no source file.
    """
    dockerfile = request.parse(request.text())
    if not obstacles(dockerfile, request.target, frozenset(request.bases)):
        raise InputError(
            f"{what}: all that its Dockerfile does is to arrange outputs of Bazel: it runs nothing",
            fix="use image_manifest with image_layer, which need no builder, or say why not:"
            ' reason = "…"',
        )
