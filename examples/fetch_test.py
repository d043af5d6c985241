#!/usr/bin/env python3
"""Drives 06_fetch against a server in Python: examples/fetch_test.py PROGRAM

The page at its own site is example enough for a reader; here are the options, the order of the
results, the exit status and wrong calls.
"""

import http.server
import re
import signal
import subprocess
import sys
import threading
import time

LIMIT = 20  # seconds, for anything that could hang


class Site(http.server.ThreadingHTTPServer):
    """/NUMBER answers NUMBER bytes after a moment; /never does not answer. Counts who waits."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.inside = self.most_inside = 0
        self.asked_for_never = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        site = self.server
        if self.path == "/never":
            site.asked_for_never.set()
            time.sleep(3600)
        with site.lock:
            site.inside += 1
            site.most_inside = max(site.most_inside, site.inside)
        time.sleep(0.2)
        with site.lock:
            site.inside -= 1
        number = self.path[1:].partition("?")[0]
        self.send_response(200 if number.isdigit() else 404)
        self.end_headers()  # no length: the end of the connection is the end of the page
        self.wfile.write(b"x" * int(number) if number.isdigit() else b"")

    def log_message(self, *_):
        pass


def fetch(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=LIMIT)


def check_order_and_limit(program, site):
    urls = [f"{site.url}/{number}" for number in (30, 5, 100_000, 0, 7, 2, 9, 40)]
    for limit, least_seconds in ((8, 0.2), (3, 0.6), (1, 1.6)):
        site.most_inside = 0
        begin = time.monotonic()
        run = fetch(program, "--limit", str(limit), *urls)
        took = time.monotonic() - begin
        assert run.returncode == 0, run
        lines = run.stdout.splitlines()
        assert lines[0:-1:2] == urls, lines
        for url, result in zip(urls, lines[1:-1:2]):
            size = url.rpartition("/")[2]
            assert re.fullmatch(rf"  200 OK, {size} bytes, \d+\.\d+ s", result), result
        assert lines[-1].startswith("8 fetched, 0 failed"), lines[-1]
        least = min(limit, 2)
        assert least <= site.most_inside <= limit, f"{site.most_inside} at a time with --limit {limit}"
        assert took >= least_seconds, took


def check_failures(program, site):
    begin = time.monotonic()
    run = fetch(program, "--timeout=0.5", f"{site.url}/never", f"{site.url}/nothing?a=b", "http://127.0.0.1:1")
    assert time.monotonic() - begin < 5, "the time limit was not kept"
    assert run.returncode == 1, run
    lines = run.stdout.splitlines()
    assert lines[1].startswith("  failed: no whole answer in time, 0.5"), lines
    assert lines[3].startswith("  404 Not Found, 0 bytes"), lines
    assert "Connection refused" in lines[5], lines
    assert lines[-1].startswith("1 fetched, 2 failed"), lines


def check_wrong_calls(program):
    for wrong in (["--colour"], ["--timeout"], ["--timeout", "0"], ["--timeout", "nan"], ["--timeout", "1x"],
                  ["--limit", "0"], ["--limit", "-1"], ["--limit", "many"], ["https://localhost/"],
                  ["localhost"], [""], ["http://"], ["http://:80/"], ["http://h:99999/"], ["http://h:/x:y"],
                  ["http://a b/"], ["http://me@h/"], ["http://[::1"], ["http://h/", "gopher://h/"]):
        run = fetch(program, *wrong)
        assert run.returncode == 2 and not run.stdout, (wrong, run)
        assert run.stderr.startswith("06_fetch: ") and "usage: " in run.stderr, (wrong, run)


def check_interrupt(program, site):
    def default_sigint():  # a shell starts what runs in the background with SIGINT ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    site.asked_for_never.clear()
    run = subprocess.Popen([program, f"{site.url}/never"], stderr=subprocess.PIPE, text=True,
                           preexec_fn=default_sigint)
    assert site.asked_for_never.wait(LIMIT)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate(timeout=LIMIT)
    assert (run.returncode, errors) == (130, "interrupted\n"), (run.returncode, errors)


def main():
    program = sys.argv[1]
    site = Site()
    check_order_and_limit(program, site)
    print("results come in order, and as many at a time as allowed")
    check_failures(program, site)
    print("failures are told apart")
    check_wrong_calls(program)
    print("wrong calls are refused")
    check_interrupt(program, site)
    print("Ctrl-C ends it")


if __name__ == "__main__":
    main()
