// Many connections, of which few say anything: the server as a user of weft writes it, with a
// buffer that fits its requests.

#include <weft/weft.h>

#include <array>
#include <cstddef>
#include <cstdio>
#include <span>

#include "support/end_with_stdin.h"
#include "support/workers.h"

namespace {

void echo(weft::TcpStream& stream) {
  std::array<std::byte, 1024> buffer;
  while (const std::size_t got = stream.read_some(buffer)) {
    stream.write_all(std::span(buffer).first(got));
  }
}

}  // namespace

int main() {
  bench::end_with_stdin();
  weft::run(weft::Options{.workers = bench::workers()}, [] {
    weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
    std::printf("listening on 127.0.0.1:%u\n", unsigned{listener.local_port()});
    std::fflush(stdout);
    weft::serve(listener, echo);
  });
}
