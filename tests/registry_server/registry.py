"""The registry itself: requests in, answers out, no network. Thread-safe.

Strict where the specification is: order and size of chunks, digests, content types, dangling
references, the query of an upload's Location, token scopes. What a client does wrong without
the registry being able to refuse it goes to `violations`.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.registry_server.access import TokenAuth, may_read, refused
from tests.registry_server.replies import Reply, error

__all__ = ["Registry", "digest_of"]

_NAME = r"/v2/(?P<name>[a-z0-9][a-z0-9._/-]*)"
_ROUTES = {
    "upload": re.compile(_NAME + r"/blobs/uploads/(?P<id>[0-9a-f]+)"),
    "uploads": re.compile(_NAME + r"/blobs/uploads/"),
    "blob": re.compile(_NAME + r"/blobs/(?P<digest>sha\d+:[0-9a-f]+)"),
    "manifest": re.compile(_NAME + r"/manifests/(?P<reference>[A-Za-z0-9_.:-]+)"),
    "tags": re.compile(_NAME + r"/tags/list"),
    "referrers": re.compile(_NAME + r"/referrers/(?P<digest>sha\d+:[0-9a-f]+)"),
}
_INDEX = "application/vnd.oci.image.index.v1+json"
_RANGE = re.compile(r"(\d+)-(\d+)")


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@dataclass
class _Upload:
    name: str
    data: bytearray = field(default_factory=bytearray)
    states: set[str] = field(default_factory=set)


@dataclass
class _Repository:
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    #: Every digest that a tag has named, in order.
    history: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Registry:
    """The state and manners of a registry.

    Attributes:
        basic: user and password that every request needs.
        token: bearer authentication.
        referrers_api: answer the referrers API and OCI-Subject.
        mounts: allow mounting from other repositories.
        ranges: honour Range on blobs.
        absolute: give absolute Locations, with this prefix; relative ones if empty.
        chunk_min: OCI-Chunk-Min-Length, in bytes.
        chunk_max: largest body of a single request for an upload, or 0.
        page: tags on one page.
        resume: answer a GET of an upload session.
        digest_header: send Docker-Content-Digest.
    """

    basic: tuple[str, str] | None = None
    token: TokenAuth | None = None
    referrers_api: bool = True
    mounts: bool = True
    ranges: bool = True
    absolute: str = ""
    chunk_min: int = 0
    chunk_max: int = 0
    page: int = 100
    resume: bool = True
    digest_header: bool = True
    repositories: defaultdict[str, _Repository] = field(
        default_factory=lambda: defaultdict(_Repository)
    )
    uploads: dict[str, _Upload] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    #: Bytes of blobs received, including those sent again.
    received: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Serves one request; `headers` looks up case-insensitively."""
        with self._lock:
            return self._handle(method, target, headers, body)

    def partial(self, method: str, target: str, body: bytes) -> None:
        """Keeps the beginning of a body whose request broke off."""
        with self._lock:
            match = _ROUTES["upload"].fullmatch(urlsplit(target).path)
            if method in ("PUT", "PATCH") and match and match["id"] in self.uploads:
                self.uploads[match["id"]].data += body
                self.received += len(body)

    def forget_uploads(self) -> None:
        with self._lock:
            self.uploads.clear()

    def forget_tokens(self) -> None:
        with self._lock:
            if self.token is not None:
                self.token.issued.clear()

    def complete(self, name: str, digest: str) -> bool:
        """Whether everything below a manifest is in the repository, with the right bytes."""
        repository = self.repositories[name]
        if digest not in repository.manifests:
            return False
        data = repository.manifests[digest][1]
        if digest_of(data) != digest:
            return False
        value = json.loads(data)
        if not all(self.complete(name, item["digest"]) for item in value.get("manifests", [])):
            return False
        items = ([value["config"]] if "config" in value else []) + value.get("layers", [])
        return all(
            item["digest"] in repository.blobs
            and digest_of(repository.blobs[item["digest"]]) == item["digest"]
            and len(repository.blobs[item["digest"]]) == item["size"]
            for item in items
        )

    def _handle(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        if headers.get("accept-encoding", "") != "identity":
            self.violations.append(f"{method} {target}: accepts encodings")
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == "/v2/":
            return refused("", "", headers, self.basic, self.token) or Reply(200, body=b"{}")
        for kind, pattern in _ROUTES.items():
            if match := pattern.fullmatch(parts.path):
                name = match["name"]
                if denied := refused(method, name, headers, self.basic, self.token):
                    return denied
                route = getattr(self, f"_{kind}")
                reply: Reply = route(method, match, query, headers, body)
                return reply
        return error(404, "NOT_FOUND")

    def _manifest(
        self,
        method: str,
        match: re.Match[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        name, reference = match["name"], match["reference"]
        repository = self.repositories[name]
        if method == "PUT":
            return self._put_manifest(name, reference, headers.get("content-type", ""), body)
        digest = reference if ":" in reference else repository.tags.get(reference, "")
        if method == "DELETE":
            if reference in repository.tags:
                del repository.tags[reference]
                return Reply(202)
            if repository.manifests.pop(digest, None) is None:
                return error(404, "MANIFEST_UNKNOWN")
            repository.tags = {tag: to for tag, to in repository.tags.items() if to != digest}
            return Reply(202)
        if digest not in repository.manifests:
            return error(404, "MANIFEST_UNKNOWN")
        media_type, data = repository.manifests[digest]
        if media_type not in headers.get("accept", ""):
            return error(404, "MANIFEST_UNKNOWN")
        found = {"Content-Type": media_type}
        if self.digest_header:
            found["Docker-Content-Digest"] = digest
        return Reply(200, found, data)

    def _put_manifest(self, name: str, reference: str, media_type: str, body: bytes) -> Reply:
        repository = self.repositories[name]
        digest = digest_of(body)
        if ":" in reference and reference != digest:
            return error(400, "DIGEST_INVALID")
        if len(body) > 4 * 1024 * 1024:
            return error(413, "SIZE_INVALID")
        try:
            value: dict[str, Any] = json.loads(body)
        except ValueError:
            return error(400, "MANIFEST_INVALID")
        if value.get("mediaType", media_type) != media_type or value.get("schemaVersion") != 2:
            return error(400, "MANIFEST_INVALID")
        for item in value.get("manifests", []):
            if item["digest"] not in repository.manifests and "artifactType" not in item:
                return error(400, "MANIFEST_BLOB_UNKNOWN", "a manifest of the index is missing")
        items = ([value["config"]] if "config" in value else []) + value.get("layers", [])
        for item in items:
            if len(repository.blobs.get(item["digest"], b"x" * (item["size"] + 1))) != item["size"]:
                return error(400, "MANIFEST_BLOB_UNKNOWN", "a blob of the manifest is missing")
        repository.manifests[digest] = (media_type, body)
        if ":" not in reference:
            repository.tags[reference] = digest
            repository.history[reference].append(digest)
        headers = {"Location": f"{self.absolute}/v2/{name}/manifests/{digest}"}
        if self.digest_header:
            headers["Docker-Content-Digest"] = digest
        if self.referrers_api and "subject" in value:
            headers["OCI-Subject"] = value["subject"]["digest"]
        return Reply(201, headers)

    def _blob(
        self,
        method: str,
        match: re.Match[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        blobs, digest = self.repositories[match["name"]].blobs, match["digest"]
        if digest not in blobs:
            return error(404, "BLOB_UNKNOWN")
        if method == "DELETE":
            del blobs[digest]
            return Reply(202)
        data = blobs[digest]
        found = {"Content-Type": "application/octet-stream", "Docker-Content-Digest": digest}
        asked = headers.get("range", "")
        if asked and self.ranges:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                return error(416, "RANGE_INVALID")
            found["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            return Reply(206, found, data[start:])
        return Reply(200, found, data)

    def _uploads(
        self,
        method: str,
        match: re.Match[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        name = match["name"]
        if method != "POST":
            return error(405, "UNSUPPORTED")
        source_name = query.get("from", "")
        if "mount" in query and self.mounts and may_read(source_name, headers, self.token):
            source = self.repositories[query["from"]].blobs if "from" in query else {}
            if query["mount"] in source:
                self.repositories[name].blobs[query["mount"]] = source[query["mount"]]
                return Reply(201, {"Location": f"/v2/{name}/blobs/{query['mount']}"})
        key = secrets.token_hex(8)
        self.uploads[key] = _Upload(name)
        return Reply(202, self._place(key))

    def _upload(
        self,
        method: str,
        match: re.Match[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        key = match["id"]
        upload = self.uploads.get(key)
        if upload is None or upload.name != match["name"]:
            return error(404, "BLOB_UPLOAD_UNKNOWN")
        if query.get("_state") not in upload.states:
            self.violations.append(f"{method} {match[0]}: the query of the Location was not kept")
            return error(400, "BLOB_UPLOAD_INVALID", "unknown state")
        if method == "GET":
            if not self.resume:
                return error(405, "UNSUPPORTED")
            return Reply(204, self._place(key))
        if method == "DELETE":
            del self.uploads[key]
            return Reply(204)
        if self.chunk_max and len(body) > self.chunk_max:
            return Reply(413)
        self.received += len(body)
        if body and headers.get("content-type") != "application/octet-stream":
            return error(400, "BLOB_UPLOAD_INVALID", "wrong content type")
        if wrong := self._out_of_order(upload, headers.get("content-range", ""), body):
            wrong.headers.update(self._place(key))
            return wrong
        upload.data += body
        if method == "PATCH":
            if len(body) < self.chunk_min:
                self.violations.append(f"PATCH {match[0]}: {len(body)} bytes are too few")
            return Reply(202, self._place(key))
        del self.uploads[key]
        data = bytes(upload.data)
        if digest_of(data) != query.get("digest"):
            return error(400, "DIGEST_INVALID", "the digest is not that of the content")
        self.repositories[upload.name].blobs[query["digest"]] = data
        place = f"{self.absolute}/v2/{upload.name}/blobs/{query['digest']}"
        return Reply(201, {"Location": place, "Docker-Content-Digest": query["digest"]})

    def _out_of_order(self, upload: _Upload, stated: str, body: bytes) -> Reply | None:
        have = len(upload.data)
        if not stated:
            # Without a range, a body has to be all of it or the rest of a stream.
            return error(416, "RANGE_INVALID") if body and have else None
        match = _RANGE.fullmatch(stated)
        if not match or int(match[1]) != have or int(match[2]) != have + len(body) - 1:
            return error(416, "RANGE_INVALID")
        return None

    def _place(self, key: str) -> dict[str, str]:
        upload = self.uploads[key]
        state = secrets.token_urlsafe(8)
        upload.states.add(state)
        place = f"{self.absolute}/v2/{upload.name}/blobs/uploads/{key}?_state={state}&x=%2F"
        headers = {"Location": place, "Range": f"0-{max(len(upload.data) - 1, 0)}"}
        if self.chunk_min:
            headers["OCI-Chunk-Min-Length"] = str(self.chunk_min)
        return headers

    def _tags(
        self,
        method: str,
        match: re.Match[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        name = match["name"]
        if name not in self.repositories:
            return error(404, "NAME_UNKNOWN")
        tags = sorted(self.repositories[name].tags)
        rest = [tag for tag in tags if tag > query.get("last", "")]
        page = rest[: self.page]
        found = {"Content-Type": "application/json"}
        if len(rest) > len(page):
            last = f"/v2/{name}/tags/list?n={self.page}&last={page[-1]}"
            found["Link"] = f'<{self.absolute}{last}>; rel="next"'
        return Reply(200, found, json.dumps({"name": name, "tags": page}).encode())

    def _referrers(
        self,
        method: str,
        match: re.Match[str],
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        if not self.referrers_api:
            return error(404, "NOT_FOUND")
        found = []
        for digest, (media_type, data) in self.repositories[match["name"]].manifests.items():
            value = json.loads(data)
            if value.get("subject", {}).get("digest") != match["digest"]:
                continue
            kind = value.get("artifactType") or value.get("config", {}).get("mediaType", "")
            found.append(
                {
                    "mediaType": media_type,
                    "digest": digest,
                    "size": len(data),
                    "artifactType": kind,
                    "annotations": value.get("annotations", {}),
                }
            )
        data = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": found}).encode()
        return Reply(200, {"Content-Type": _INDEX}, data)
