"""The stages that lading finds in a Dockerfile are those that BuildKit finds.

A stage that lading does not see could take an image that nobody gave or allowed. BuildKit tells the
stages of a file without building it (`docker buildx build --call=targets`), so it is asked about
files that are pieced together from what can hide a line: continued lines, comments in them,
heredocs and what only looks like one, quotes, other escape characters.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.builder import choose
from lading.builder.dockerfile import parse
from lading.errors import InputError
from tests.integration.harness import programs, servers

_CASES = 40
_HEADS = ("", "", "# escape=`\n", "# ESCAPE = \\\n", "#\n# escape=`\n", "# check=skip=all\n", "\n")
_PIECES = (
    "FROM i{n}", "from i{n} as S{n}", "FROM i{n} \\\n AS s{n}", "FROM i{n} `\n AS s{n}",
    "  FROM --platform=linux/arm64 i{n}", "\tFrom\ti{n}\tAs\ts{n}", "FROM \\\n# c\n\n i{n}",
    "RUN <<E\nFROM h\nE", "RUN <<-E\n\tFROM h\n\tE", "RUN <<'E' cat\nFROM h \\\nE",
    'COPY <<"A" <<B /x/\nFROM h\nA\nFROM h\nB', "RUN 3<<E\nFROM h\nE",
    "RUN a && \\\n b <<E\nFROM h\nE", "ONBUILD RUN <<E\nFROM h\nE",
    "RUN --mount=type=tmpfs,target=/x <<E\nFROM h\nE", "RUN \\\n  <<E\nFROM h\nE",
    "RUN <<E <<E\nFROM h\nE\nFROM h\nE", "RUN << E", "RUN <<E# x\nFROM h\nE#", "RUN cat<<E",
    "RUN echo '<<E'", 'RUN echo "a <<E b"', "RUN a <<<E", "RUN a \\<<E", "ENV A=<<E", "CMD <<E",
    "LABEL a=<<E", 'RUN ["a", "<<E"]', "RUN a>b<<E", "RUN a $(b <<E)", "RUN <<$E\nFROM h\n$E",
    "RUN a \\\\", "RUN a \\\\\\", "RUN a \\", "RUN a \\ \t", "RUN a `", "RUN a ``", "RUN a \\ b",
    "RUN a \\\n# c \\\nb", "RUN a \\\n\n\nb", "RUN a \\\n  # c\nb", "RUN a # b \\", "ENV A=b \\",
    "# FROM c \\", "#", "", "   ", "RUN 'a \\", 'RUN "a', "LABEL a='\\\n'", "RUN a \\\r",
    "EXPOSE 80\r", "COPY a b", "WORKDIR /x", "HEALTHCHECK CMD a \\\n <<E",
    "RUN 'a \\\n <<E\nFROM i{n}\nE", 'RUN "\\" <<E\nFROM h\nE', "RUN <<E a 'b\nFROM i{n}\nE",
    'RUN "" <<E\nFROM h\nE', "RUN a\\ <<E\nFROM i{n}\nE", "RUN \\'<<E\nFROM i{n}\nE",
)  # fmt: skip


@pytest.fixture(scope="module")
def buildx() -> Iterator[list[str]]:
    with servers.docker_daemon() as host:
        found = next(path for path in choose._buildx_places(os.environ) if os.access(path, os.X_OK))
        yield ["env", f"DOCKER_HOST={host}", found, "build", "--call=targets,format=json"]


def _buildkits(buildx: list[str], context: Path) -> list[tuple[str, str, int]] | None:
    """(name, base, line) of each stage; None when BuildKit does not take the file."""
    done = subprocess.run(
        [*buildx, "--progress=quiet", context], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return None
    return [
        (
            target.get("name", ""),
            target["base"],
            target["location"]["ranges"][0]["start"]["line"],
        )
        for target in json.loads(done.stdout)["targets"]
    ]


def _ours(text: str) -> list[tuple[str, str, int]] | None:
    try:
        found = parse(text)
    except InputError:
        return None
    return [(stage.name, stage.base.text, stage.line) for stage in found.stages]


def test_lading_sees_every_stage_that_buildkit_sees(tmp_path: Path, buildx: list[str]) -> None:
    programs.need("docker")
    chance = random.Random(6)  # the same files every time
    taken = 0
    for case in range(_CASES):
        pieces = [chance.choice(_PIECES) for _ in range(chance.randint(2, 7))]
        text = chance.choice(_HEADS) + "FROM first\n"
        text += "".join(f"{piece.replace('{n}', str(n))}\n" for n, piece in enumerate(pieces))
        (tmp_path / "Dockerfile").write_bytes(text.encode())
        theirs, ours = _buildkits(buildx, tmp_path), _ours(text)
        if theirs is not None:
            taken += 1
            assert ours == theirs, f"case {case}:\n{text}"
    assert taken > _CASES // 3
