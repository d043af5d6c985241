#include "exchange.h"

#include <algorithm>

namespace bench {
namespace {

constexpr std::string_view kBody = "Hello, world!";
constexpr std::string_view kHost = "host";

Exchange* exchange_of(http_parser* parser) { return static_cast<Exchange*>(parser->data); }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_letters(std::string_view a, std::string_view lowered) {
  return std::equal(a.begin(), a.end(), lowered.begin(), lowered.end(),
                    [](char x, char y) { return lower(x) == y; });
}

}  // namespace

const http_parser_settings Exchange::kCallbacks = [] {
  http_parser_settings callbacks;
  http_parser_settings_init(&callbacks);
  callbacks.on_message_begin = [](http_parser* p) { return exchange_of(p)->begin_request(); };
  callbacks.on_header_field = [](http_parser* p, const char* at, std::size_t length) {
    return exchange_of(p)->take_field({at, length});
  };
  callbacks.on_header_value = [](http_parser* p, const char*, std::size_t) {
    return exchange_of(p)->take_value();
  };
  callbacks.on_headers_complete = [](http_parser* p) { return exchange_of(p)->end_head(); };
  callbacks.on_message_complete = [](http_parser* p) { return exchange_of(p)->end_request(); };
  http_parser_set_max_header_size(Exchange::kMaxHeadBytes);  // one for the whole process
  return callbacks;
}();

Exchange::Exchange(std::string_view server) : server_(server) {
  http_parser_init(&parser_, HTTP_REQUEST);
  parser_.data = this;
}

std::string_view Exchange::take(std::string_view received) {
  answers_.clear();
  // The parser also stops behind a request that wishes to speak another protocol; nobody here does,
  // so it goes on with what follows.
  while (!received.empty() && !ended_) {
    received.remove_prefix(
        http_parser_execute(&parser_, &kCallbacks, received.data(), received.size()));
    const http_errno error = HTTP_PARSER_ERRNO(&parser_);
    if (error == HPE_OK || ended_) continue;
    ended_ = true;
    if (error == HPE_HEADER_OVERFLOW) {
      answer("431 Request Header Fields Too Large", "the request's head is too long\n", false);
    } else {
      const char* why = refusal_ != nullptr ? refusal_ : http_errno_description(error);
      answer("400 Bad Request", std::string(why) + "\n", false);
    }
  }
  return answers_;
}

int Exchange::begin_request() {
  name_length_ = 0;
  in_value_ = false;
  hosts_ = 0;
  return 0;
}

int Exchange::take_field(std::string_view part) {
  if (in_value_) name_length_ = 0;
  in_value_ = false;
  if (name_length_ == 0) is_host_ = true;
  is_host_ = is_host_ && name_length_ + part.size() <= kHost.size() &&
             same_letters(part, kHost.substr(name_length_, part.size()));
  name_length_ += part.size();
  return 0;
}

int Exchange::take_value() {
  if (!in_value_ && is_host_ && name_length_ == kHost.size()) ++hosts_;
  in_value_ = true;
  return 0;
}

int Exchange::end_head() {
  if (parser_.http_major != 1) return refuse("not HTTP/1.0 or HTTP/1.1");
  if (parser_.method == HTTP_CONNECT) return refuse("this is no proxy");
  const bool needs_host = parser_.http_minor > 0;
  if (hosts_ > 1 || (needs_host && hosts_ == 0)) return refuse("not one Host field");
  return 0;
}

int Exchange::end_request() {
  ended_ = http_should_keep_alive(&parser_) == 0;
  answer("200 OK", kBody, parser_.method == HTTP_HEAD);
  if (ended_) http_parser_pause(&parser_, 1);  // what follows is not looked at
  return 0;
}

int Exchange::refuse(const char* why) {
  refusal_ = why;
  return -1;
}

void Exchange::answer(std::string_view status, std::string_view body, bool without_body) {
  answers_.append("HTTP/1.1 ").append(status);
  answers_.append("\r\nServer: ").append(server_);
  answers_.append("\r\nDate: ").append(date());
  answers_.append("\r\nContent-Type: text/plain\r\nContent-Length: ");
  answers_.append(std::to_string(body.size()));
  answers_.append(ended_ ? "\r\nConnection: close\r\n\r\n" : "\r\nConnection: keep-alive\r\n\r\n");
  if (!without_body) answers_.append(body);
}

std::string_view Exchange::date() {
  const std::time_t now = std::time(nullptr);
  if (now != dated_) {
    dated_ = now;
    std::tm parts;
    gmtime_r(&now, &parts);
    std::strftime(date_, sizeof(date_), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  }
  return date_;
}

}  // namespace bench
