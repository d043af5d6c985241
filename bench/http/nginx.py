#!/usr/bin/env python3
"""The http workload by nginx, as a program like the other servers: it says where it listens, takes the
number of workers from WEFT_WORKERS, and ends on SIGTERM or with its standard input."""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

START_LIMIT_S = 5
STOP_LIMIT_S = 3
# Where `./dev compare` unpacks Debian's package: installing it would start a server on port 80.
UNPACKED = pathlib.Path(__file__).resolve().parent.parent / "nginx/usr/sbin"

# Connections are kept however much they ask, as by the other servers. With several workers the kernel
# spreads connections over them; from one queue, one worker would take most of a hundred.
CONFIGURATION = """\
daemon off;
worker_processes {workers};
pid {folder}/pid;
lock_file {folder}/lock;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  default_type text/plain;
  server_tokens off;
  keepalive_requests 1000000000;
  client_header_buffer_size 8k;
  large_client_header_buffers 4 8k;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}{spread};
    location / {{ return 200 "Hello, world!"; }}
  }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end_with_this_process():
    """A hook for the child: nginx looks at no standard input, so it would outlive a killed parent."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start(binary, folder, workers):
    """The process and its port. Another process may take the port first, and then nginx ends."""
    for _ in range(3):
        port = free_port()
        configuration = pathlib.Path(folder, "nginx.conf")
        spread = " reuseport" if workers > 1 else ""
        configuration.write_text(
            CONFIGURATION.format(folder=folder, port=port, workers=workers, spread=spread)
        )
        command = [binary, "-p", folder, "-c", str(configuration), "-e", "stderr"]
        nginx = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=end_with_this_process
        )
        limit = time.monotonic() + START_LIMIT_S
        while time.monotonic() < limit and nginx.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return nginx, port
            except OSError:
                time.sleep(0.02)
        nginx.kill()
        nginx.wait()
    sys.exit("http-nginx: nginx does not listen")


def stop_with_stdin():
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def end_in_order(*_):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the harness closes our input as well
    sys.exit(0)


def main():
    signal.signal(signal.SIGTERM, end_in_order)
    search = os.pathsep.join((str(UNPACKED), os.environ.get("PATH", os.defpath), "/usr/sbin"))
    binary = shutil.which("nginx", path=search)
    if binary is None:
        sys.exit("http-nginx: there is no nginx (Debian: nginx)")
    workers = int(os.environ.get("WEFT_WORKERS", "1"))
    with tempfile.TemporaryDirectory(prefix="weft-nginx-") as folder:
        nginx, port = start(binary, folder, workers)
        try:
            threading.Thread(target=stop_with_stdin, daemon=True).start()
            print(f"listening on 127.0.0.1:{port}", flush=True)
            return nginx.wait()
        finally:
            nginx.terminate()
            try:
                nginx.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                nginx.kill()  # its workers see the end of their channel and end, too
                nginx.wait()


if __name__ == "__main__":
    sys.exit(main())
