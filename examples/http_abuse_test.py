#!/usr/bin/env python3
"""18_http_server among peers that are slow, rude or hostile: examples/http_abuse_test.py PROGRAM

Each of them must get a clear answer or lose its connection, and nobody else may notice.
"""

import concurrent.futures
import pathlib
import re
import select
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "http"))
from running_server import HELLO, LIMIT, Server, run, wait_until  # noqa: E402

HOST = "Host: me\r\n"
POST = "POST /echo HTTP/1.1\r\n" + HOST
CHUNKED = POST + "Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = "GET /smuggled HTTP/1.1\r\n" + HOST + "\r\n"

# What is sent, and the status that it deserves.
MALFORMED = [
    # The first line.
    (400, "\r\r\r\r"),
    (400, "\0\0\0\0\0\0\0\0"),
    (400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),  # the beginning of TLS
    (400, "GET\r\n\r\n"),
    (400, "GET / \r\n\r\n"),
    (400, "GET /\r\n\r\n"),
    (400, "GET  / HTTP/1.1\r\n" + HOST + "\r\n"),
    (400, " GET / HTTP/1.1\r\n" + HOST + "\r\n"),
    (400, "GET / HTTP/1.1 \r\n" + HOST + "\r\n"),
    (400, "GET / HTTP/1.1\n" + "Host: me\n\n"),
    (400, "GET / http/1.1\r\n" + HOST + "\r\n"),
    (400, "GET / HTTP/11\r\n" + HOST + "\r\n"),
    (400, "GET / HTTP/1.1x\r\n" + HOST + "\r\n"),
    (505, "GET / HTTP/2.0\r\n" + HOST + "\r\n"),
    (505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    (505, "GET / HTTP/0.9\r\n" + HOST + "\r\n"),
    (400, "G\x01T / HTTP/1.1\r\n" + HOST + "\r\n"),
    (501, "get / HTTP/1.1\r\n" + HOST + "\r\n"),
    (501, "FETCH / HTTP/1.1\r\n" + HOST + "\r\n"),
    (501, "CONNECT me:443 HTTP/1.1\r\n" + HOST + "\r\n"),
    # The target.
    (400, "GET hello HTTP/1.1\r\n" + HOST + "\r\n"),
    (400, "GET * HTTP/1.1\r\n" + HOST + "\r\n"),
    (400, "GET /a b HTTP/1.1\r\n" + HOST + "\r\n"),
    (400, "GET /\0 HTTP/1.1\r\n" + HOST + "\r\n"),
    (400, "GET /\x7f HTTP/1.1\r\n" + HOST + "\r\n"),
    (400, "GET /\xe9 HTTP/1.1\r\n" + HOST + "\r\n"),
    (400, "GET /#top HTTP/1.1\r\n" + HOST + "\r\n"),
    (400, "GET https://me/ HTTP/1.1\r\n" + HOST + "\r\n"),
    # Fields.
    (400, "GET / HTTP/1.1\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + HOST + "\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: me, you\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\nHost: me/you\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + "no colon\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + ": no name\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + "Spaced : yes\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n Host: me\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + "Bad\0: x\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + "Bad: x\0y\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + "Bad: x\ry\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + "Bad: x\nSmuggled: y\r\n\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + "Connection: ,@\r\n\r\n"),
    (417, POST + "Content-Length: 1\r\nExpect: the unexpected\r\n\r\n1"),
    # How long is the body?
    (411, POST + "\r\n"),
    (413, POST + "Content-Length: 1000000000\r\n\r\n"),
    (400, POST + "Content-Length: \r\n\r\n"),
    (400, POST + "Content-Length: -1\r\n\r\n"),
    (400, POST + "Content-Length: +5\r\n\r\nhello"),
    (400, POST + "Content-Length: 0x5\r\n\r\nhello"),
    (400, POST + "Content-Length: 5 5\r\n\r\nhello"),
    (400, POST + "Content-Length: 5, 5\r\n\r\nhello"),
    (400, POST + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    (400, POST + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + SMUGGLED),
    (400, POST + "Content-Length: 18446744073709551616\r\n\r\n" + SMUGGLED),
    (400, POST + "Content-Length: 99999999999999999999999999\r\n\r\n" + SMUGGLED),
    (400, POST + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (400, POST + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (400, POST + "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n\r\nhello" + SMUGGLED),
    (400, POST + "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello" + SMUGGLED),
    (400, POST + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (400, POST + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (400, POST + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (400, POST + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (400, "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (501, POST + "Transfer-Encoding: gzip\r\n\r\nhello"),
    (501, POST + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (501, POST + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (501, POST + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (400, POST + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + SMUGGLED),
    (501, POST + "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" + SMUGGLED),
    # Chunks.
    (400, CHUNKED + "\r\n"),
    (400, CHUNKED + "x\r\n"),
    (400, CHUNKED + "-1\r\n\r\n"),
    (400, CHUNKED + "+1\r\na\r\n0\r\n\r\n"),
    (400, CHUNKED + "0x1\r\na\r\n0\r\n\r\n"),
    (400, CHUNKED + "5\nhello\n0\n\n"),
    (400, CHUNKED + "5\r\nhelloworld\r\n0\r\n\r\n"),
    (400, CHUNKED + "5\r\nhello0\r\n\r\n" + SMUGGLED),
    (400, CHUNKED + "5 x\r\nhello\r\n0\r\n\r\n"),
    (400, CHUNKED + "10000000000000005\r\nhello\r\n0\r\n\r\n" + SMUGGLED),
    (413, CHUNKED + "ffffffffffffffff\r\n"),
    (413, CHUNKED + "5\r\nhello\r\n" + "fffffff\r\n"),
    (400, CHUNKED + "0\r\nno colon\r\n\r\n" + SMUGGLED),
    (400, CHUNKED + "1;" + "x" * 20_000),
    (400, CHUNKED + "0\r\n" + "Trailer: x\r\n" * 2000),
    # Ended too soon.
    (400, "G"),
    (400, "GET / HTTP/1.1\r\n"),
    (400, "GET / HTTP/1.1\r\n" + HOST + "\r"),
    (400, POST + "Content-Length: 5\r\n\r\nhell"),
    (400, CHUNKED),
    (400, CHUNKED + "5\r\nhell"),
    (400, CHUNKED + "5\r\nhello\r\n0\r\n"),
    # Too long, at once.
    (414, "GET /" + "a" * 9000),
    (414, "GET /" + "a" * 9000 + " HTTP/1.1\r\n" + HOST + "\r\n"),
    (414, "A" * 9000),
    (431, "GET / HTTP/1.1\r\n" + HOST + "Long: " + "x" * 9000),
    (431, "GET / HTTP/1.1\r\n" + HOST + "x" * 9000),
    (431, "GET / HTTP/1.1\r\n" + HOST + "Many: x\r\n" * 1500 + "\r\n"),
    (431, "GET / HTTP/1.1\r\n" + HOST + "Folded: x\r\n" + " x\r\n" * 3000 + "\r\n"),
]


def check_malformed(program):
    """malformed requests are refused, each with its status, and the connection ends"""
    with Server(program) as server:
        for status, request in MALFORMED:
            with server.client() as client:
                try:
                    answer = client.send(request).end().response()
                    assert answer.status == status, f"instead of {status}: {answer}"
                    assert answer.fields["connection"] == "close", answer
                    assert answer.body.endswith(b"\n") and len(answer.body) > 5, answer
                    rest = client.rest()
                    assert rest == b"", f"something follows the refusal: {rest[:200]!r}"
                except (AssertionError, OSError, EOFError) as error:
                    raise AssertionError(f"{request[:200]!r}: {error!r}") from error
        server.check_alive()
        log = server.log()
        assert len(log) == len(MALFORMED), log


def check_limits_kept_for_trickles(program):
    """limits count what came in pieces, too"""
    with Server(program, "--head-bytes=1000", "--body-bytes=1000") as server:
        for status, begin, piece in (
                (431, "GET / HTTP/1.1\r\n" + HOST, "Many: x\r\n"),
                (431, "GET / HTTP/1.1\r\n" + HOST, "L"),
                (431, "GET /" + "a" * 600 + " HTTP/1.1\r\n", "Many: x\r\n"),
                (414, "GET /", "aaaa"),
                (400, CHUNKED + "1;", "xxxx"),
                (400, CHUNKED + "0\r\n", "Trailer: x\r\n"),
                (413, CHUNKED, "64\r\n" + "x" * 100 + "\r\n")):
            with server.client() as client:
                client.send(begin)
                for _ in range(3000):
                    if select.select([client.socket], [], [], 0.0005)[0]:
                        break
                    client.send(piece)
                assert client.response().status == status, begin
        server.check_alive()


def check_slow_loris(program):
    """clients that trickle their heads get 408, while others are served"""
    with Server(program, "--head=2") as server:
        clients = [server.client() for _ in range(300)]
        begin = time.monotonic()
        for letter in "GET / HTTP/1.1\r\n" + HOST + "X-Slow: " + "x" * 1000:
            if time.monotonic() - begin > 1:
                break
            for client in clients:  # so each of them sends something all the time
                client.send(letter)
            server.check_alive()
            time.sleep(0.05)
        for client in clients:
            answer = client.response()
            assert answer.status == 408 and answer.fields["connection"] == "close", answer
            assert client.rest() == b""
            client.socket.close()
        took = time.monotonic() - begin
        assert 1.9 < took < 8, f"they were sent away after {took:.1f} s"


def check_slow_body(program):
    """a body that does not come is refused with 408, and one that is only slow is waited for"""
    with Server(program, "--request=0.5") as server, Server(program) as patient:
        request = POST + "Content-Length: 5\r\n\r\nhell"
        with server.client() as client, patient.client() as slow:
            slow.send(request)
            assert client.send(request).response().status == 408
            assert client.rest() == b""
            assert slow.send("o").response().body == b"hello"


def check_time_limits(program):
    """idle connections are closed, and a slow answer is given up with 503"""
    with Server(program, "--idle=0.3", "--request=0.3") as server:
        with server.client() as silent, server.client() as kept, server.client() as patient:
            assert kept.get().body == HELLO
            answer = patient.get("/slow/60000")
            assert answer.status == 503 and "retry-after" in answer.fields, answer
            assert patient.rest() == silent.rest() == kept.rest() == b""
        server.check_alive()


def check_half_closed(program):
    """a client that has said all it wants to say still gets its answers"""
    with Server(program) as server:
        with server.client() as client:
            client.send("GET /slow/300 HTTP/1.1\r\n" + HOST + "\r\nGET / HTTP/1.1\r\n" + HOST + "\r\n").end()
            assert client.response().body == b"done\n"
            assert client.response().body == HELLO
            assert client.rest() == b""


def check_pipelining(program):
    """requests sent ahead are answered in order, however they are cut into pieces"""
    batch = (POST + "Content-Length: 3\r\n\r\none" + CHUNKED + "3\r\ntwo\r\n0\r\nTrailer: x\r\n\r\n" +
             "GET /chunks/2 HTTP/1.1\r\n" + HOST + "\r\n" + "HEAD / HTTP/1.1\r\n" + HOST + "\r\n" +
             "GET http://me/slow/0 HTTP/1.1\r\n" + HOST + "\r\n")

    def check_batch(client):
        assert client.response().body == b"one"
        assert client.response().body == b"two"
        assert client.response().body.count(b"\n") == 2
        assert client.response(to_head=True).fields["content-length"] == str(len(HELLO))
        assert client.response().body == b"done\n"

    with Server(program) as server:
        with server.client() as client:
            client.send(batch * 200)
            for _ in range(200):
                check_batch(client)
        for cut in range(1, len(batch)):
            with server.client() as client:
                client.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
                client.send(batch[:cut]).send(batch[cut:])
                check_batch(client)
        # Behind the last request nothing is looked at.
        with server.client() as client:
            client.send("GET / HTTP/1.1\r\n" + HOST + "Connection: close\r\n\r\n" + SMUGGLED)
            assert client.response().fields["connection"] == "close"
            assert client.rest() == b""


def check_bodies_nobody_reads(program):
    """a body that is not wanted is not taken for the next request"""
    unwanted = (f"POST /nothing HTTP/1.1\r\n{HOST}Content-Length: {len(SMUGGLED)}\r\n\r\n" + SMUGGLED,
                f"GET / HTTP/1.1\r\n{HOST}Content-Length: {len(SMUGGLED)}\r\n\r\n" + SMUGGLED,
                f"POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n" + SMUGGLED,
                f"POST /nothing HTTP/1.1\r\n{HOST}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n" + SMUGGLED)
    with Server(program) as server:
        for status, request in zip((404, 200, 405, 404), unwanted):
            with server.client() as client:
                answer = client.send(request).response()
                assert answer.status == status and answer.fields["connection"] == "close", (request, answer)
                assert client.end().rest() == b"", request


def check_older_clients(program):
    """HTTP/1.0 is given no chunks, and its connections are kept if it asks for that"""
    with Server(program) as server:
        with server.client() as client:
            answer = client.send("GET /chunks/2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").response()
            assert "transfer-encoding" not in answer.fields and answer.fields["connection"] == "close", answer
            assert answer.body.startswith(b"line 0.") and answer.body.endswith(b".\n"), answer
        with server.client() as client:
            for _ in range(2):
                answer = client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").response()
                assert answer.body == HELLO and answer.fields["connection"] == "keep-alive", answer
            assert client.send("GET / HTTP/1.0\r\n\r\n").response().fields["connection"] == "close"
            assert client.rest() == b""


def check_resets(program):
    """a connection may be reset at any point"""
    request = POST + "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    with Server(program) as server:
        server.check_alive()
        before = server.descriptors()
        for size in range(len(request) + 1):
            for text in (request[:size], SMUGGLED + request[:size]):
                client = server.client()
                if text:
                    client.send(text)
                client.reset()
        for wait in (0.0, 0.001, 0.01):  # while the answer is on its way
            for _ in range(30):
                client = server.client().send("GET /chunks/20000 HTTP/1.1\r\n" + HOST + "\r\n")
                time.sleep(wait)
                client.reset()
        server.check_alive()
        wait_until(lambda: server.descriptors() <= before, "the descriptors are given back")
        broken = re.compile("Connection reset by peer|Broken pipe|Transport endpoint is not connected")
        complaints = [line for line in server.log() if not broken.search(line)]
        assert not complaints, complaints


def check_never_reading(program):
    """who does not fetch its answer costs little, and is dropped"""
    with Server(program, "--request=1.5", "--body-bytes=100000000") as server:
        server.check_alive()
        before, descriptors = server.rss_kb(), server.descriptors()
        # Half of them want an answer without end, half send requests without end.
        clients = [server.client(receive_buffer=4096) for _ in range(40)]
        for client in clients[::2]:
            client.send("GET /chunks/1000000000 HTTP/1.1\r\n" + HOST + "\r\n")
        for client in clients[1::2]:
            client.socket.setblocking(False)
            try:
                while True:
                    client.socket.send((("GET /chunks/100 HTTP/1.1\r\n" + HOST + "\r\n") * 1000).encode())
            except BlockingIOError:
                client.socket.settimeout(LIMIT)
        server.check_alive()
        grown = server.rss_kb() - before
        assert grown < 8_000, f"40 clients that do not read cost {grown} kB"
        for client in clients:
            wait_until(lambda: select_error(client), "a client that does not read is dropped")
            client.socket.close()
        wait_until(lambda: server.descriptors() <= descriptors, "the descriptors are given back")
        server.check_alive()


def select_error(client):
    """Whether the connection was reset; looks at it without taking what has come."""
    poll = select.poll()
    poll.register(client.socket, select.POLLERR)
    return bool(poll.poll(0))


def check_half_an_answer(program):
    """an answer that cannot be finished is never taken for a whole one"""
    with Server(program, "--request=0.5") as server:
        for version in ("1.0", "1.1"):
            with server.client(receive_buffer=4096) as client:
                client.send(f"GET /chunks/1000000000 HTTP/{version}\r\n{HOST}\r\n")
                time.sleep(0.8)
                assert client.is_reset(), version


def check_too_many(program):
    """too many connections are told 503, and are served when others have gone"""
    with Server(program, "--connections=10") as server:
        clients = [server.client() for _ in range(10)]
        for client in clients:
            assert client.get().body == HELLO
        with server.client() as refused:
            answer = refused.response()  # without having asked
            assert answer.status == 503 and answer.fields["retry-after"] == "1", answer
            assert refused.end().rest() == b""
        with server.client() as refused, concurrent.futures.ThreadPoolExecutor(1) as sender:
            sending = sender.submit(refused.send, POST + "Content-Length: 3000000\r\n\r\n" + "x" * 3_000_000)
            assert refused.response().status == 503
            sending.result()
        for client in clients:
            assert client.get().body == HELLO
        clients.pop().socket.close()
        wait_until(lambda: is_served(server), "a place is free again")
        for client in clients:
            client.socket.close()


def is_served(server):
    with server.client() as client:
        return client.get().status == 200


def main():
    run(sys.argv[1], [check_malformed, check_limits_kept_for_trickles, check_slow_loris, check_slow_body,
                      check_time_limits, check_half_closed, check_pipelining, check_bodies_nobody_reads,
                      check_older_clients, check_resets, check_never_reading,
                      check_half_an_answer, check_too_many])


if __name__ == "__main__":
    main()
