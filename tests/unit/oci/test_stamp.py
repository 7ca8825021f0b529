"""Workspace status and what templates know of the base."""

from __future__ import annotations

import pytest

from lading.errors import InputError
from lading.oci import stamp
from lading.oci.digest import Digest
from tests.unit.oci import images


def test_status_files_are_key_space_value() -> None:
    data = b"STABLE_VERSION v1.2 beta\nBUILD_SCM_REVISION abc\nEMPTY \nBARE\n\nCR x\r\n"
    assert stamp.read_status(data, what="stable-status.txt") == {
        "STABLE_VERSION": "v1.2 beta",
        "BUILD_SCM_REVISION": "abc",
        "EMPTY": "",
        "BARE": "",
        "CR": "x",
    }


def test_a_status_file_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match="workspace_status_command"):
        stamp.read_status(b"A \xff", what="stable-status.txt")


def test_the_base_is_known_with_keys_in_lower_case_and_its_environment_by_name() -> None:
    base = images.base(
        config={"Env": ["PATH=/bin"], "User": "app", "Labels": {"Org.Example": "x"}},
        top={"os.version": "10"},
    )
    variables = stamp.base_variables(base)
    text = "{{.base.config.architecture}} {{.base.config.config.user}} {{$PATH}}"
    assert stamp.expand(text, variables, what="x") == "amd64 app /bin"
    digest = base.manifest["config"]["digest"]
    assert stamp.expand("{{.base.manifest.config.digest}}", variables, what="x") == digest
    own = str(Digest.of(base.manifest_data))
    assert stamp.expand("{{.base.digest}}", variables, what="x") == own


def test_a_base_without_parameters_has_no_environment() -> None:
    assert stamp.base_variables(images.base())["$"] == {}
