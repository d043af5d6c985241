// An echo server: every client gets back what it sends.
//
//   05_echo_server [PORT]          and in another terminal: nc localhost PORT
//
// Ctrl-C ends it: run() then cancels the main task, serve() takes no more clients, gives those it
// has a second to finish, and passes the cancellation on.

#include <weft/error.h>
#include <weft/runtime.h>
#include <weft/serve.h>
#include <weft/tcp.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>

#include "support/number.h"

using namespace std::chrono_literals;

// One client, from the beginning to the end. serve() runs this in a task for each; read_some() and
// write_all() suspend the task, never the thread.
void echo(weft::TcpStream& client) {
  const std::string name = client.peer_address().to_string();
  std::printf("%s came\n", name.c_str());
  std::array<std::byte, 4096> buffer;
  while (const std::size_t got = client.read_some(buffer)) {
    client.write_all(std::span(buffer).first(got));
  }
  std::printf("%s left\n", name.c_str());
}

void run_server(std::uint16_t port) {
  weft::TcpListener listener = weft::TcpListener::bind("", port);  // "": on every interface
  std::printf("listening on port %u, Ctrl-C ends\n", unsigned{listener.local_port()});
  weft::serve(listener, echo, {.drain_timeout = 1s});
}

int main(int argc, char** argv) {
  const auto port = parse_number<std::uint16_t>(argc > 1 ? argv[1] : "7007", 0, 65535);
  if (argc > 2 || !port) {
    std::fprintf(stderr, "usage: %s [PORT]   (0 to 65535, default 7007; 0: any free one)\n",
                 argv[0]);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a line is seen at once, through a pipe too
  try {
    weft::run([port] { run_server(*port); });
  } catch (const weft::Cancelled&) {
    std::puts("stopped");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
