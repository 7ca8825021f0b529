"""The pages and the JSON as a client sees them."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lading.oci import media_types
from lading.oci.digest import Digest
from lading_dashboard.application import create_app
from lading_dashboard.settings import LOOPBACK_NAMES, Settings
from tests.unit.app.client import Client
from tests.unit.app.made import Layout, config_json, write_json

_HOSTILE = "<script>alert('1')</script>\"'&{{7*7}}"


def _client(*places: Path, hosts: frozenset[str] = LOOPBACK_NAMES) -> Client:
    return Client(create_app(Settings(places, allowed_hosts=hosts)))


@pytest.fixture
def made(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layouts" / "team" / "app")


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return _client(tmp_path)


def test_health_needs_no_store_and_no_known_host(tmp_path: Path) -> None:
    answer = _client(tmp_path / "none").get("/healthz", ("host", "10.2.3.4:8080"))
    assert (answer.status, answer.json()) == (200, {"status": "ok"})


def test_empty_store_says_what_to_do_next(tmp_path: Path) -> None:
    client = _client(tmp_path / "none")
    page = client.get("/").text
    assert "./bazelw run //app:push" in page
    assert f"{tmp_path / 'none'}</code>, which does not exist yet" in page
    assert client.get("/api/images").json() == {"version": 1, "images": [], "problems": []}


def test_list_as_json(made: Layout, client: Client) -> None:
    root = made.tag(made.manifest([b"layer", b"second"]), "latest", "v1")

    (image,) = client.get("/api/images").json()["images"]

    manifest = json.loads(made.path(root.digest).read_bytes())
    stored = image.pop("stored")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stored)
    size = root.size + manifest["config"]["size"] + 11
    assert image == {
        "repository": "team/app",
        "tags": ["latest", "v1"],
        "digest": str(root.digest),
        "mediaType": media_types.MANIFEST,
        "kind": "image",
        "size": size,
        "created": "1970-01-01T00:00:00Z",
        "platforms": ["linux/amd64"],
        "manifests": [
            {
                "digest": str(root.digest),
                "mediaType": media_types.MANIFEST,
                "role": "image",
                "artifactType": None,
                "platform": "linux/amd64",
                "size": size,
                "created": "1970-01-01T00:00:00Z",
                "layers": manifest["layers"],
            }
        ],
        "problems": [],
        "href": f"/api/images/{root.digest}?repository=team/app",
    }


def test_detail_as_json(made: Layout, client: Client) -> None:
    config = {"config": {"User": "7", "Env": ["TOKEN=hunter2"], "Labels": {"a": "b"}}}
    fields = {"annotations": {"note": "yes"}}
    root = made.tag(made.manifest(config=config, fields=fields), "latest")

    href = client.get("/api/images").json()["images"][0]["href"]
    answer = client.get(href)

    assert "hunter2" not in answer.text
    value = answer.json()
    assert (value["version"], value["digest"]) == (1, str(root.digest))
    assert value["repositories"] == ["team/app"]
    assert value["image"]["annotations"] == {"note": "yes"}
    (manifest,) = value["image"]["manifests"]
    assert manifest["history"] == [""]
    stored = json.loads(made.path(root.digest).read_bytes())["config"]
    assert manifest["config"] == {
        "digest": stored["digest"],
        "size": stored["size"],
        "author": None,
        "user": "7",
        "entrypoint": [],
        "cmd": [],
        "working_dir": None,
        "stop_signal": None,
        "env_names": ["TOKEN"],
        "exposed_ports": [],
        "volumes": [],
        "labels": {"a": "b"},
    }


def test_page_of_an_index_leads_to_its_platforms(made: Layout, client: Client) -> None:
    platform = {"platform": {"architecture": "arm64", "os": "linux", "variant": "v8"}}
    first, second = made.manifest([b"1"]), made.manifest([b"2"])
    root = made.tag(made.index(first.to_json(), second.to_json() | platform), "latest")

    page = client.get(f"/images/{root.digest}").text
    link = f"/images/{second.digest}?repository=team/app"

    assert f'href="{link}"' in page
    inner = client.get(link).text
    assert "linux/arm64/v8" in inner
    assert str(Digest.of(b"2").hex[:12]) in inner
    assert str(Digest.of(b"1").hex[:12]) not in inner
    asked = client.get(f"/api/images/{second.digest}").json()
    assert asked["digest"] == str(second.digest)
    assert asked["image"]["digest"] == str(root.digest)


def test_pages_show_what_a_person_asks_for(made: Layout, client: Client) -> None:
    run = {
        "Entrypoint": ["/bin/app", "a b"],
        "Env": ["TOKEN=hunter2"],
        "ExposedPorts": {"8080/tcp": {}},
        "Labels": {"org.opencontainers.image.title": "The title"},
        "User": "65532",
    }
    root = made.tag(made.manifest([b"x" * 2048], config={"config": run}), "v7")
    page = client.get(f"/images/{root.digest}").text
    for text in (
        "team/app",
        "v7",
        str(root.digest),
        "linux/amd64",
        "/bin/app &#39;a b&#39;",
        "TOKEN",
        "8080/tcp",
        "The title",
        "65532",
        "2.0 KiB",
    ):
        assert text in page
    assert "hunter2" not in page


def test_everything_from_an_image_is_escaped(made: Layout, client: Client) -> None:
    run = {
        "Entrypoint": [_HOSTILE],
        "Cmd": [_HOSTILE],
        "Env": [_HOSTILE],
        "ExposedPorts": {_HOSTILE: {}},
        "Labels": {_HOSTILE: _HOSTILE},
        "StopSignal": _HOSTILE,
        "User": _HOSTILE,
        "Volumes": {_HOSTILE: {}},
        "WorkingDir": _HOSTILE,
    }
    config = {
        "architecture": _HOSTILE,
        "author": _HOSTILE,
        "config": run,
        "created": _HOSTILE,
        "history": [{"created_by": _HOSTILE}],
    }
    root = made.tag(
        made.manifest(config=config, fields={"annotations": {_HOSTILE: _HOSTILE}}), _HOSTILE
    )
    for path in ("/", f"/images/{root.digest}", "/?q=" + quote(_HOSTILE)):
        page = client.get(path).text
        assert "<script>alert" not in page
        assert "{{7*7}}" in page
        assert "&lt;script&gt;alert(&#39;1&#39;)" in page


def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(
    made: Layout, client: Client
) -> None:
    root = made.tag(made.manifest(), "latest")
    for path in ("/", f"/images/{root.digest}", "/none", "/?q=nothing"):
        page = client.get(path).text
        assert re.findall(r"""(?:href|src|action)=["'](?![/#])""", page) == []
        assert re.findall(r"<script(?! src=\"/static/)|<style|\sstyle=|\son\w+=", page) == []
        for url in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            asset = client.get(url)
            assert asset.status == 200
            assert "immutable" in asset.headers["cache-control"]
            body = asset.body.replace(b' xmlns="http://www.w3.org/2000/svg"', b"")
            assert re.findall(rb"https?:|url\(|@import|fetch|import\(|innerHTML", body) == []


