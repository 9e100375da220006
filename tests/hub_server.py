"""A web server on this machine that speaks as much of the Hub's protocol as its library needs.

Reading: resolve with ETag, commit and redirect to a store with ranges, and the tree. Writing:
create, preupload, LFS batch with upload and verification, and commit. It fails when told to.
"""

import base64
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["HubServer", "Repository", "serve_hub"]

LARGE = 20_000
"""Files of more bytes are kept beside git, as ``.safetensors`` always are."""


@dataclass
class Repository:
    """Files of each commit, and the commits that branches and tags stand for."""

    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    is_private: bool = False
    is_gated: bool = False

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Add files to a branch; return the commit."""
        before = self.commits.get(self.refs.get(branch, ""), {})
        after = before | files
        told = repr((branch, sorted((n, hashlib.sha256(d).hexdigest()) for n, d in after.items())))
        name = hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()
        self.commits[name] = after
        self.refs[branch] = name
        return name


class HubServer(http.server.ThreadingHTTPServer):
    """Holds ``repositories`` by name, and keeps what was ``asked``: method and path.

    ``token`` opens private ones and is needed to write. ``refusals`` are statuses, each for one
    request whose path holds the text; ``cuts`` are the places at which answers of the store end
    early; ``lies`` are contents sent in the place of the right ones.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.asked: list[tuple[str, str]] = []
        self.ranges: list[str] = []
        self.token = "hf_right"  # noqa: S105 - of this server alone
        self.refusals: list[tuple[str, int]] = []
        self.cuts: list[int] = []
        self.lies: dict[str, bytes] = {}
        self.uploaded: dict[str, bytes] = {}
        self.is_nonsense = False
        self.loses_uploads = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def store(self) -> str:
        """Another host than the Hub's own: the library follows its own host's redirects itself."""
        return f"http://localhost:{self.server_port}/store"

    def asked_for(self, text: str) -> int:
        """Count the requests whose path holds the text."""
        return sum(text in path for _, path in self.asked)


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    """Run a server until the context is left."""
    with HubServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def is_large(name: str, data: bytes) -> bool:
    return name.endswith(".safetensors") or len(data) > LARGE


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    # ------------------------------------------------------------------------------- answering

    def log_message(self, *_: Any) -> None:
        pass

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def tell(self, document: Any, status: int = 200) -> None:
        self.answer(status, json.dumps(document).encode(), Content_Type="application/json")

    def fail(self, status: int, code: str = "") -> None:
        named = {"X_Error_Code": code} if code else {}
        self.answer(status, b"{}", X_Error_Message=f"told to answer {status}", **named)

    def is_refused(self) -> bool:
        """Note a request, and answer it when it is to fail."""
        self.server.asked.append((self.command, self.path))
        for place, (text, status) in enumerate(self.server.refusals):
            if text in self.path:
                del self.server.refusals[place]
                self.fail(status)
                return True
        if self.server.is_nonsense:
            self.answer(200, b"<html>log in</html>", Content_Type="text/html")
            return True
        return False

    @property
    def has_token(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.server.token}"

    # --------------------------------------------------------------------------------- reading

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.is_refused():
            return
        path = self.path.partition("?")[0]
        if match := re.fullmatch(r"/store/([0-9a-f]+)", path):
            self.send_blob(match[1])
        elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.resolve(*match.groups())
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)", path):
            files = self.files(match[1], match[2])
            if files is not None:
                self.tell(
                    [
                        {"type": "file", "path": n, "oid": git_sha1(d), "size": len(d)}
                        for n, d in files[1].items()
                    ]
                )
        else:
            self.fail(404)

    def files(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Find the files of a revision, or answer why not."""
        found = self.server.repositories.get(repo)
        if found is None or (found.is_private and not self.has_token):
            self.fail(401, "RepoNotFound")
            return None
        if found.is_gated and not self.has_token:
            self.fail(403, "GatedRepo")
            return None
        commit = found.refs.get(revision.replace("%2F", "/"), revision)
        if commit not in found.commits:
            self.fail(404, "RevisionNotFound")
            return None
        return commit, found.commits[commit]

    def resolve(self, repo: str, revision: str, name: str) -> None:
        found = self.files(repo, revision)
        if found is None:
            return
        commit, files = found
        if name not in files:
            self.answer(404, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
            return
        data = files[name]
        digest = hashlib.sha256(data).hexdigest()
        if is_large(name, data):
            self.server.uploaded[digest] = data
            self.answer(
                302,
                X_Repo_Commit=commit,
                X_Linked_Etag=f'"{digest}"',
                X_Linked_Size=str(len(data)),
                Location=f"{self.server.store}/{digest}",
            )
            return
        self.answer(200, data, X_Repo_Commit=commit, ETag=f'"{git_sha1(data)}"')

    def send_blob(self, digest: str) -> None:
        data = self.server.uploaded.get(digest)
        if data is None:
            self.fail(404)
            return
        data = self.server.lies.get(digest, data)
        wanted = self.headers.get("Range", "")
        self.server.ranges.append(wanted)
        first = int(re.findall(r"bytes=(\d+)-", wanted)[0]) if wanted else 0
        left = data[first:]
        named = {"Content_Range": f"bytes {first}-{len(data) - 1}/{len(data)}"} if wanted else {}
        sent = left
        if self.command == "GET" and self.server.cuts:
            sent = left[: self.server.cuts.pop(0)]
        self.answer(206 if wanted else 200, sent, Content_Length=str(len(left)), **named)
        if len(sent) < len(left):
            self.close_connection = True

    # --------------------------------------------------------------------------------- writing

    def do_PUT(self) -> None:
        data = self.body()
        if self.is_refused():
            return
        digest = self.path.rpartition("/")[2]
        if hashlib.sha256(data).hexdigest() != digest:
            self.fail(400)
            return
        if not self.server.loses_uploads:
            self.server.uploaded[digest] = data
        self.answer(200, ETag=f'"{digest}"')

    def do_POST(self) -> None:
        data = self.body()
        if self.is_refused():
            return
        if not self.has_token:
            self.fail(401)
            return
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            self.create(json.loads(data))
        elif path == "/api/validate-yaml":
            self.tell({"errors": [], "warnings": []})
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/branch/([^/]+)", path):
            self.branch(match[1], match[2].replace("%2F", "/"))
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)", path):
            self.sort_files(match[1], json.loads(data))
        elif path.endswith(".git/info/lfs/objects/batch"):
            self.give_places(json.loads(data))
        elif path == "/verify":
            known = json.loads(data)["oid"] in self.server.uploaded
            self.tell({}, 200 if known else 404)
        elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/([^/]+)", path):
            self.commit(match[1], match[2].replace("%2F", "/"), data)
        else:
            self.fail(404)

    def create(self, asked: dict[str, Any]) -> None:
        name = f"{asked.get('organization') or 'me'}/{asked['name']}"
        if name in self.server.repositories:
            self.tell({"url": f"{self.server.url}/{name}"}, 409)
            return
        new = Repository(
            is_private=bool(asked.get("private") or asked.get("visibility") == "private")
        )
        new.commit({})
        self.server.repositories[name] = new
        self.tell({"url": f"{self.server.url}/{name}", "name": name})

    def branch(self, repo: str, name: str) -> None:
        refs = self.server.repositories[repo].refs
        if name in refs:
            self.fail(409)
            return
        refs[name] = refs["main"]
        self.tell({})

    def sort_files(self, repo: str, asked: dict[str, Any]) -> None:
        if repo not in self.server.repositories:
            self.fail(404, "RepoNotFound")
            return
        modes = [
            {
                "path": each["path"],
                "uploadMode": "lfs" if is_large(each["path"], b" " * each["size"]) else "regular",
                "shouldIgnore": False,
                "oid": None,
            }
            for each in asked["files"]
        ]
        self.tell({"files": modes})

    def give_places(self, asked: dict[str, Any]) -> None:
        url = self.server.url
        objects = [
            {
                "oid": each["oid"],
                "size": each["size"],
                "authenticated": True,
                "actions": {
                    "upload": {"href": f"{url}/upload/{each['oid']}", "header": {}},
                    "verify": {"href": f"{url}/verify", "header": {}},
                },
            }
            for each in asked["objects"]
        ]
        self.tell({"transfer": "basic", "objects": objects})

    def commit(self, repo: str, branch: str, data: bytes) -> None:
        found = self.server.repositories.get(repo)
        if found is None:
            self.fail(404, "RepoNotFound")
            return
        if branch not in found.refs:
            self.fail(404, "RevisionNotFound")
            return
        files: dict[str, bytes] = {}
        for line in data.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                if value["oid"] not in self.server.uploaded:
                    self.fail(400)
                    return
                files[value["path"]] = self.server.uploaded[value["oid"]]
        name = found.commit(files, branch)
        self.tell(
            {
                "success": True,
                "commitOid": name,
                "commitUrl": f"{self.server.url}/{repo}/commit/{name}",
                "hookOutput": "",
            }
        )
