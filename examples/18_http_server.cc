// An HTTP/1.1 server that can be left alone with the internet: keep-alive, pipelining, chunked
// bodies, limits on everything, and an end that loses no answer.
//
//   18_http_server [--port 8080] [--connections 1000] [--log] ...
//   curl localhost:8080/                            hello
//   curl localhost:8080/echo --data-binary @FILE    what was sent
//   curl localhost:8080/count -T FILE               its size, however large
//   curl localhost:8080/chunks/10                   so many lines, in a chunk each
//   curl localhost:8080/slow/500                    an answer after so many milliseconds
//
// SIGTERM or Ctrl-C stops it, once all that has begun is answered; a second signal ends it at once.

#include <signal.h>
#include <weft/error.h>
#include <weft/runtime.h>
#include <weft/sleep.h>
#include <weft/task.h>
#include <weft/tcp.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/server.h"
#include "http/server_options.h"
#include "support/number.h"

using web::Exchange;
namespace http = web::http;

// The number behind `prefix`, if that is how the path begins.
std::optional<int> number_in(std::string_view path, std::string_view prefix) {
  if (!path.starts_with(prefix)) return std::nullopt;
  return parse_number(path.substr(prefix.size()), 0, 1'000'000'000);
}

void hello(Exchange& exchange) { exchange.answer({}, "hello, world\n"); }

void echo(Exchange& exchange) {
  const std::string body = exchange.read_body();
  exchange.answer({.type = "application/octet-stream"}, body);
}

// Never has more than a part of it in memory.
void count(Exchange& exchange) {
  std::array<char, 65536> part;
  std::size_t total = 0;
  while (const std::size_t got = exchange.read_some(part)) total += got;
  exchange.answer({}, std::to_string(total) + "\n");
}

void chunks(Exchange& exchange, int lines) {
  exchange.begin({});
  for (int i = 0; i < lines; ++i) {
    exchange.send("line " + std::to_string(i) + std::string(1000, '.') + "\n");
  }
}

void slow(Exchange& exchange, int milliseconds) {
  weft::sleep_for(std::chrono::milliseconds(milliseconds));
  exchange.answer({}, "done\n");
}

void wrong_method(Exchange& exchange, const char* allowed) {
  exchange.answer({.status = http::status::method_not_allowed, .fields = {{"Allow", allowed}}},
                  std::string("only ") + allowed + "\n");
}

void route(Exchange& exchange) {
  const std::string_view path = exchange.path();
  const http::verb method = exchange.request().method();
  if (path == "/echo" || path == "/count") {
    if (method != http::verb::post && method != http::verb::put) {
      return wrong_method(exchange, "POST, PUT");
    }
    return path == "/echo" ? echo(exchange) : count(exchange);
  }
  const std::optional<int> lines = number_in(path, "/chunks/");
  const std::optional<int> milliseconds = number_in(path, "/slow/");
  if (path != "/" && !lines && !milliseconds) {
    return exchange.answer({.status = http::status::not_found}, "no such page\n");
  }
  if (!exchange.is_get()) return wrong_method(exchange, "GET, HEAD");
  if (lines) return chunks(exchange, *lines);
  if (milliseconds) return slow(exchange, *milliseconds);
  hello(exchange);
}

void run_server(const web::ServerOptions& options) {
  const auto log = [&](const std::string& line) {
    if (options.log) std::fprintf(stderr, "%s\n", line.c_str());
  };
  web::Server server(route, options.limits, log);
  auto listener = weft::TcpListener::bind(options.host, options.port);
  std::printf("listening on port %u, SIGTERM or Ctrl-C ends\n", unsigned{listener.local_port()});
  auto serving = weft::spawn([&] { server.run(listener); });
  try {
    serving.join();  // get() would hand the cancellation of this task on to the server
  } catch (const weft::Cancelled&) {
    std::puts("stopping");
    server.stop(listener);
  }
  serving.get();
  std::puts("stopped");
}

int main(int argc, char** argv) {
  const web::ServerOptions options = web::server_options_or_exit(argc, argv);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a line is seen at once, through a pipe too
  // run() cancels the main task at the first SIGINT, if that is at its default, which a shell may
  // have changed. SIGTERM shall mean the same.
  ::signal(SIGINT, SIG_DFL);
  struct sigaction on_sigterm = {};
  on_sigterm.sa_handler = [](int) { ::raise(SIGINT); };
  on_sigterm.sa_flags = SA_RESTART | SA_ONSTACK;  // not on the small stack of a task
  ::sigaction(SIGTERM, &on_sigterm, nullptr);
  try {
    weft::run([&] { run_server(options); });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "18_http_server: %s\n", error.what());
    return 1;
  }
}