@pytest.mark.parametrize("path", ["/", "/api/images", "/healthz", "/none", "/static/x/style.css"])
def test_every_answer_has_the_security_headers(client: Client, path: str) -> None:
    for host in ("localhost", "evil.example"):
        answer = client.get(path, ("host", host))
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "cache-control" in answer.headers
        assert not any(name.startswith("access-control") for name in answer.headers)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8080", 200),
        ("LOCALHOST.:80", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("images.example.com", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("images.example.com.evil.example:80", 421),
        ("127.0.0.1:80:80", 421),
        ("evil.example@localhost", 421),
        ("", 421),
    ],
)
def test_only_known_hosts_are_answered_to(tmp_path: Path, host: str, status: int) -> None:
    client = _client(tmp_path, hosts=LOOPBACK_NAMES | {"images.example.com"})
    answer = client.get("/api/images", ("host", host))
    assert answer.status == status
    assert ("images" in answer.text) == (status == 200)


def test_two_hosts_are_none(client: Client) -> None:
    host = ("host", "localhost")
    assert client.get("/", host, host).status == 421


def test_any_host_is_answered_to_by_choice_only(tmp_path: Path) -> None:
    client = _client(tmp_path, hosts=LOOPBACK_NAMES | {"*"})
    assert client.get("/", ("host", "whatever.example")).status == 200


