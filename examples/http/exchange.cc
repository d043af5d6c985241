#include "exchange.h"

#include <algorithm>
#include <array>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/verb.hpp>
#include <cctype>
#include <cstdio>
#include <ctime>

namespace web {
namespace {

using http::field;
using http::status;
using http::verb;

constexpr std::size_t kReadBytes = std::size_t{16} << 10;

iovec part_of(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string date() {
  const std::time_t now = std::time(nullptr);
  std::tm parts;
  gmtime_r(&now, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

// "GET / HTTP/2.0" and the like: a version that could be served by somebody.
bool is_other_version(std::string_view line) {
  line = line.substr(0, line.find("\r\n"));
  const std::string_view version = line.substr(line.rfind(' ') + 1);
  return std::count(line.begin(), line.end(), ' ') == 2 && version.size() == 8 &&
         version.starts_with("HTTP/") && std::isdigit(version[5]) != 0 && version[6] == '.' &&
         std::isdigit(version[7]) != 0;
}

}  // namespace

Exchange::Exchange(weft::TcpStream& stream, Input& input, const Limits& limits,
                   const std::atomic<bool>& stopping)
    : stream_(stream), input_(input), limits_(limits), stopping_(stopping) {
  parser_.body_limit(limits.body_bytes);
}

// ---- The head.

void Exchange::read_head() {
  boost::beast::error_code error;
  switch (web::read_head(input_, parser_, limits_.head_bytes, error)) {
    case HeadEnd::kComplete:
      break;
    case HeadEnd::kTooLong:
      // Which it is depends on where the parser is: nothing of a line is used before it is whole.
      if (request().method_string().empty()) {
        throw Refusal(status::uri_too_long, "the first line is too long");
      }
      throw Refusal(status::request_header_fields_too_large, "the head is too long");
    case HeadEnd::kCutOff:
      throw Refusal(status::bad_request, "the connection ended within a head");
    case HeadEnd::kMalformed:
      refuse_malformed(error);
  }
  parser_.eager(true);  // the body may be in what has come
  read_head_ = true;
  reading_ = false;
  if (request().method() == verb::unknown || request().method() == verb::connect) {
    throw Refusal(status::not_implemented, "no such method here");
  }
  check_framing();
  check_host();
  take_target();
  if (const auto expected = request()[field::expect]; !expected.empty()) {
    if (!boost::beast::iequals(expected, "100-continue")) {
      throw Refusal(status::expectation_failed, "nothing but 100-continue can be expected");
    }
    expects_continue_ = request().version() >= 11;
  }
}

void Exchange::refuse_malformed(boost::beast::error_code error) const {
  if (error == http::error::body_limit) {
    throw Refusal(status::payload_too_large, "the body is too large");
  }
  if (error == http::error::bad_version && is_other_version(input_.text())) {
    throw Refusal(status::http_version_not_supported, "HTTP/1.0 and HTTP/1.1 are spoken here");
  }
  throw Refusal(status::bad_request, error.message());
}

// Who stands between us and the peer must see the same requests as we do. So what could be read in
// two ways is refused, more of it than Beast does.
void Exchange::check_framing() const {
  const auto& fields = request();
  const std::size_t lengths = fields.count(field::content_length);
  const std::size_t encodings = fields.count(field::transfer_encoding);
  if (lengths + encodings > 1) {
    throw Refusal(status::bad_request, "the length of the body is said more than once");
  }
  if (encodings == 1) {
    if (fields.version() < 11) {
      throw Refusal(status::bad_request, "HTTP/1.0 knows no Transfer-Encoding");
    }
    if (!boost::beast::iequals(fields[field::transfer_encoding], "chunked")) {
      throw Refusal(status::not_implemented, "no Transfer-Encoding but chunked");
    }
  }
  const auto length = view(fields[field::content_length]);
  if (length.find_first_not_of("0123456789") != length.npos) {
    throw Refusal(status::bad_request, "Content-Length is no number");
  }
  const verb method = fields.method();
  const bool has_body = method == verb::post || method == verb::put || method == verb::patch;
  if (has_body && lengths + encodings == 0) {
    throw Refusal(status::length_required, "the length of the body is not said");
  }
}

void Exchange::check_host() const {
  const std::size_t count = request().count(field::host);
  if (count > 1 || (count == 0 && request().version() >= 11)) {
    throw Refusal(status::bad_request, "not one Host field");
  }
  for (const char c : request()[field::host]) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 &&
        std::string_view("-._~%!$&'()*+,;=:[]").find(c) == std::string_view::npos) {
      throw Refusal(status::bad_request, "Host is no host");
    }
  }
}

// Either a path, or, as if we were a proxy, a whole URL; "*" is for OPTIONS alone.
void Exchange::take_target() {
  std::string_view target = view(request().target());
  if (std::any_of(target.begin(), target.end(), [](char c) { return c < '!' || c == '#'; })) {
    throw Refusal(status::bad_request, "the target is no URL");
  }
  constexpr std::string_view kScheme = "http://";
  if (boost::beast::iequals(std::string(target.substr(0, kScheme.size())), "http://")) {
    const std::size_t end = target.find_first_of("/?", kScheme.size());
    target = end == target.npos || target[end] == '?' ? "/" : target.substr(end);
  } else if (!target.starts_with('/') && (target != "*" || request().method() != verb::options)) {
    throw Refusal(status::bad_request, "the target is no path");
  }
  path_ = target.substr(0, target.find('?'));
}

bool Exchange::is_get() const {
  return request().method() == verb::get || request().method() == verb::head;
}

// ---- The body.

std::size_t Exchange::read_some(std::span<char> into) {
  reading_ = true;
  if (expects_continue_ && !begun_ && !parser_.is_done()) {
    write(std::array{part_of("HTTP/1.1 100 Continue\r\n\r\n")});
  }
  expects_continue_ = false;
  auto& body = parser_.get().body();
  body.data = into.data();
  body.size = into.size();
  while (!parser_.is_done() && body.size == into.size() && !into.empty()) {
    boost::beast::error_code error;
    input_.feed(parser_, error);
    if (error && error != http::error::need_buffer) refuse_malformed(error);
    if (parser_.is_done() || body.size < into.size()) break;
    if (input_.text().size() >= limits_.head_bytes) {
      throw Refusal(status::bad_request, "a line between chunks is too long");
    }
    if (!input_.fill()) {
      throw Refusal(status::bad_request, "the connection ended within a body");
    }
  }
  reading_ = false;
  return into.size() - body.size;
}

std::string Exchange::read_body() {
  std::string body;
  std::array<char, kReadBytes> part;
  while (const std::size_t got = read_some(part)) body.append(part.data(), got);
  return body;
}

// ---- The answer.

// Also decides whether the connection goes on. It does not if there is anything left of the body,
// which would have to be read first, and might be endless or never come.
std::string Exchange::head_of(const Answer& answer, std::string_view length) {
  keeps_alive_ =
      read_head_ && parser_.is_done() && parser_.keep_alive() && !answer.last && !stopping_;
  if (length.empty() && !in_pieces_) keeps_alive_ = false;  // its end is the connection's
  begun_ = true;
  std::string head = "HTTP/1.1 " + std::to_string(static_cast<unsigned>(answer.status)) + " ";
  head.append(view(http::obsolete_reason(answer.status)));
  head.append("\r\nDate: ").append(date());
  head.append("\r\nContent-Type: ").append(answer.type);
  for (const auto& [name, value] : answer.fields) {
    head.append("\r\n").append(name).append(": ").append(value);
  }
  if (!length.empty()) head.append("\r\nContent-Length: ").append(length);
  if (in_pieces_) head.append("\r\nTransfer-Encoding: chunked");
  head.append(keeps_alive_ ? "\r\nConnection: keep-alive" : "\r\nConnection: close");
  return head.append("\r\n\r\n");
}

void Exchange::answer(const Answer& answer, std::string_view body) {
  const std::string head = head_of(answer, std::to_string(body.size()));
  if (request().method() == verb::head) body = {};
  write(std::array{part_of(head), part_of(body)});
}

void Exchange::begin(const Answer& answer) {
  in_pieces_ = request().version() >= 11;
  const std::string head = head_of(answer, "");
  write(std::array{part_of(head)});
}

void Exchange::send(std::string_view piece) {
  if (piece.empty() || request().method() == verb::head) return;  // an empty chunk is the last
  if (!in_pieces_) return write(std::array{part_of(piece)});
  char size[20];
  const int length = std::snprintf(size, sizeof(size), "%zx\r\n", piece.size());
  const std::string_view line(size, static_cast<std::size_t>(length));
  write(std::array{part_of(line), part_of(piece), part_of("\r\n")});
}

void Exchange::finish() {
  if (!begun_) throw std::logic_error("nobody has answered");
  if (in_pieces_ && request().method() != verb::head) write(std::array{part_of("0\r\n\r\n")});
}

void Exchange::write(std::span<const iovec> parts) {
  on_connection([&] { stream_.write_all(parts); });
}

}  // namespace web
