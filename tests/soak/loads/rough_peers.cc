// Connections that end badly: resets, half-closes, closes under a reader's feet, slow readers that
// go away, and cancellations in mid-transfer. What does arrive is a beginning of what was sent.

#include <sys/socket.h>

#include <system_error>
#include <vector>

#include "soak/loads/tcp_peers.h"

namespace soak {

namespace {

void reset(weft::TcpStream& stream) {
  const linger at_once{1, 0};
  ::setsockopt(stream.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  stream.close();
}

/// More than the kernel buffers for a peer that reads slowly, so that the writer has to wait.
constexpr std::uint64_t kMostSent = std::uint64_t{2} << 20;

/// Sends the pattern until something stops it.
void send_much(weft::TcpStream& stream, Pattern pattern) {
  std::vector<std::byte> piece(8192);
  for (std::uint64_t sent = 0; sent < kMostSent; sent += piece.size()) {
    pattern.fill(piece, sent);
    stream.write_all(std::span<const std::byte>(piece));
  }
}

/// Checks what comes until nothing does, or something stops it.
void receive(Ledger& ledger, weft::TcpStream& stream, Pattern pattern, Micros pause) {
  std::vector<std::byte> piece(4096);
  for (std::uint64_t received = 0;;) {
    const std::size_t count = stream.read_some(piece);
    if (count == 0) return;
    ledger.expect(pattern.matches(std::span(piece).first(count), received),
                  "a broken connection mixes up its bytes");
    received += count;
    if (pause > Micros::zero()) weft::sleep_for(pause);
  }
}

/// Runs `body`, which may end because the connection does.
template <class F>
void until_broken_off(Ledger& ledger, F&& body) {
  try {
    body();
  } catch (const std::system_error& error) {
    if (!is_broken_off(error.code())) ledger.wrong(error.what());
  }
}

void handle(Ledger& ledger, weft::TcpStream& stream) {
  until_broken_off(ledger, [&] { send_back(stream); });
}

/// Both directions are busy; then the connection is ended in one way or another.
void break_off(Ledger& ledger, Random random, const weft::TcpListener& listener) {
  const Pattern pattern(random.next());
  weft::TcpStream stream;
  try {
    stream = weft::timeout(Micros(random.one_in(8) ? 0 : 20'000'000),
                           [&] { return weft::TcpStream::connect(listener.local_address()); });
  } catch (const weft::TimeoutError&) {
    return;
  }
  const Micros pause = random.one_in(3) ? some_micros(random, 500) : Micros::zero();
  auto writer =
      start(ledger, [&] { until_broken_off(ledger, [&] { send_much(stream, pattern); }); });
  auto reader = start(
      ledger, [&] { until_broken_off(ledger, [&] { receive(ledger, stream, pattern, pause); }); });
  weft::sleep_for(some_micros(random, 3000));
  switch (random.below(5)) {
    case 0:
      reset(stream);
      break;
    case 1:
      stream.close();
      break;
    case 2:
      stream.shutdown(weft::Shutdown::kWrite);  // the writer fails, the reader reads to the end
      break;
    case 3:
      stream.shutdown(weft::Shutdown::kBoth);
      break;
    default:
      writer.cancel();
      if (random.one_in(2)) reader.cancel();
  }
  see(ledger, writer);
  if (stream.is_open()) until_broken_off(ledger, [&] { stream.shutdown(weft::Shutdown::kWrite); });
  see(ledger, reader);
}

}  // namespace

void rough_peers(Scene& scene) { play(scene, &handle, scaled(20), &break_off); }

}  // namespace soak
