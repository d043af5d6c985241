#!/usr/bin/env python3
"""Drives 19_http_client against nginx, and against a server that misbehaves: examples/http_client_test.py PROGRAM

Every page must come back as it is, and every misbehaviour as a failure of that page alone.
"""

import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "http"))
import private_network  # noqa: E402
import running_nginx  # noqa: E402
from running_server import LIMIT, SKIPPED, run, timed  # noqa: E402
from running_site import Site, declares_end, endless, resets, says, trickles, unprotected  # noqa: E402

OK = b"HTTP/1.1 200 OK\r\n"
FINE = OK + b"Content-Length: 4\r\n\r\nfine"


def fetch(program, *arguments, status=0, lines=None):
    """What was said of each URL, in the order in which they were fetched, and the last line."""
    text = None if lines is None else "".join(f"{line}\n" for line in lines)
    call = subprocess.run([program, *arguments], input=text, stdin=subprocess.DEVNULL if text is None else None,
                          capture_output=True, text=True, timeout=LIMIT)
    assert call.returncode == status and not call.stderr, call
    *results, last = call.stdout.splitlines()
    said = {}
    for line in results:
        match = re.fullmatch(r"(https?:\S+?): (.*), \d+\.\d{3} s", line)
        assert match, line
        url, what = match.groups()
        assert said.setdefault(url, what) == what, f"{url} at one time {said[url]}, at another {what}"
    return said, last


