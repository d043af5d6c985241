#include "soak/loads/tcp_peers.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

namespace soak {

namespace {

constexpr std::size_t kPiece = 16384;

/// Fills `into`; told to stop again and again, it has taken nothing each time.
void read_between_timeouts(weft::TcpStream& stream, Random& random, std::span<std::byte> into) {
  for (int impatience = 0; impatience < 20; ++impatience) {
    try {
      weft::timeout(some_micros(random, 100), [&] { stream.read_exactly(into); });
      return;
    } catch (const weft::TimeoutError&) {
    }
  }
  stream.read_exactly(into);
}

}  // namespace

void send_all(Ledger& ledger, weft::TcpStream& stream, Random random, Pattern pattern,
              std::uint64_t total) {
  std::vector<std::byte> piece(kPiece);
  for (std::uint64_t sent = 0; sent < total;) {
    const auto most = static_cast<int>(std::min<std::uint64_t>(total - sent, kPiece));
    const auto size = static_cast<std::size_t>(1 + random.below(most));
    pattern.fill(std::span(piece).first(size), sent);
    if (random.one_in(3)) {
      const std::size_t cut = static_cast<std::size_t>(random.below(static_cast<int>(size)));
      const std::array<iovec, 2> parts{iovec{piece.data(), cut},
                                       iovec{piece.data() + cut, size - cut}};
      stream.write_all(parts);
    } else {
      stream.write_all(std::span<const std::byte>(piece).first(size));
    }
    sent += size;
    ledger.in(Book::kBytes, size);
    if (random.one_in(16)) weft::sleep_for(some_micros(random, 200));
  }
  stream.shutdown(weft::Shutdown::kWrite);
}

std::uint64_t receive_all(Ledger& ledger, weft::TcpStream& stream, Random random, Pattern pattern) {
  std::vector<std::byte> piece(kPiece);
  std::uint64_t received = 0;
  const auto check = [&](std::span<const std::byte> bytes) {
    ledger.expect(pattern.matches(bytes, received), "bytes are lost, or out of order");
    received += bytes.size();
    ledger.out(Book::kBytes, bytes.size());
  };
  for (;;) {
    std::span<std::byte> into =
        std::span(piece).first(static_cast<std::size_t>(1 + random.below(kPiece)));
    if (random.one_in(16)) weft::sleep_for(some_micros(random, 500));  // a slow reader
    if (random.one_in(2)) {
      const std::size_t count = stream.read_some(into);
      if (count == 0) return received;
      check(into.first(count));
      continue;
    }
    try {
      if (random.one_in(4)) {
        const std::string line = stream.read_until("\n", 4096);
        check(std::as_bytes(std::span(line)));
      } else {
        read_between_timeouts(stream, random, into);
        check(into);
      }
    } catch (const weft::LimitExceeded&) {  // and nothing is taken
    } catch (const weft::IncompleteRead& end) {
      check(end.partial);
      ledger.expect(stream.read_some(into) == 0, "a stream goes on after its end");
      return received;
    }
  }
}

namespace {

// Takes connections until the listener is closed, and handles each in a fiber of its own; returns
// when all are over.
void accept_all(Ledger& ledger, weft::TcpListener& listener,
                void (*handle)(Ledger& ledger, weft::TcpStream& stream)) {
  std::vector<weft::Task<void>> connections;
  for (;;) {
    try {
      connections.push_back(start(ledger, [&ledger, handle, stream = listener.accept()]() mutable {
        handle(ledger, stream);
      }));
    } catch (const std::system_error& error) {
      if (listener.is_open()) ledger.wrong(error.what());
      break;
    }
  }
  for (auto& connection : connections) see(ledger, connection);
}

}  // namespace

void play(Scene& scene, void (*handle)(Ledger& ledger, weft::TcpStream& stream), int turns,
          void (*client)(Ledger& ledger, Random random, const weft::TcpListener& listener)) {
  Ledger& ledger = scene.ledger;
  weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
  auto server = start(ledger, [&] { accept_all(ledger, listener, handle); });
  std::vector<weft::Task<void>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(start(ledger, [&, random = scene.random.split()]() mutable {
      for (int turn = 0; turn < turns; ++turn) client(ledger, random.split(), listener);
    }));
  }
  for (auto& task : clients) see(ledger, task);
  listener.close();
  see(ledger, server);
}

void send_back(weft::TcpStream& stream) {
  std::vector<std::byte> piece(kPiece);
  while (const std::size_t count = stream.read_some(piece)) {
    stream.write_all(std::span<const std::byte>(piece).first(count));
  }
  stream.shutdown(weft::Shutdown::kWrite);
}

bool is_broken_off(const std::error_code& code) noexcept {
  return code == std::errc::connection_reset || code == std::errc::broken_pipe ||
         code == std::errc::operation_canceled || code == std::errc::bad_file_descriptor ||
         code == std::errc::not_connected;
}

}  // namespace soak