@pytest.mark.parametrize("path", ["/", "/api/images"])
def test_unchanged_answer_is_not_sent_again(made: Layout, client: Client, path: str) -> None:
    made.tag(made.manifest(), "latest")
    first = client.get(path)
    known = ("if-none-match", f'"other", W/{first.headers["etag"]}')
    assert "no-cache" in first.headers["cache-control"]

    again = client.get(path, known)
    assert (again.status, again.body) == (304, b"")

    made.tag(made.manifest([b"new"]), "next")
    changed = client.get(path, known)
    assert changed.status == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_digest_that_is_not_there_is_404(client: Client) -> None:
    digest = Digest.of(b"none")
    answer = client.get(f"/api/images/{digest}")
    assert answer.status == 404
    assert answer.json()["error"] == f"no image here has the digest {digest}"
    page = client.get(f"/images/{digest}")
    assert page.status == 404
    assert "no image here has the digest" in page.text
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "text",
    ["sha256:..", "sha256:" + "A" * 64, "md5:" + "0" * 32, "..%2f..%2fetc%2fpasswd", "x" * 5000],
)
def test_text_that_is_no_digest_is_refused(client: Client, text: str) -> None:
    for prefix in ("/api/images/", "/images/"):
        answer = client.get(prefix + text)
        assert answer.status in (400, 404)
        assert len(answer.text) < 4000


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(client: Client, method: str) -> None:
    for path in ("/", "/api/images", "/healthz"):
        assert client.get(path, method=method).status == 405


def test_filter_and_order_work_without_script(tmp_path: Path, client: Client) -> None:
    for repository, size in (("b/small", 10), ("a/large", 9000), ("c/other", 500)):
        layout = Layout(tmp_path / "layouts" / repository)
        layout.tag(layout.manifest([b"x" * size]), "latest")

    def shown(query: str) -> list[str]:
        return re.findall(r"<h2><a [^>]*>([^<]*)<", client.get(query).text)

    assert shown("/?sort=name") == ["a/large", "b/small", "c/other"]
    assert shown("/?sort=size") == ["a/large", "c/other", "b/small"]
    assert shown("/?q=A/LAR+amd64") == ["a/large"]
    assert shown("/?q=large+other") == []
    assert "No image matches" in client.get("/?q=none").text


def test_damaged_store_is_shown_as_such(tmp_path: Path, made: Layout, client: Client) -> None:
    root = made.tag(made.manifest(), "latest")
    made.path(Digest.of(b"layer")).unlink()
    garbled = Layout(tmp_path / "layouts" / "garbled")
    garbled.write_index(b"{")

    page = client.get("/").text
    assert "damaged" in page
    assert "index.json is not valid JSON" in page
    assert "is missing from the layout" in client.get(f"/images/{root.digest}").text
    value = client.get("/api/images").json()
    assert "is missing" in value["images"][0]["problems"][0]
    assert value["problems"][0]["repository"] == "garbled"


def test_size_beyond_every_number_is_shown_as_damage(made: Layout, client: Client) -> None:
    layer = made.blob(b"layer").to_json() | {"size": 10**400}
    root = made.tag(made.manifest(fields={"layers": [layer]}), "latest")
    assert "damaged" in client.get("/").text
    assert client.get(f"/images/{root.digest}").status == 200
    (image,) = client.get("/api/images").json()["images"]
    assert image["manifests"][0]["layers"][0]["size"] == 2**50


