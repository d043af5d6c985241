#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <asio.hpp>

#include "check.h"
#include "end_with_stdin.h"
#include "loopback.h"
#include "workers.h"

namespace bench {

using asio::ip::tcp;

// An echo server of callbacks on one io_context, which as many threads run as there are workers.
// What was read goes through `Work` before it is answered.
template <class Work>
class AsioEcho {
 public:
  explicit AsioEcho(Work work) : work_(std::move(work)) {}

  // Never returns: the process ends with its standard input.
  void run() {
    end_with_stdin();
    say_listening(acceptor_.local_endpoint().port());
    accept_all();
    std::vector<std::thread> others;
    for (unsigned i = 1; i < workers(); ++i) {
      others.emplace_back([this] { context_.run(); });
    }
    context_.run();
    for (auto& other : others) other.join();
  }

 private:
  struct Connection {
    explicit Connection(tcp::socket accepted) : socket(std::move(accepted)) {}
    tcp::socket socket;
    std::array<char, 4096> buffer;
  };

  // One operation of a connection is under way at a time and owns it; an error ends both. So no two
  // threads meet in a connection, and none needs a strand.
  void read_some(std::unique_ptr<Connection> connection) {
    Connection& at = *connection;
    at.socket.async_read_some(
        asio::buffer(at.buffer),
        [this, connection = std::move(connection)](std::error_code error, std::size_t got) mutable {
          if (error) return;
          work_(connection->buffer.data());
          write_all(std::move(connection), got);
        });
  }

  void write_all(std::unique_ptr<Connection> connection, std::size_t length) {
    Connection& at = *connection;
    asio::async_write(
        at.socket, asio::buffer(at.buffer.data(), length),
        [this, connection = std::move(connection)](std::error_code error, std::size_t) mutable {
          if (!error) read_some(std::move(connection));
        });
  }

  void accept_all() {
    acceptor_.async_accept([this](std::error_code error, tcp::socket socket) {
      check(!error || error == asio::error::connection_aborted, "accept");
      if (!error) {
        socket.set_option(tcp::no_delay(true), error);
        read_some(std::make_unique<Connection>(std::move(socket)));
      }
      accept_all();
    });
  }

  Work work_;
  asio::io_context context_{static_cast<int>(workers())};
  tcp::acceptor acceptor_{context_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
};

}  // namespace bench
