// Echo servers and clients that behave: what is sent comes back, all of it and in order.

#include <vector>

#include "soak/loads/tcp_peers.h"

namespace soak {

namespace {

void handle(Ledger& ledger, weft::TcpStream& stream) {
  send_back(stream);
  ledger.out(Book::kConnections);
}

void converse(Ledger& ledger, Random random, const weft::TcpListener& listener) {
  const Pattern pattern(random.next());
  const std::uint64_t total = random.one_in(10) ? 0 : random.next() % 300'000;
  weft::TcpStream stream = random.one_in(4)
                               ? weft::TcpStream::connect("localhost", listener.local_port())
                               : weft::TcpStream::connect(listener.local_address());
  ledger.in(Book::kConnections);
  auto writer = start(ledger, [&, of_writer = random.split()] {
    send_all(ledger, stream, of_writer, pattern, total);
  });
  const std::uint64_t received = receive_all(ledger, stream, random.split(), pattern);
  ledger.expect(received == total, "an echo is too short or too long");
  see(ledger, writer);
}

}  // namespace

void echo(Scene& scene) { play(scene, &handle, scaled(10), &converse); }

}  // namespace soak