def test_directory_with_a_name_that_is_no_text_is_shown(tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(b"caf\xe9")
    layout = Layout(place)
    root = layout.tag(layout.manifest(), "latest")
    client = _client(place)
    assert "caf?" in client.get("/").text
    (image,) = client.get("/api/images").json()["images"]
    assert client.get(image["href"]).json()["digest"] == str(root.digest)


def test_defect_is_told_without_details(
    client: Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("an inner detail")

    monkeypatch.setattr("lading_dashboard.catalog.Catalog.snapshot", broken)
    for path in ("/", "/api/images"):
        answer = client.get(path)
        assert answer.status == 500
        assert "inner detail" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "inner detail" in capsys.readouterr().err


_TEXTS = st.one_of(
    st.sampled_from(["", "\ud800", "\u202e\x00\x1b[31m", _HOSTILE, "9999-12-31T23:59:59-23:59"]),
    st.text(max_size=8),
)
_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        _TEXTS,
        st.integers(),
        st.sampled_from([10**400, -1, 2**63]),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


def _replaced(valid: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """`valid` with some fields, in it or one level below, replaced by anything."""
    keys: list[tuple[str, ...]] = [(key,) for key in valid]
    keys += [(key, k) for key, below in valid.items() if isinstance(below, dict) for k in below]

    def apply(changes: dict[tuple[str, ...], Any]) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(json.dumps(valid))
        for path, new in changes.items():
            holder = value if len(path) == 1 else value[path[0]]
            if isinstance(holder, dict):
                holder[path[-1]] = new
        return value

    return st.dictionaries(st.sampled_from(keys), _VALUES, max_size=3).map(apply)


_RUN: dict[str, list[str]] = {
    key: [] for key in ("Entrypoint", "Cmd", "Env", "User", "WorkingDir", "Labels", "ExposedPorts")
}
_CONFIG = config_json(1) | {"config": _RUN, "author": "", "history": [{}], "os.version": ""}
_DESCRIPTOR = {
    "mediaType": media_types.LAYER,
    "digest": str(Digest.of(b"layer")),
    "size": 5,
    "annotations": {"org.opencontainers.image.ref.name": "latest"},
    "platform": {"os": "linux", "architecture": "arm64", "os.features": []},
    "artifactType": "",
}


def test_no_content_of_a_store_makes_the_dashboard_fail(tmp_path: Path) -> None:
    store = tmp_path / "store"
    client = _client(store)

    def sound(url: str) -> bool:
        answer = client.get(url)
        return answer.status in (200, 404) and bool(answer.text)

    @settings(max_examples=60, deadline=None)
    @given(
        config=_replaced(_CONFIG),
        layer=_replaced(_DESCRIPTOR),
        manifest=_replaced({"annotations": {"a": "b"}, "artifactType": "", "schemaVersion": 2}),
        root=_replaced(_DESCRIPTOR),
        wrong=_VALUES,
    )
    def check(
        config: dict[str, Any],
        layer: dict[str, Any],
        manifest: dict[str, Any],
        root: dict[str, Any],
        wrong: Any,
    ) -> None:
        shutil.rmtree(store, ignore_errors=True)
        made = Layout(store)
        made.blob(b"layer")
        first = made.manifest(config=config, fields=manifest)
        second = made.manifest(fields=manifest | {"layers": [layer]})
        third = made.index(first.to_json(), root | second.to_json())
        images = [made.tag(item, "tag").digest for item in (first, second, third)]
        urls = [f"{prefix}/{digest}" for prefix in ("/images", "/api/images") for digest in images]
        assert all(sound(url) for url in ("/", "/api/images", *urls))
        made.roots.append(root)
        made.write_index()
        assert sound("/")
        made.write_index(write_json(wrong))
        assert sound("/")

    check()
