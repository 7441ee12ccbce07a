"""A web server on this machine, in the place of those that offer data, and archives for it."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
import zipfile

from greenbench.spec.download import Download


def tar_of(entries, mode="w:gz"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as tar:
        for name, content in entries.items():
            member = tarfile.TarInfo(name) if isinstance(content, bytes) else content
            if isinstance(content, bytes):
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
            else:
                tar.addfile(member)
    return packed.getvalue()


def zip_of(entries):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return packed.getvalue()


class Server:
    """Serves one body as a test says: whole, in parts, or not at all."""

    def __init__(self):
        self.body, self.status, self.ranges = b"", 200, True
        self.bodies: dict[str, bytes] = {}
        """By file name; `body` for all others."""

        self.cuts: list[int] = []
        """After how many bytes the next answers end; whole ones after that."""
        self.asked: list[str | None] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.thread.start()

    def answer(self, request):
        asked = request.headers.get("Range")
        self.asked.append(asked)
        if self.status != 200:
            request.send_error(self.status)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        part = self.bodies.get(request.path.rpartition("/")[2], self.body)[start:]
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(part)))
        request.end_headers()
        request.wfile.write(part[: self.cuts.pop(0)] if self.cuts else part)

    def url(self, name):
        return f"http://127.0.0.1:{self._server.server_port}/some/{name}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self.thread.join()


def offer(server, body, name="set.tar.gz", folder="set", kind="md5"):
    server.body = body
    return Download(server.url(name), f"{kind}:{hashlib.new(kind, body).hexdigest()}", folder)
