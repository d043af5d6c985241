// serve(): limits, handlers that fail, and an end by closing or by cancelling, with clients who
// have gone by then and others who stay.

#include <system_error>
#include <vector>

#include "soak/loads/tcp_peers.h"

namespace soak {

namespace {

weft::ServeOptions some_options(Ledger& ledger, Random& random) {
  weft::ServeOptions options;
  if (random.one_in(2)) options.max_connections = static_cast<std::size_t>(1 + random.below(8));
  options.drain_timeout = some_micros(random, 2000);
  options.on_error = [&ledger](const weft::ServeError& error) {
    try {
      std::rethrow_exception(error.error);
    } catch (const Failure& failure) {
      failure.seen();
    } catch (const std::system_error& failed) {
      if (!is_broken_off(failed.code())) ledger.wrong(failed.what());
    } catch (const std::exception& other) {
      ledger.wrong(other.what());
    }
  };
  return options;
}

/// A handler fails when it is told to by the first byte.
void handle(Ledger& ledger, weft::TcpStream& stream) {
  const Ledger::Token call(ledger, Book::kCalls);
  std::byte first{};
  if (stream.read_some({&first, 1}) == 0) return;
  if (first == std::byte{0}) fail(ledger);
  stream.write_all(std::span<const std::byte>(&first, 1));
  send_back(stream);
}

void visit(Ledger& ledger, Random random, const weft::SocketAddress& address) {
  try {
    weft::TcpStream stream = weft::TcpStream::connect(address);
    const bool fails = random.one_in(4);
    const std::byte first{static_cast<unsigned char>(fails ? 0 : 1)};
    stream.write_all(std::span<const std::byte>(&first, 1));
    std::byte answer{};
    const std::size_t count = stream.read_some({&answer, 1});
    ledger.expect(count == 0 || !fails, "a handler that fails has answered");
    if (random.one_in(2)) stream.read_some({&answer, 1});  // stays until the server goes
  } catch (const std::system_error& error) {
    const bool refused = error.code() == std::errc::connection_refused;
    if (!refused && !is_broken_off(error.code())) ledger.wrong(error.what());
  }
}

void serve_once(Scene& scene) {
  Ledger& ledger = scene.ledger;
  Random& random = scene.random;
  weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
  const weft::SocketAddress address = listener.local_address();
  const weft::ServeOptions options = some_options(ledger, random);
  auto server = start(ledger, [&] {
    weft::serve(
        listener, [&ledger](weft::TcpStream& stream) { handle(ledger, stream); }, options);
  });
  std::vector<weft::Task<void>> clients;
  for (int i = random.below(16); i > 0; --i) {
    clients.push_back(
        start(ledger, [&, of_visit = random.split()] { visit(ledger, of_visit, address); }));
  }
  weft::sleep_for(some_micros(random, 3000));
  const bool cancels = random.one_in(2);
  if (cancels) {
    server.cancel();
  } else {
    listener.close();
  }
  ledger.expect(see(ledger, server) == (cancels ? End::kCancelled : End::kValue),
                "serve ends otherwise than it was told to");
  ledger.expect(ledger.open(Book::kCalls) == 0, "serve has left a handler behind");
  listener.close();  // serve has not, if it was cancelled before it began
  for (auto& client : clients) see(ledger, client);
}

}  // namespace

void serving(Scene& scene) {
  for (int turn = 0; turn < scaled(20); ++turn) serve_once(scene);
}

}  // namespace soak
