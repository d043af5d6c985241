"""A web server that says whatever a test wants, well or not."""

import socket
import ssl
import struct
import threading
import time


class Site:
    """Answers each request with the bytes that `answers` has for its path, and perhaps ends the connection.

    With `certificate`, the files of one and its key, it speaks TLS.
    """

    def __init__(self, answers, certificate=None):
        self.answers = answers
        self.tls = None
        if certificate:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*certificate)
        self.lock = threading.Lock()
        self.connections = self.requests = self.inside = self.most_inside = 0
        self.asked = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        port = self.listener.getsockname()[1]
        self.url = f"https://localhost:{port}" if certificate else f"http://127.0.0.1:{port}"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            connection, _ = self.listener.accept()
            self.connections += 1
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True, suppress_ragged_eofs=False)
            self.answer_requests(connection)
        except OSError:
            connection.close()

    def answer_requests(self, connection):
        with connection, connection.makefile("rb") as requests:
            for line in requests:
                path = line.split()[1].decode()
                while requests.readline() not in (b"\r\n", b""):
                    pass
                with self.lock:
                    self.requests += 1
                    self.inside += 1
                    self.most_inside = max(self.most_inside, self.inside)
                self.asked.set()
                try:
                    if self.answers[path](connection):
                        return
                except OSError:
                    return
                finally:
                    with self.lock:
                        self.inside -= 1


def says(data, end=True):
    """Whether the connection ends after it is the second thing."""
    def answer(connection):
        connection.sendall(data)
        return end
    return answer


def resets(data):
    def answer(connection):
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return True
    return answer


def trickles(data, pause):
    def answer(connection):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)
        return False
    return answer


def declares_end(data):
    """As TLS has it, before the connection ends."""
    def answer(connection):
        connection.sendall(data)
        connection.unwrap()
        return True
    return answer


def unprotected(data):
    """Past TLS."""
    def answer(connection):
        with socket.socket(fileno=connection.detach()) as below:
            below.sendall(data)
        return True
    return answer


def endless(begin, piece):
    def answer(connection):
        connection.sendall(begin)
        while True:
            connection.sendall(piece)
    return answer
