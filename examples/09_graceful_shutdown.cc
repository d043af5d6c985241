// A server whose end costs nobody an answer.
//
//   09_graceful_shutdown [PORT]      and in another terminal: nc localhost PORT
//
// Each line that a client sends asks for so many milliseconds of work. SIGTERM or Ctrl-C stops the
// server: it takes no more clients, sends away those that wait for nothing, gives the others two
// seconds to get their answer, and cuts off the rest. A second signal ends the process at once.

#include <signal.h>
#include <weft/error.h>
#include <weft/event.h>
#include <weft/runtime.h>
#include <weft/serve.h>
#include <weft/sleep.h>
#include <weft/task_group.h>
#include <weft/tcp.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>

#include "support/number.h"

using namespace std::chrono_literals;

weft::Event stopping;
std::atomic<int> answered_late{0}, cut_off{0};

void answer_requests(weft::TcpStream& client) {
  try {
    for (;;) {
      std::string line = client.read_until("\n");
      line.pop_back();
      weft::sleep_for(std::chrono::milliseconds(parse_number(line, 0, 3'600'000).value_or(0)));
      if (stopping.is_set()) ++answered_late;
      client.write_all("done\n");
    }
  } catch (const weft::IncompleteRead&) {  // no further request: the client has ended, or we have
  } catch (const std::system_error&) {     // the client broke off
  } catch (const weft::Cancelled&) {
    ++cut_off;
    throw;
  }
}

// One client. To wait at once for its next request and for the end of the server takes two tasks.
// A connection that is shut for reading gives what has come before, and then its end.
void serve_client(weft::TcpStream& client) {
  weft::task_group([&](weft::TaskGroup& group) {
    const auto watch = group.spawn([&] {
      stopping.wait();
      try {
        client.shutdown(weft::Shutdown::kRead);
      } catch (const std::system_error&) {  // the client has just broken off
      }
    });
    answer_requests(client);
    watch.cancel();
  });
}

void run_server(std::uint16_t port) {
  auto listener = weft::TcpListener::bind("", port);
  std::printf("listening on port %u, SIGTERM or Ctrl-C ends\n", unsigned{listener.local_port()});
  auto serving = weft::spawn([&] { weft::serve(listener, serve_client, {.drain_timeout = 2s}); });
  try {
    serving.join();  // get() would hand the cancellation of this task on to the server
  } catch (const weft::Cancelled&) {
    std::puts("stopping");
    listener.close();  // serve() returns once all connections have ended, two seconds are the limit
    stopping.set();
  }
  serving.get();
  std::printf("%d answered meanwhile, %d cut off\n", answered_late.load(), cut_off.load());
}

int main(int argc, char** argv) {
  const auto port = parse_number<std::uint16_t>(argc > 1 ? argv[1] : "7007", 0, 65535);
  if (argc > 2 || !port) {
    std::fprintf(stderr, "usage: %s [PORT]   (0 to 65535, default 7007)\n", argv[0]);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a line is seen at once, through a pipe too
  // run() cancels the main task at the first SIGINT, if that is at its default, which a shell may
  // have changed. SIGTERM shall mean the same.
  ::signal(SIGINT, SIG_DFL);
  struct sigaction on_sigterm = {};
  on_sigterm.sa_handler = [](int) { ::raise(SIGINT); };
  on_sigterm.sa_flags = SA_RESTART | SA_ONSTACK;  // not on the small stack of a task
  ::sigaction(SIGTERM, &on_sigterm, nullptr);
  try {
    weft::run([port] { run_server(*port); });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
