"""Templates: the part of Go's text/template that BUILD files use."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lading.errors import InputError
from lading.oci.template import render
from lading.oci.template_functions import FUNCTIONS

VARIABLES: dict[str, Any] = {
    "VERSION": "1.2.3",
    "EMPTY": "",
    "environment": "dev",
    "release": False,
    "year": 2025,
    "base": {"config": {"os": "linux", "config": {"env": ["PATH=/bin:/usr/bin", "HOME=/root"]}}},
    "$": {"PATH": "/bin"},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("no template", "no template"),
        ("v{{.VERSION}}-{{ .environment }}", "v1.2.3-dev"),
        ("{{.EMPTY}}", ""),
        ("{{.base.config.os}}", "linux"),
        ("/app:{{ $PATH }}", "/app:/bin"),
        ('{{"{{"}}x}}', "{{x}}"),
        ("{{`raw \\n`}}", "raw \\n"),
        ('{{"tab\\t"}}', "tab\t"),
        ("a {{- .VERSION -}} b", "a1.2.3b"),
        ("a{{/* comment */}}b", "ab"),
        ("a {{- /* comment */ -}} b", "ab"),
        ("{{if .VERSION}}{{.VERSION}}{{else}}dev{{end}}", "1.2.3"),
        ("{{if .NOPE}}{{.NOPE}}{{else}}dev{{end}}", "dev"),
        ("{{if .EMPTY}}x{{end}}", ""),
        ('latest{{if eq .environment "dev"}}-dev{{end}}', "latest-dev"),
        ('{{if and .VERSION (ne .environment "prod")}}x{{end}}', "x"),
        ('{{if eq .environment "a"}}1{{else if eq .environment "dev"}}2{{else}}3{{end}}', "2"),
        ('{{if eq .environment "dev"}}1{{else if .NOPE.NOPE}}2{{else}}3{{end}}', "1"),
        ("{{if not .NOPE}}{{if .VERSION}}in{{else}}{{.NOPE}}{{end}}{{end}}", "in"),
        ('{{or .NOPE .EMPTY "fallback"}}', "fallback"),
        ('{{eq .environment "x" "dev"}}', "true"),
        ('{{getkv .base.config.config.env "HOME"}}', "/root"),
        ('{{getkv .base.config.config.env "NOPE"}}', ""),
        ('{{appendkv .base.config.config.env "PATH" ":/opt"}}', "/bin:/usr/bin:/opt"),
        ('{{prependkv .base.config.config.env "NOPE" "/opt"}}', "/opt"),
        ('{{join (split .VERSION ".") "-"}}', "1-2-3"),
        ('{{if hasprefix .VERSION "1."}}y{{end}}', "y"),
        ('{{.VERSION | trimsuffix "1.2.3.4"}}', "1.2.3.4"),
        ('{{trimprefix .VERSION "1."}}', "2.3"),
        ("a {{-1}}", "a -1"),
        ("{{if .release}}release{{else}}snapshot{{end}}", "snapshot"),
        ("{{.release}} {{.year}}", "false 2025"),
        ('{{if eq .year 2025}}a{{end}}{{if eq .year "2025"}}b{{end}}', "ab"),
        ('{{eq .release "false" "x"}} {{ne .release true}} {{eq .year 1}}', "true true false"),
        ("{{slice .VERSION 2}} {{slice .VERSION 0 3}}", "2.3 1.2"),
    ],
)
def test_rendering(template: str, expected: str) -> None:
    assert render(template, VARIABLES, what="tag") == expected


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{.VERSOIN}}", ".VERSION"),
        ("{{$HOME}}", "$PATH"),
        ("{{.base.config.nope}}", ".base.config.nope is unknown"),
        ('{{hasprefix .NOPE "x"}}', ".NOPE is unknown"),
        ("{{.VERSION", "without '}}'"),
        ("{{if .VERSION}}x", "without {{end}}"),
        ("x{{end}}", "without {{if}}"),
        ("{{else}}", "without {{if}}"),
        ("{{if .VERSION}}{{else}}{{else}}{{end}}", "after {{else}}"),
        ("{{if .VERSION}}{{else x}}{{end}}", "else if"),
        ("{{range .x}}{{end}}", "not supported"),
        ("{{}}", "empty"),
        ("{{if }}{{end}}", "empty"),
        ("{{printf .VERSION}}", "no function 'printf'"),
        ("{{.VERSION .VERSION}}", "pipeline"),
        ("{{(.VERSION}}", "')'"),
        ("{{.VERSION)}}", "')'"),
        ("{{.VERSION | .VERSION}}", "pipeline"),
        ("{{split .VERSION}}", "split"),
        ("{{join .VERSION 1}}", "join"),
        ("{{slice .VERSION 0 7}}", "slice cannot be used on '1.2.3', 0, 7"),
        ("{{slice .base 0}}", "slice cannot be used on"),
        ("{{.base}}", "no text"),
        ("{{.VERSION ; x}}", "not understood"),
        ('{{"\\q"}}', "not a string"),
        ("{{" + "(" * 5000 + ".VERSION" + ")" * 5000 + "}}", "too deep"),
    ],
)
def test_a_mistake_names_the_value_and_says_what_there_is(template: str, reason: str) -> None:
    with pytest.raises(InputError, match=r"//app:push, tag") as caught:
        render(template, VARIABLES, what="//app:push, tag")
    assert reason in str(caught.value)


def test_without_any_variable_the_fix_says_how_to_get_some() -> None:
    with pytest.raises(InputError, match="--stamp"):
        render("{{.X}}", {}, what="tag")


@pytest.mark.parametrize("variables", [{}, {"base": {}, "$": {}}])
def test_where_the_status_was_not_read_the_fix_is_to_stamp(variables: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r'stamp = "force".*--stamp') as caught:
        render("{{.STABLE_COMMIT}}", variables, what="//:push, tag")
    assert "print" not in str(caught.value)


def test_a_key_of_the_workspace_status_says_who_has_to_print_it() -> None:
    with pytest.raises(InputError, match="have --workspace_status_command print STABLE_COMMIT"):
        render("{{.STABLE_COMMIT}}", {"BUILD_USER": "me"}, what="//:push, tag")


def test_a_branch_that_is_not_taken_is_not_evaluated() -> None:
    assert render("{{if false}}{{.NOPE}}{{end}}", VARIABLES, what="tag") == ""


@given(st.text('{}.-$"`|()if endVRS/* ', max_size=24))
def test_any_text_renders_or_is_an_input_error(template: str) -> None:
    try:
        render(template, {"V": "x"}, what="tag")
    except InputError:
        return


@given(st.text(st.characters(codec="utf-8")))
def test_values_are_never_templates_themselves(value: str) -> None:
    assert render("{{.V}}", {"V": value}, what="tag") == value


@given(st.sampled_from(sorted(FUNCTIONS)), st.lists(st.sampled_from(["1", '"a"', ".base", "true"])))
def test_functions_never_fail_with_a_traceback(name: str, arguments: list[str]) -> None:
    try:
        render("{{" + " ".join([name, *arguments]) + "}}", VARIABLES, what="tag")
    except InputError:
        return
