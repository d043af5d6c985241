#pragma once

#include <http_parser.h>

#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>

namespace bench {

// The server's side of an HTTP/1.1 connection, without its socket: requests go in, in pieces as
// they come, and answers come out, all of one body. The servers in C++ share it, so they differ in
// how they wait and in nothing else.
class Exchange {
 public:
  // Of a request's head; more is refused.
  static constexpr unsigned kMaxHeadBytes = 8192;

  explicit Exchange(std::string_view server);
  Exchange(const Exchange&) = delete;  // the parser's callbacks know its address
  Exchange& operator=(const Exchange&) = delete;

  // Returns the answers to the requests that `received` completes, in their order; they are valid
  // until the next call. None after ended().
  std::string_view take(std::string_view received);

  // No more can be asked: the peer wished so, or sent what is no request and was told so. Once the
  // answers are sent, shut down writing, and read until the peer closes: a socket that is closed
  // with unread bytes resets the connection, and the last answer may be lost with it.
  bool ended() const { return ended_; }

 private:
  static const http_parser_settings kCallbacks;

  int begin_request();
  int take_field(std::string_view part);
  int take_value();
  int end_head();
  int end_request();

  int refuse(const char* why);
  void answer(std::string_view status, std::string_view body, bool without_body);
  std::string_view date();

  http_parser parser_;
  const std::string server_;
  std::string answers_;
  const char* refusal_ = nullptr;  // why end_head() did not take what the parser had
  bool ended_ = false;

  // A field's name comes in as many calls as pieces; all that matters is which are "Host".
  std::size_t name_length_ = 0;
  bool is_host_ = false;
  bool in_value_ = false;
  int hosts_ = 0;

  std::time_t dated_ = -1;
  char date_[32] = {};
};

}  // namespace bench
