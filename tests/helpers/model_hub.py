"""A small hub of models on this machine, as far as huggingface_hub asks it: make, commit, list and read."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Hub:
    """Models by name: a dictionary of files each. `asked` lists the paths that were read."""

    def __init__(self):
        self.models, self.private, self.asked = {}, {}, []
        self.address = ""


@contextmanager
def model_hub():
    """A running hub; its `address` goes into the variable HF_ENDPOINT."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *words: _Answer(hub, *words))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


def oid(content):
    return hashlib.sha1(content).hexdigest()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub, *words):
        self.hub = hub
        super().__init__(*words)

    def log_message(self, *args):
        """Print nothing."""

    def reply(self, content, code=200, **headers):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(code)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        words = urlsplit(self.path).path.strip("/").split("/")
        if self.headers.get("Authorization") != "Bearer hf_test":
            return self.reply({"error": "Invalid credentials"}, 401)
        if words[1:] == ["repos", "create"]:
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.hub.models.setdefault(name, {})
            self.hub.private[name] = asked.get("visibility") == "private" or asked.get("private", False)
            return self.reply({"url": f"{self.hub.address}/{name}", "name": name})
        if words[1:] == ["validate-yaml"]:
            return self.reply({"errors": [], "warnings": []})
        name, what = "/".join(words[2:4]), words[4]
        if what == "preupload":
            files = [
                {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                for each in json.loads(body)["files"]
            ]
            return self.reply({"files": files})
        if what != "commit":
            return self.reply({"error": f"this hub does not know {self.path}"}, 404)
        for line in map(json.loads, body.decode().splitlines()):
            if line["key"] == "file":
                self.hub.models[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        address = f"{self.hub.address}/{name}/commit/{'1' * 40}"
        return self.reply({"success": True, "commitOid": "1" * 40, "commitUrl": address})

    def do_GET(self):
        path = urlsplit(self.path).path.strip("/")
        self.hub.asked.append(path)
        words = path.split("/")
        name = "/".join(words[2:4] if words[0] == "api" else words[:2])
        files = self.hub.models.get(name)
        if files is None:
            return self.reply({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        if words[0] == "api":
            siblings = [{"rfilename": file, "size": len(content)} for file, content in files.items()]
            tree = [
                {"type": "file", "path": f, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                for f, c in files.items()
            ]
            return self.reply(tree if "tree" in words else {"id": name, "sha": "1" * 40, "siblings": siblings})
        content = files["/".join(words[4:])]
        return self.reply(content, ETag=f'"{oid(content)}"', X_Repo_Commit="1" * 40)

    do_HEAD = do_GET
