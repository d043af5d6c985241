#!/usr/bin/env python3
"""18_http_server and the tools that everybody has: examples/http_tools_test.py PROGRAM

curl, socat, ab and wrk each speak HTTP in their own way. What is not installed is skipped, and said.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "http"))
from running_server import HELLO, LIMIT, SKIPPED, Server, timed  # noqa: E402



def call(*command, data=None, status=0):
    run = subprocess.run(command, input=data, capture_output=True, timeout=LIMIT)
    assert run.returncode == status, (command[:12], run.returncode, run.stdout[-500:], run.stderr[-2000:])
    return run


def curl(*arguments, **options):
    return call("curl", "-sS", "--max-time", str(LIMIT), *arguments, **options).stdout


def check_curl(server):
    """curl: pages, HEAD, errors, and answers in chunks"""
    assert curl(server.url) == HELLO
    assert curl("-0", server.url) == HELLO
    head = curl("-I", server.url).decode()
    assert head.startswith("HTTP/1.1 200 OK\r\n") and "Content-Length: 13\r\n" in head, head
    assert curl("-I", f"{server.url}/chunks/5").startswith(b"HTTP/1.1 200 OK\r\n")
    expected = b"".join(b"line %d%s\n" % (i, b"." * 1000) for i in range(5000))
    assert curl(f"{server.url}/chunks/5000") == expected
    assert curl("-0", f"{server.url}/chunks/5000") == expected
    assert curl(f"{server.url}/chunks/0") == b""
    for status, arguments in ((404, ["/nothing"]), (404, ["/slow/long"]), (405, ["/echo"]), (405, ["/", "-d", "x"]),
                              (405, ["/", "-X", "DELETE"]), (411, ["/echo", "-X", "POST"]),
                              (414, ["/" + "x" * 9000]), (431, ["/", "-H", "Long: " + "x" * 9000]),
                              (501, ["/", "-X", "FETCH"]), (200, ["/?a=b"])):
        path, *rest = arguments
        got = curl("-o", os.devnull, "-w", "%{http_code}", server.url + path, *rest)
        assert got == str(status).encode(), (status, got, arguments[0][:40])
    assert b"Allow: POST, PUT\r\n" in curl("-i", f"{server.url}/echo")


def check_curl_uploads(server):
    """curl: bodies, in one piece and in chunks, that wait for 100 and that do not"""
    with tempfile.TemporaryDirectory(prefix="weft-http-") as folder:
        small, large = pathlib.Path(folder, "small"), pathlib.Path(folder, "large")
        small.write_bytes(os.urandom(700_000))
        large.write_bytes(bytes(50_000_000))
        for how in (["-T", str(small)], ["--data-binary", f"@{small}"],
                    ["-T", str(small), "-H", "Transfer-Encoding: chunked"],
                    ["-T", str(small), "-H", "Expect:"],
                    ["--data-binary", f"@{small}", "-H", "Transfer-Encoding: chunked", "-H", "Expect:"]):
            assert curl(f"{server.url}/echo", *how) == small.read_bytes(), how
        verbose = call("curl", "-sv", "-T", str(small), "-H", "Expect: 100-continue", f"{server.url}/count")
        assert b"HTTP/1.1 100 Continue" in verbose.stderr and verbose.stdout == b"700000\n", verbose
        # Who is not wanted is told so before it sends anything.
        unwanted = call("curl", "-sv", "-T", str(small), "-H", "Expect: 100-continue", f"{server.url}/nothing")
        assert b"100 Continue" not in unwanted.stderr and unwanted.stdout == b"no such page\n", unwanted
        sent = curl("-T", str(large), "-o", os.devnull, "-w", "%{http_code} %{size_upload}", f"{server.url}/echo")
        assert sent == b"413 0", sent
        with Server(server.program, "--body-bytes=100000000") as generous:
            for how in ([], ["-H", "Transfer-Encoding: chunked"]):
                before = generous.rss_kb()
                assert curl("-T", str(large), f"{generous.url}/count", *how) == b"50000000\n"
                assert generous.rss_kb() - before < 5_000, "it keeps what it only counts"
            assert len(curl("-T", str(large), f"{generous.url}/echo")) == 50_000_000


def check_curl_keeps_connections(server):
    """curl: many requests over one connection"""
    urls = [f"{server.url}/{path}" for path in ("", "chunks/3", "slow/1", "nothing") for _ in range(25)]
    run = call("curl", "-sv", *urls)
    assert run.stdout.count(HELLO) == 25 and run.stdout.count(b"done\n") == 25
    connections = run.stderr.count(b"Connected to ")
    assert connections == 1, f"curl had to connect {connections} times for 100 requests"
    run = call("curl", "-sv", "-d", "some", f"{server.url}/echo", "--next", "-sv", "-T", "-", f"{server.url}/echo",
               "--next", "-sv", server.url, data=b"more")
    assert run.stdout == b"somemore" + HELLO and run.stderr.count(b"Connected to ") == 1, run
    at_once = call("curl", "-sv", "--parallel", "--parallel-immediate", *urls[:50], "-H", "Connection: close")
    assert at_once.stdout.count(HELLO) == 25, at_once


def check_socat(server):
    """socat: requests sent ahead, and a client that has ended its half"""
    request = b"GET /slow/100 HTTP/1.1\r\nHost: me\r\n\r\n" * 3 + b"GET / HTTP/1.1\r\nHost: me\r\n\r\n"
    answers = call("socat", "-t10", "-", f"TCP:127.0.0.1:{server.port}", data=request).stdout
    assert answers.count(b"HTTP/1.1 200 OK\r\n") == 4 and answers.endswith(b"\r\n\r\n" + HELLO), answers
    cut_off = call("socat", "-t10", "-", f"TCP:127.0.0.1:{server.port}", data=request + b"GET / HTTP").stdout
    assert cut_off.count(b"HTTP/1.1 200 OK\r\n") == 4 and cut_off.count(b"HTTP/1.1 400 ") == 1, cut_off


def check_ab(server):
    """ab: no failed request, with and without kept connections"""
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"x" * 10_000)
        body.flush()
        for options in (["-k", "-n", "20000"], ["-n", "3000"], ["-k", "-i", "-n", "2000"],
                        ["-k", "-n", "2000", "-p", body.name, "-T", "text/plain"]):
            path = "/echo" if "-p" in options else "/"
            report = call("ab", "-q", "-c", "50", *options, server.url + path).stdout.decode()
            count = options[options.index("-n") + 1]
            assert f"Complete requests:      {count}\n" in report, report
            assert "Failed requests:        0\n" in report and "Non-2xx" not in report, report
            if "-k" in options:
                assert f"Keep-Alive requests:    {count}\n" in report, report


def check_wrk(server):
    """wrk: no error, over few connections and many"""
    for connections, path in ((10, "/"), (500, "/"), (20, "/chunks/20")):
        report = call("wrk", "-t1", "-d1s", f"-c{connections}", server.url + path).stdout.decode()
        done = re.search(r"(\d+) requests in", report)
        assert done and int(done.group(1)) > connections, report
        assert "Socket errors" not in report and "Non-2xx" not in report, report


def main():
    checks = {"curl": [check_curl, check_curl_uploads, check_curl_keeps_connections],
              "socat": [check_socat], "ab": [check_ab], "wrk": [check_wrk]}
    missing = [tool for tool in checks if shutil.which(tool) is None]
    with Server(sys.argv[1]) as server:
        for check in [check for tool in checks if tool not in missing for check in checks[tool]]:
            with timed(check.__doc__):
                check(server)
            server.check_alive()
    if missing:
        print(f"skipped, since not installed: {' '.join(missing)} (Debian: curl, socat, apache2-utils, wrk)")
        sys.exit(SKIPPED)


if __name__ == "__main__":
    main()
