// The stall workload as a user of weft writes it: a fiber a connection, which knows nothing of what
// the others burn.

#include <weft/weft.h>

#include <array>
#include <cstddef>
#include <span>

#include "support/burn.h"
#include "support/end_with_stdin.h"
#include "support/loopback.h"
#include "support/workers.h"

namespace {

void echo(weft::TcpStream& stream) {
  std::array<std::byte, 4096> buffer;
  while (const std::size_t got = stream.read_some(buffer)) {
    bench::burn_if_marked(buffer.data());
    stream.write_all(std::span(buffer).first(got));
  }
}

}  // namespace

int main() {
  bench::end_with_stdin();
  weft::run(weft::Options{.workers = bench::workers()}, [] {
    weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
    bench::say_listening(listener.local_port());
    weft::serve(listener, echo);
  });
}
