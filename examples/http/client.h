#pragma once

#include <weft/semaphore.h>
#include <weft/tls_context.h>

#include <atomic>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "input.h"
#include "url.h"
#include "wire.h"

namespace web {

struct ClientOptions {
  std::size_t per_host = 4;   // connections at a time
  std::size_t redirects = 5;  // that are followed for one page
  std::size_t head_bytes = std::size_t{64} << 10;
  std::size_t body_bytes = std::size_t{64} << 20;
};

struct Page {
  http::response<http::string_body> answer;
  Url url;  // where it was found in the end
  std::size_t redirects = 0;
};

// Fetches pages over HTTP/1.1, with TLS or without, and keeps the connections for the next page of
// the same host. Any number of tasks may call it at once; each waits by itself.
class Client {
 public:
  // `trusted` says whose certificates servers may show that speak TLS.
  Client(const ClientOptions& options, weft::TlsContext trusted)
      : options_(options), trusted_(std::move(trusted)) {}

  // Throws std::runtime_error that says what was wrong with the answer or with a redirection, and
  // std::system_error if a connection failed. For a time limit, call it under weft::timeout: what
  // is cancelled costs its connection and nothing else.
  Page get(const Url& url);

  std::size_t connections_made() const { return connections_made_; }

 private:
  struct Connection {
    explicit Connection(Wire connected) : wire(std::move(connected)), input(wire) {}
    Wire wire;
    Input input;
  };
  // Where connections go to and come from.
  struct Host {
    explicit Host(std::size_t most) : places(most) {}
    weft::Semaphore places;
    std::vector<std::unique_ptr<Connection>> idle;  // by mutex_
  };
  using Response = http::response<http::string_body>;

  Host& host_of(const Url& url);
  std::unique_ptr<Connection> take_idle(Host& host);
  Response fetch(const Url& url);
  std::optional<Response> ask(const Url& url, Host& host, std::unique_ptr<Connection> connection);

  const ClientOptions options_;
  const weft::TlsContext trusted_;
  std::atomic<std::size_t> connections_made_{0};
  std::mutex mutex_;  // held for moments and never across a wait, so a thread's mutex serves
  std::map<std::pair<bool, std::string>, Host> hosts_;  // by TLS or not and authority; they stay
};

}  // namespace web
