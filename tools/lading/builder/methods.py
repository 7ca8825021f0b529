"""Which of the three ways to build an image fits (S2.1), as far as a Dockerfile tells.

A Dockerfile that runs nothing, takes nothing from outside, and copies only what Bazel has built
says in another language what `image_manifest` and `image_layer` say.
"""

from __future__ import annotations

from lading.builder.dockerfile import Dockerfile, parse
from lading.builder.request import BuildRequest
from lading.errors import InputError, NotFoundError

__all__ = ["only_copies", "refuse_copies"]

#: Instructions that copy files, or say something about the image that attributes of
#: `image_manifest` say too. HEALTHCHECK, SHELL and ONBUILD go into its `config_fragment`.
_DECLARATIVE = frozenset({
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL",
    "MAINTAINER", "ONBUILD", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
})  # fmt: skip


def only_copies(dockerfile: Dockerfile, target: str, bases: frozenset[str]) -> bool:
    """Whether a build of `target` needs no builder: it runs nothing and takes only `bases`.

    A heredoc of COPY is a file that is written in the Dockerfile and is no copy of an output.
    """
    if any(
        item.name not in bases and item.text not in bases for item in dockerfile.external(target)
    ):
        return False
    for number in dockerfile.reachable(target):
        for instruction in dockerfile.stages[number].instructions:
            if instruction.keyword not in _DECLARATIVE or instruction.heredocs:
                return False
    return True


def refuse_copies(request: BuildRequest, what: str) -> None:
    """Raises InputError for a Dockerfile that only arranges what Bazel has built.

    Call it for a request whose context holds no source file.
    """
    try:
        text = request.file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFoundError(f"there is no Dockerfile at {request.file}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{request.file} cannot be read: {error}") from None
    if only_copies(parse(text, request.build_args), request.target, frozenset(request.bases)):
        raise InputError(
            f"{what}: all that its Dockerfile does is to arrange outputs of Bazel: it runs nothing",
            fix="use image_manifest with image_layer, which need no builder, or say why not:"
            ' reason = "…"',
        )
