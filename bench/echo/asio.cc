// The echo workload on Asio: callbacks, one io_context, as many threads to run it as there are
// workers.

#include <array>
#include <cstddef>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio.hpp>

#include "support/check.h"
#include "support/end_with_stdin.h"
#include "support/loopback.h"
#include "support/workers.h"

namespace {

using asio::ip::tcp;

struct Connection {
  explicit Connection(tcp::socket accepted) : socket(std::move(accepted)) {}
  tcp::socket socket;
  std::array<char, 4096> buffer;
};

// One operation of a connection is under way at a time and owns it; an error ends both. So no two
// threads meet in a connection, and none needs a strand.
void read_some(std::unique_ptr<Connection> connection);

void write_all(std::unique_ptr<Connection> connection, std::size_t length) {
  Connection& at = *connection;
  asio::async_write(
      at.socket, asio::buffer(at.buffer.data(), length),
      [connection = std::move(connection)](std::error_code error, std::size_t) mutable {
        if (!error) read_some(std::move(connection));
      });
}

void read_some(std::unique_ptr<Connection> connection) {
  Connection& at = *connection;
  at.socket.async_read_some(
      asio::buffer(at.buffer),
      [connection = std::move(connection)](std::error_code error, std::size_t got) mutable {
        if (!error) write_all(std::move(connection), got);
      });
}

void accept_all(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](std::error_code error, tcp::socket socket) {
    bench::check(!error || error == asio::error::connection_aborted, "accept");
    if (!error) {
      socket.set_option(tcp::no_delay(true), error);
      read_some(std::make_unique<Connection>(std::move(socket)));
    }
    accept_all(acceptor);
  });
}

}  // namespace

int main() {
  bench::end_with_stdin();
  asio::io_context context(static_cast<int>(bench::workers()));
  tcp::acceptor acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  bench::say_listening(acceptor.local_endpoint().port());
  accept_all(acceptor);
  std::vector<std::thread> others;
  for (unsigned i = 1; i < bench::workers(); ++i) {
    others.emplace_back([&context] { context.run(); });
  }
  context.run();
  for (auto& other : others) other.join();
}
