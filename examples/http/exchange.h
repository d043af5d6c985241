#pragma once

#include <sys/uio.h>
#include <weft/tcp.h>

#include <atomic>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <chrono>
#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "input.h"

namespace web {

using Duration = std::chrono::duration<double>;

// What a server puts up with.
struct Limits {
  std::size_t connections = 1000;                 // more are told 503
  std::size_t head_bytes = std::size_t{8} << 10;  // 414 or 431
  std::size_t body_bytes = std::size_t{1} << 20;  // 413
  Duration idle = std::chrono::seconds(30);       // between requests; then it is just closed
  Duration head = std::chrono::seconds(10);       // from a head's first byte to its last; 408
  Duration request = std::chrono::seconds(30);    // body and answer; 408 or 503, or cut off
  Duration drain = std::chrono::seconds(10);      // what has begun, once the server stops
};

// Why a request is not answered as it wishes. The peer is told, and the connection ends.
struct Refusal : std::runtime_error {
  Refusal(http::status reason, const std::string& what)
      : std::runtime_error(what), status(reason) {}
  http::status status;
};

// A whole answer, or what is known of it before its first chunk.
struct Answer {
  http::status status = http::status::ok;
  std::string_view type = "text/plain";
  std::vector<std::pair<std::string_view, std::string>> fields = {};
  bool last = false;  // ends the connection
};

// One request and its answer. All that waits suspends the calling task, under the time limits of
// whoever calls. Throws Refusal for what the peer does wrong, std::system_error if the connection
// breaks.
class Exchange {
 public:
  Exchange(weft::TcpStream& stream, Input& input, const Limits& limits,
           const std::atomic<bool>& stopping);
  Exchange(const Exchange&) = delete;

  // -- For those who answer.

  const http::request_header<>& request() const { return parser_.get(); }
  // Of the target, without the query.
  std::string_view path() const { return path_; }
  // HEAD counts as GET: the answer's body is not sent.
  bool is_get() const;

  // The next part of the body; 0 at its end.
  std::size_t read_some(std::span<char> into);
  // What is left of it.
  std::string read_body();

  void answer(const Answer& answer, std::string_view body);
  // An answer of unknown length, piece by piece.
  void begin(const Answer& answer);
  void send(std::string_view piece);

  // -- For the server.

  void read_head();
  // After the answer.
  void finish();
  // Whether another request may follow on this connection; known once the answer has begun.
  bool keeps_alive() const { return keeps_alive_; }
  bool has_begun() const { return begun_; }
  bool is_reading() const { return reading_; }

 private:
  void check_framing() const;
  void check_host() const;
  void take_target();
  std::string head_of(const Answer& answer, std::string_view length);
  void write(std::span<const iovec> parts);
  [[noreturn]] void refuse_malformed(boost::beast::error_code error) const;

  weft::TcpStream& stream_;
  Input& input_;
  const Limits& limits_;
  const std::atomic<bool>& stopping_;
  http::request_parser<http::buffer_body> parser_;
  std::string_view path_;
  bool read_head_ = false;  // completely
  bool reading_ = true;     // waiting for the peer to send
  bool expects_continue_ = false;
  bool begun_ = false;  // the answer
  bool in_pieces_ = false;
  bool keeps_alive_ = false;
};

}  // namespace web
