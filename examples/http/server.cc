#include "server.h"

#include <sys/socket.h>
#include <weft/error.h>
#include <weft/serve.h>
#include <weft/timeout.h>

#include <array>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>

namespace web {
namespace {

// So many connections beyond the limit can be told so at a time; the rest waits to be accepted.
constexpr std::size_t kRefusedAtOnce = 100;
constexpr std::chrono::seconds kPartingLimit(2);

// A socket that is closed with unread bytes resets the connection, and what was sent last may be
// lost with it. So a peer that still sends is heard out, for a while.
void part(weft::TcpStream& stream) {
  stream.shutdown();
  std::array<std::byte, 4096> ignored;
  while (stream.read_some(ignored) > 0) continue;
}

// So that half an answer is not taken for a whole one, and that the kernel does not keep what the
// peer does not fetch.
void reset(weft::TcpStream& stream) {
  const linger at_once{1, 0};
  ::setsockopt(stream.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  stream.close();
}

}  // namespace

// A connection while it waits for nothing but its next request, so that stop() can end it.
class Server::Waiting {
 public:
  Waiting(Server& server, weft::TcpStream& stream) : server_(server), stream_(stream) {
    const std::lock_guard lock(server.mutex_);
    server.waiting_.insert(&stream);
    if (server.stopping_) end(stream);
  }
  ~Waiting() {
    const std::lock_guard lock(server_.mutex_);
    server_.waiting_.erase(&stream_);
  }
  // A request that has come in already can still be read.
  static void end(weft::TcpStream& stream) noexcept {
    try {
      stream.shutdown(weft::Shutdown::kRead);
    } catch (const std::system_error&) {
      // The peer has broken off, and reading will say so.
    }
  }

 private:
  Server& server_;
  weft::TcpStream& stream_;
};

Server::Server(Handler handler, const Limits& limits, Log log)
    : handler_(std::move(handler)), limits_(limits), log_(std::move(log)) {}

void Server::run(weft::TcpListener& listener) {
  const weft::ServeOptions options{
      .max_connections = limits_.connections + kRefusedAtOnce,
      .drain_timeout = std::chrono::duration_cast<std::chrono::nanoseconds>(limits_.drain)};
  weft::serve(
      listener, [this](weft::TcpStream& stream) { serve_connection(stream); }, options);
}

void Server::stop(weft::TcpListener& listener) {
  listener.close();
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (weft::TcpStream* stream : waiting_) Waiting::end(*stream);
}

void Server::serve_connection(weft::TcpStream& stream) {
  struct Place {
    explicit Place(std::atomic<std::size_t>& count) : taken(count), before(taken++) {}
    ~Place() { --taken; }
    std::atomic<std::size_t>& taken;
    const std::size_t before;
  } place(connections_);
  try {
    Input input(stream);
    if (place.before < limits_.connections) {
      while (wait_for_request(stream, input) && serve_request(stream, input)) continue;
    } else {
      Exchange exchange(stream, input, limits_, stopping_);
      refuse(stream, exchange, {http::status::service_unavailable, "too many connections"});
    }
    if (stream.is_open()) weft::timeout(kPartingLimit, [&] { part(stream); });
  } catch (const weft::TimeoutError&) {
    // The peer has had its time, to read the last answer or to ask for something.
  } catch (const std::system_error& error) {
    log_(error.what());  // the peer broke off
  }
}

// False if there will be none.
bool Server::wait_for_request(weft::TcpStream& stream, Input& input) {
  if (!input.text().empty()) return true;  // it was sent ahead
  const Waiting waiting(*this, stream);
  return weft::timeout(limits_.idle, [&] { return input.fill(); });
}

// False if no other request may follow.
bool Server::serve_request(weft::TcpStream& stream, Input& input) {
  Exchange exchange(stream, input, limits_, stopping_);
  std::optional<Refusal> refusal;
  try {
    weft::timeout(limits_.head, [&] { exchange.read_head(); });
    weft::timeout(limits_.request, [&] {
      handler_(exchange);
      exchange.finish();
    });
    return exchange.keeps_alive();
  } catch (const Refusal& why) {
    refusal = why;
  } catch (const weft::TimeoutError&) {
    if (exchange.is_reading()) {
      refusal.emplace(http::status::request_timeout, "the request took too long to come");
    } else {
      refusal.emplace(http::status::service_unavailable, "the answer took too long");
    }
  } catch (const weft::Cancelled&) {
    if (exchange.has_begun()) reset(stream);
    throw;
  } catch (const Broken&) {
    throw;
  } catch (const std::exception& error) {
    refusal.emplace(http::status::internal_server_error, error.what());
  }
  refuse(stream, exchange, *refusal);
  return false;
}

void Server::refuse(weft::TcpStream& stream, Exchange& exchange, const Refusal& refusal) {
  log_(stream.peer_address().to_string() + ": " +
       std::to_string(static_cast<unsigned>(refusal.status)) + " " + refusal.what());
  if (exchange.has_begun()) return reset(stream);
  Answer answer{.status = refusal.status, .last = true};
  if (refusal.status == http::status::service_unavailable) {
    answer.fields.emplace_back("Retry-After", "1");
  }
  const bool is_ours = refusal.status == http::status::internal_server_error;
  const std::string body = std::string(is_ours ? "something went wrong" : refusal.what()) + "\n";
  weft::timeout(kPartingLimit, [&] { exchange.answer(answer, body); });
}

}  // namespace web
