"""A network of a process's own: a loopback, nothing else, and a name server on it."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import socket
import struct
import subprocess

from running_nginx import end_with_this_process

# `ENTER COMMAND...` runs the command there.
ENTER = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]


def is_permitted():
    """Whether the kernel lets this user have one, and mount files there."""
    mounts = subprocess.run([*ENTER, "mount", "--bind", "/dev/null", "/etc/resolv.conf"], capture_output=True)
    return mounts.returncode == 0


def find_dnsmasq():
    return shutil.which("dnsmasq", path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin")))


def raise_loopback():
    SIOCSIFFLAGS, IFF_UP = 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))


class NameServer:
    """For a process that is there: dnsmasq, which knows `records`, and is whom /etc/resolv.conf names."""

    def __init__(self, folder, *records):
        raise_loopback()
        configuration = pathlib.Path(folder, "resolv.conf")
        configuration.write_text("nameserver 127.0.0.1\nsearch test\n")
        subprocess.run(["mount", "--bind", str(configuration), "/etc/resolv.conf"], check=True)
        self.process = subprocess.Popen(
            [find_dnsmasq(), "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
             "--listen-address=127.0.0.1", "--bind-interfaces", f"--pid-file={folder}/pid", "--log-facility=-",
             "--user=", "--group=", "--local=/test/", *records],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=end_with_this_process)
        line = self.process.stderr.readline()
        assert "started" in line, f"dnsmasq says {line!r}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    @contextlib.contextmanager
    def silent(self):
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)
