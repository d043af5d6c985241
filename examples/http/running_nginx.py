"""nginx as a test's web server: on a free port, with its files in a folder of its own."""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

LIMIT = 5  # seconds for it to listen

# Pages under /ssi/ pass through a filter that may change their length, so they are sent in chunks.
CONFIGURATION = """\
{user}daemon off;
worker_processes 1;
pid {folder}/pid;
lock_file {folder}/lock;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  default_type text/plain;
  keepalive_requests {requests};
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    listen 127.0.0.1:{tls_port} ssl;
    ssl_certificate {certificate};
    ssl_certificate_key {key};
    root {folder}/pages;
    location /ssi/ {{ alias {folder}/pages/; ssi on; ssi_types text/plain; }}
    location /to/ {{ rewrite ^/to/(.*)$ /$1 redirect; }}
    location /twice/ {{ rewrite ^/twice/(.*)$ /to/$1 permanent; }}
    location /relative/ {{ absolute_redirect off; rewrite ^/relative/(.*)$ /$1 redirect; }}
    location = /loop {{ return 302 /loop; }}
    location = /secure {{ return 301 https://localhost:{tls_port}/to/0; }}
    location = /insecure {{ return 301 http://127.0.0.1:{port}/to/0; }}
    location = /gopher {{ return 301 gopher://localhost/; }}
    location = /away {{ return 307 http://127.0.0.1:1/; }}
    location = /empty {{ return 204; }}
  }}
}}
"""


def find(unpacked):
    """The program, from PATH or where Debian's package was unpacked; None if there is none."""
    return shutil.which("nginx", path=os.pathsep.join(
        (os.environ.get("PATH", os.defpath), "/usr/sbin", str(unpacked / "usr/sbin"))))


def end_with_this_process():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Nginx:
    def __init__(self, binary, folder, requests, certificate):
        """`requests`: how many it answers on one connection. `certificate`: its file and that of its key."""
        self.pages = pathlib.Path(folder, "pages")
        self.pages.mkdir(exist_ok=True)
        for _ in range(3):  # another process may take the port first, and then nginx ends
            with socket.socket() as probe, socket.socket() as other:
                ports = []
                for one in (probe, other):
                    one.bind(("127.0.0.1", 0))
                    ports.append(one.getsockname()[1])
            port, tls_port = ports
            user = "user root;\n" if os.geteuid() == 0 else ""
            configuration = pathlib.Path(folder, "nginx.conf")
            configuration.write_text(CONFIGURATION.format(
                folder=folder, port=port, tls_port=tls_port, requests=requests, user=user,
                certificate=certificate[0], key=certificate[1]))
            self.process = subprocess.Popen([binary, "-p", folder, "-c", str(configuration), "-e", "stderr"],
                                            stdin=subprocess.DEVNULL, preexec_fn=end_with_this_process)
            self.url = f"http://127.0.0.1:{port}"
            self.secure_url = f"https://localhost:{tls_port}"
            if self._listens(port):
                return
            self.stop()
        raise AssertionError("nginx does not listen")

    def _listens(self, port):
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                time.sleep(0.02)
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
