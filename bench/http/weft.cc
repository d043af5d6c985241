// The http workload as a user of weft writes it: a fiber a connection, blocking-style code.

#include <weft/weft.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <string_view>

#include "exchange.h"
#include "support/end_with_stdin.h"
#include "support/loopback.h"
#include "support/workers.h"

namespace {

constexpr std::chrono::seconds kPartingLimit(1);

using Buffer = std::array<char, 4096>;

std::string_view read(weft::TcpStream& stream, Buffer& buffer) {
  const std::size_t got = stream.read_some(std::as_writable_bytes(std::span(buffer)));
  return {buffer.data(), got};
}

void part(weft::TcpStream& stream, Buffer& buffer) {
  stream.shutdown();
  try {
    weft::timeout(kPartingLimit, [&] {
      while (!read(stream, buffer).empty()) continue;
    });
  } catch (const weft::TimeoutError&) {
    // A peer that goes on sending has had its time to read the answer.
  }
}

void talk(weft::TcpStream& stream) {
  bench::Exchange exchange("weft");
  Buffer buffer;
  while (!exchange.ended()) {
    const std::string_view received = read(stream, buffer);
    if (received.empty()) return;
    const std::string_view answers = exchange.take(received);
    if (!answers.empty()) stream.write_all(answers);
  }
  part(stream, buffer);
}

}  // namespace

int main() {
  bench::end_with_stdin();
  weft::run(weft::Options{.workers = bench::workers()}, [] {
    weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
    bench::say_listening(listener.local_port());
    weft::serve(listener, talk);
  });
}