def make_certificate(folder, name="localhost"):
    """The files of a certificate and of its key; nobody but itself vouches for it."""
    files = [str(pathlib.Path(folder, f"{name}-{part}.pem")) for part in ("certificate", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True, timeout=LIMIT)
    return files


class FromNginx:
    """What 19_http_client makes of pages that nginx serves, with TLS and without."""

    def __init__(self, program, nginx, certificate, folder):
        self.program = program
        self.nginx = nginx
        self.trusts = f"--ca-file={certificate}"
        self.saved = pathlib.Path(folder, "saved")
        self.saved.mkdir()
        dice = random.Random(1)
        self.pages = [dice.randbytes(dice.choice((0, 1, 100, 4095, 4096, 8192, 50_000, 700_000))) for _ in range(150)]
        for number, page in enumerate(self.pages):
            (nginx.pages / str(number)).write_bytes(page)
        (nginx.pages / "large").write_bytes(dice.randbytes(30_000_000))

    def fetch(self, *arguments, **how):
        return fetch(self.program, self.trusts, *arguments, **how)

    def check_pages(self, site):
        kinds = ["", "ssi/", "to/", "twice/", "relative/"]
        urls = [f"{site}/{kind}{number}" for kind in kinds for number in range(len(self.pages))]
        said, last = self.fetch("--per-host=3", "--limit=50", f"--save={self.saved}", lines=urls)
        # Each page that is redirected costs a request more, and each connection ends after 60.
        requests = len(self.pages) * (1 + 1 + 2 + 3 + 2)
        connections = int(re.fullmatch(r"750 fetched, 0 failed, over (\d+) connections, in .* s", last).group(1))
        assert requests // 60 <= connections <= requests // 60 + 6, last
        for position, url in enumerate(urls):
            page = self.pages[position % len(self.pages)]
            assert (self.saved / str(position)).read_bytes() == page, f"{url} came back different"
            assert said[url].startswith(f"200 OK, {len(page)} bytes"), said[url]
        assert said[f"{site}/twice/3"].endswith(f" bytes from {site}/3"), said[f"{site}/twice/3"]

    def check_odd_pages(self, site):
        plain, secure = self.nginx.url, self.nginx.secure_url
        expected = {
            "missing": "404 Not Found, .* bytes", "empty": "204 No Content, 0 bytes", "large": "200 OK, 30000000 bytes",
            "loop": "failed: more than 5 redirections, the last one to .*/loop",
            "secure": f"200 OK, {len(self.pages[0])} bytes from {secure}/0",
            "insecure": f"200 OK, {len(self.pages[0])} bytes from {plain}/0",
            "gopher": 'failed: "gopher://localhost/": only URLs that begin with http:// or https:// .*',
            "away": "failed: connect.* 127.0.0.1:1: Connection refused", "?a=b": "403 Forbidden, .*"}
        said, _ = self.fetch(*[f"{site}/{path}" for path in expected], status=1)
        for path, what in expected.items():
            assert re.fullmatch(what, said[f"{site}/{path}"]), (path, said[f"{site}/{path}"])
        mistaken = [plain.replace("http://127.0.0.1", "https://localhost"), secure.replace("https", "http")]
        said, _ = self.fetch(*mistaken, status=1)
        assert re.fullmatch("failed: TLS handshake .*: wrong version number.*", said[mistaken[0]]), said
        assert said[mistaken[1]].startswith("400 Bad Request"), said
        said, _ = self.fetch("--redirects=1", f"{site}/to/1", f"{site}/twice/1", status=1)
        assert said[f"{site}/to/1"].startswith("200 OK") and said[f"{site}/twice/1"].startswith("failed")
        said, _ = self.fetch("--body-bytes=1000", f"{site}/large", f"{site}/ssi/large", status=1)
        assert set(said.values()) == {"failed: not a whole HTTP answer: body limit exceeded"}, said


def check_nginx(program, binary):
    """nginx: pages in one piece and in chunks, over kept connections, with TLS and without, redirected and not"""
    with tempfile.TemporaryDirectory(prefix="weft-nginx-") as folder:
        certificate = make_certificate(folder)
        with running_nginx.Nginx(binary, folder, requests=60, certificate=certificate) as nginx:
            fetched = FromNginx(program, nginx, certificate[0], folder)
            with urllib.request.urlopen(f"{nginx.url}/ssi/0", timeout=LIMIT) as answer:
                assert answer.headers["Transfer-Encoding"] == "chunked", "nginx does not send chunks"
            for site in (nginx.url, nginx.secure_url):
                fetched.check_pages(site)
                fetched.check_odd_pages(site)


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
INCOMPLETE = "failed: not a whole HTTP answer: "
MISBEHAVIOUR = {
    # What is well although it looks odd.
    "/fine": (says(FINE, False), "200 OK, 4 bytes"),
    "/to-the-end": (says(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100_000), "200 OK, 100000 bytes"),
    "/early-hints": (says(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + FINE, False),
                     "200 OK, 4 bytes"),
    "/trailer": (says(CHUNKED + b"4;x=y\r\nfine\r\n0\r\nTrailer: x\r\n\r\n", False), "200 OK, 4 bytes"),
    "/trickle": (trickles(CHUNKED + b"4\r\nfine\r\n0\r\n\r\n", 0.002), "200 OK, 4 bytes"),
    "/unmodified": (says(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", False), "304 .*, 0 bytes"),
    "/no-location": (says(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", False), "302 Found, 0 bytes"),
    "/dir/relative": (says(b"HTTP/1.1 302 Found\r\nLocation: page\r\nContent-Length: 0\r\n\r\n", False),
                      "200 OK, 4 bytes from http:.*/dir/page"),
    "/dir/page": (says(FINE, False), "200 OK, 4 bytes"),
    "/dir/query": (says(b"HTTP/1.1 302 Found\r\nLocation: ?a=/b\r\nContent-Length: 0\r\n\r\n", False),
                   "200 OK, 4 bytes from http:.*/dir/query[?]a=/b"),
    "/dir/query?a=/b": (says(FINE, False), "200 OK, 4 bytes"),
    # The next request on this connection must not read what is too much here.
    "/too-much": (says(FINE + b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"), "200 OK, 4 bytes"),
    # What is not.
    "/nothing": (says(b""), INCOMPLETE + "the connection ended before it"),
    "/garbage": (says(b"\0\x01\x02\x03garbage\r\n\r\n"), INCOMPLETE + "bad version"),
    "/version": (says(b"HTTP/2.0 200 OK\r\n\r\n"), INCOMPLETE + "bad version"),
    "/status": (says(b"HTTP/1.1 2x0 OK\r\n\r\n"), INCOMPLETE + "bad status"),
    "/field": (says(OK + b"no field\r\n\r\n"), INCOMPLETE + "bad field"),
    "/cut-head": (says(OK + b"Content-Le"), INCOMPLETE + "it ends within its head"),
    "/cut-body": (says(OK + b"Content-Length: 10\r\n\r\nshort"), INCOMPLETE + "partial message"),
    "/cut-chunk": (says(CHUNKED + b"10\r\nshort"), INCOMPLETE + "partial message"),
    "/cut-between": (says(CHUNKED + b"5\r\nshort\r\n"), INCOMPLETE + "partial message"),
    "/bad-chunk": (says(CHUNKED + b"5\r\nshorter\r\n0\r\n\r\n"), INCOMPLETE + "bad chunk"),
    "/huge-chunk": (says(CHUNKED + b"ffffffffffffffff\r\n"), INCOMPLETE + "body limit exceeded"),
    "/two-lengths": (says(OK + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\nfine"), INCOMPLETE + ".* more than once"),
    "/both": (says(OK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), INCOMPLETE + "bad .*"),
    "/gzip": (says(OK + b"Transfer-Encoding: gzip\r\n\r\nfine"), INCOMPLETE + "no Transfer-Encoding but chunked .*"),
    "/protocol": (says(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), INCOMPLETE + "it speaks another protocol"),
    "/location": (says(b"HTTP/1.1 301 Moved\r\nLocation: http:///\r\n\r\n"), "failed: .*: no host"),
    "/reset": (resets(b""), "failed: .* 127.0.0.1:.*: Connection reset by peer"),
    "/reset-head": (resets(OK), "failed: .* 127.0.0.1:.*: Connection reset by peer"),
    "/reset-body": (resets(OK + b"Content-Length: 10\r\n\r\nshort"), "failed: .*: Connection reset by peer"),
    "/endless-head": (endless(OK, b"More: and more\r\n"), INCOMPLETE + "its head is too long"),
    "/endless-body": (endless(OK + b"\r\n", b"x" * 65536), INCOMPLETE + "body limit exceeded"),
    "/endless-chunks": (endless(CHUNKED, b"1\r\nx\r\n" * 1000), INCOMPLETE + "body limit exceeded"),
    "/endless-line": (endless(CHUNKED + b"1;", b"x" * 10_000), INCOMPLETE + "a line between chunks is too long"),
    "/slow-head": (trickles(OK + b"Slow: " + b"x" * 1000, 0.05), "failed: no whole answer in time"),
    "/never": (lambda _: time.sleep(3600), "failed: no whole answer in time"),
}


def check_misbehaviour(program):
    """a misbehaving server costs the page that it spoils, and no other"""
    site = Site({path: answer for path, (answer, _) in MISBEHAVIOUR.items()})
    for limit in ("1", "20"):
        begin = time.monotonic()
        paths = [path for name in MISBEHAVIOUR for path in (name, "/fine")]
        urls = [site.url + path for path in paths]
        said, last = fetch(program, f"--limit={limit}", "--timeout=1", "--body-bytes=1000000", *urls, status=1)
        for path, (_, expected) in MISBEHAVIOUR.items():
            assert re.fullmatch(expected, said[site.url + path]), (limit, path, said[site.url + path])
        failed = sum(expected.startswith("failed") for _, expected in MISBEHAVIOUR.values())
        assert last.startswith(f"{len(urls) - failed} fetched, {failed} failed, "), last
        assert time.monotonic() - begin < 10


# Over TLS an end must have been declared, or somebody else may have cut the rest off.
UNDECLARED = INCOMPLETE + ".*: the connection ended without TLS.s end, so something may be missing"
TLS_MISBEHAVIOUR = {
    "/fine": (says(FINE, False), "200 OK, 4 bytes"),
    "/trickle": (trickles(CHUNKED + b"4\r\nfine\r\n0\r\n\r\n", 0.002), "200 OK, 4 bytes"),
    "/to-the-end": (says(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100_000), UNDECLARED),
    "/cut-body": (says(OK + b"Content-Length: 10\r\n\r\nshort"), UNDECLARED),
    "/declared-end": (declares_end(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100_000), "200 OK, 100000 bytes"),
    "/declared-cut": (declares_end(OK + b"Content-Length: 10\r\n\r\nshort"), INCOMPLETE + "partial message"),
    "/no-record": (unprotected(b"plain text, and not a record of TLS"), "failed: .*wrong version number.*"),
    "/broken-record": (unprotected(b"\x17\x03\x03\x00\x20" + bytes(32)), "failed: .*(bad|decryption|mac).*"),
    "/reset-body": (resets(OK + b"Content-Length: 10\r\n\r\nshort"), "failed: .*: Connection reset by peer"),
    "/never": (lambda _: time.sleep(3600), "failed: no whole answer in time"),
}


def check_tls(program):
    """over TLS nobody is believed who is not trusted, and what is cut off costs that page alone"""
    with tempfile.TemporaryDirectory(prefix="weft-tls-") as folder:
        certificate, other = make_certificate(folder), make_certificate(folder, "elsewhere")
        site = Site({path: answer for path, (answer, _) in TLS_MISBEHAVIOUR.items()}, certificate)
        posing = Site({"/": says(FINE, False)}, other)
        for limit in ("1", "20"):
            urls = [site.url + path for name in TLS_MISBEHAVIOUR for path in (name, "/fine")]
            said, _ = fetch(program, f"--ca-file={certificate[0]}", f"--limit={limit}", "--timeout=1", *urls, status=1)
            for path, (_, expected) in TLS_MISBEHAVIOUR.items():
                assert re.fullmatch(expected, said[site.url + path]), (limit, path, said[site.url + path])
        for trusts, url, expected in (
                ([], f"{site.url}/fine", "failed: .*certificate.*"),  # the system's authorities do not know it
                ([f"--ca-file={certificate[0]}"], posing.url, "failed: .*certificate.*"),
                ([f"--ca-file={other[0]}"], posing.url, "failed: .*certificate.*localhost.*")):  # for another host
            said, _ = fetch(program, *trusts, "--timeout=1", url, status=1)
            assert re.fullmatch(expected, said[url]), (trusts, said)
        assert posing.requests == 0
        call = subprocess.run([program, "--ca-file=/nowhere", site.url], capture_output=True, text=True, timeout=LIMIT)
        assert call.returncode == 1 and "/nowhere" in call.stderr, call


def check_stale_connections(program):
    """a kept connection that the server has ended is replaced, without an error"""
    for answer in (says(FINE), resets(FINE)):  # they end it without a word
        site = Site({"/": answer})
        _, last = fetch(program, "--limit=4", "--per-host=2", *[site.url] * 40)
        assert last.startswith("40 fetched, 0 failed, over 40 connections"), last
        assert site.requests == 40, site.requests


def check_limits(program):
    """so many connections to a host and so many pages at a time, and no more"""
    def answer(connection):
        time.sleep(0.02)
        connection.sendall(FINE)
        return False

    for limit, per_host, most in ((10, 3, 3), (2, 4, 2), (1, 1, 1)):
        sites = [Site({"/": answer}) for _ in range(2)]
        urls = [site.url for site in sites for _ in range(30)]
        _, last = fetch(program, f"--limit={limit}", f"--per-host={per_host}", *urls)
        assert last.startswith("60 fetched, 0 failed"), last
        for site in sites:
            assert site.most_inside <= most and site.connections <= most and site.requests == 30, vars(site)


NAMES = ["--host-record=web.test,127.0.0.1", "--cname=alias.test,web.test", "--host-record=nobody.test,127.0.0.2",
         "--host-record=both.test,::1,127.0.0.1", "--address=/several.test/127.0.0.2", "--address=/several.test/127.0.0.1"]


def ask_by_name(program):
    """What check_names() runs where the names are known."""
    with tempfile.TemporaryDirectory(prefix="weft-names-") as folder, \
            private_network.NameServer(folder, *NAMES) as names:
        certificate = make_certificate(folder, "web.test")
        site, secure = Site({"/": says(FINE, False)}), Site({"/": says(FINE, False)}, certificate)
        port, secure_port = [each.url.rpartition(":")[2] for each in (site, secure)]
        site.answers["/to"] = says(f"HTTP/1.1 302 Found\r\nLocation: http://alias.test:{port}/\r\n"
                                   "Content-Length: 0\r\n\r\n".encode(), False)
        fine, unknown = "200 OK, 4 bytes", "failed: resolve '{}'.*"
        expected = {
            f"http://web.test:{port}/": fine, f"http://ALIAS.test:{port}/": fine, f"http://web:{port}/": fine,
            f"http://both.test:{port}/": fine, f"http://several.test:{port}/": fine,  # not all answer there
            f"http://web.test:{port}/to": f"{fine} from http://alias.test:{port}/",
            f"http://nobody.test:{port}/": "failed: connect to nobody.test.*: Connection refused",
            f"http://missing.test:{port}/": unknown.format("missing.test"),
            "http://elsewhere.example/": unknown.format("elsewhere.example"),
            f"https://web.test:{secure_port}/": fine,
            f"https://alias.test:{secure_port}/": "failed: .*certificate.*alias.test.*"}  # the name counts that was asked
        for limit in ("1", "20"):
            urls = [*expected] * 5
            said, _ = fetch(program, f"--ca-file={certificate[0]}", f"--limit={limit}", *urls, status=1)
            for url, what in expected.items():
                assert re.fullmatch(what, said[url]), (limit, url, said[url])
        with names.silent():
            said, _ = fetch(program, "--timeout=0.2", *expected, status=1)
            assert set(said.values()) == {"failed: no whole answer in time"}, said


def check_names(program):
    """hosts are looked up at a name server, and one that is not found, or not in time, costs its pages alone"""
    inside = subprocess.run([*private_network.ENTER, sys.executable, __file__, program, "--by-name"], timeout=3 * LIMIT)
    assert inside.returncode == 0


def check_wrong_calls(program):
    """wrong calls are refused, and Ctrl-C ends it"""
    for wrong in (["--colour"], ["--timeout=0"], ["--limit=0"], ["--per-host=x"], ["gopher://localhost/"],
                  ["--ca-file"], ["localhost"]):
        call = subprocess.run([program, *wrong], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LIMIT)
        assert call.returncode == 2 and "usage: " in call.stderr and not call.stdout, (wrong, call)
    site = Site({"/never": lambda _: time.sleep(3600)})
    call = subprocess.Popen([program, f"{site.url}/never"], stderr=subprocess.PIPE, text=True,
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert site.asked.wait(LIMIT)
    call.send_signal(signal.SIGINT)
    _, errors = call.communicate(timeout=LIMIT)
    assert (call.returncode, errors) == (130, "interrupted\n"), (call.returncode, errors)


def main():
    program = sys.argv[1]
    if sys.argv[2:] == ["--by-name"]:
        return ask_by_name(program)
    run(program, [check_misbehaviour, check_tls, check_stale_connections, check_limits, check_wrong_calls])
    binary = running_nginx.find(pathlib.Path(program).resolve().parents[1] / "nginx")
    lacking = []
    if private_network.find_dnsmasq() is None:
        lacking.append((check_names, "there is no dnsmasq (`./dev setup` installs Debian's)"))
    elif not private_network.is_permitted():
        print("no network of one's own is permitted here, so this is not tried: " + check_names.__doc__)
    else:
        run(program, [check_names])
    if binary is None:
        lacking.append((check_nginx, "there is no nginx (`./dev test examples` unpacks Debian's)"))
    else:
        with timed(check_nginx.__doc__):
            check_nginx(program, binary)
    for check, reason in lacking:
        print(f"skipped, since {reason}: {check.__doc__}")
    if lacking:
        sys.exit(SKIPPED)


if __name__ == "__main__":
    main()
