#include "client.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace web {
namespace {

using http::field;
using http::status;
using Parser = http::response_parser<http::string_body>;

[[noreturn]] void fail(const std::string& what) {
  throw std::runtime_error("not a whole HTTP answer: " + what);
}

// An encoding that is not understood would make the answer's end a guess.
void check_framing(const http::response_header<>& head) {
  const std::size_t encodings = head.count(field::transfer_encoding);
  const std::size_t lengths = head.count(field::content_length);
  if (encodings + lengths > 1) fail("its length is said more than once");
  if (encodings == 1 && !boost::beast::iequals(head[field::transfer_encoding], "chunked")) {
    fail("no Transfer-Encoding but chunked is understood");
  }
}

// False if the stream ended before the head's first byte.
bool read_answer_head(Input& input, Parser& parser, std::size_t limit) {
  boost::beast::error_code error;
  switch (read_head(input, parser, limit, error)) {
    case HeadEnd::kComplete:
      check_framing(parser.get());
      return true;
    case HeadEnd::kTooLong:
      fail("its head is too long");
    case HeadEnd::kMalformed:
      fail(error.message());
    case HeadEnd::kCutOff:
      if (parser.got_some()) fail("it ends within its head");
  }
  return false;
}

void read_answer_body(Input& input, Parser& parser, std::size_t line_limit) {
  parser.eager(true);
  while (!parser.is_done()) {
    boost::beast::error_code error;
    input.feed(parser, error);
    if (!error && !parser.is_done() && !input.fill()) parser.put_eof(error);
    if (error) fail(error.message());
    if (input.text().size() > line_limit) fail("a line between chunks is too long");
  }
}

// The answer as far as its head, with everything before it that only says that it will come.
// Nothing if the stream ended first.
std::unique_ptr<Parser> read_answer_begin(Input& input, const ClientOptions& options) {
  for (;;) {
    auto parser = std::make_unique<Parser>();
    parser->body_limit(options.body_bytes);
    if (!read_answer_head(input, *parser, options.head_bytes)) return nullptr;
    const unsigned code = parser->get().result_int();
    if (code == 101) fail("it speaks another protocol");
    if (code >= 200) return parser;
  }
}

bool is_redirection(status code) {
  return code == status::moved_permanently || code == status::found || code == status::see_other ||
         code == status::temporary_redirect || code == status::permanent_redirect;
}

// Where `location` leads from `base`.
Url resolve_location(const Url& base, std::string_view location) {
  const std::string_view path = std::string_view(base.target).substr(0, base.target.find('?'));
  if (location.find("://") < location.find_first_of("/?#")) return parse_url(location);
  std::string text = base.secure ? "https:" : "http:";
  if (location.starts_with("//")) return parse_url(text.append(location));
  text.append("//").append(base.authority);
  if (location.starts_with('?')) {
    text.append(path);
  } else if (!location.starts_with('/')) {
    text.append(path.substr(0, path.rfind('/') + 1));
  }
  return parse_url(text.append(location));
}

}  // namespace

Page Client::get(const Url& url) {
  Page page;
  page.url = url;
  for (;;) {
    page.answer = fetch(page.url);
    const auto location = page.answer[field::location];
    if (!is_redirection(page.answer.result()) || location.empty()) return page;
    if (++page.redirects > options_.redirects) {
      throw std::runtime_error("more than " + std::to_string(options_.redirects) +
                               " redirections, the last one to " + std::string(location));
    }
    page.url = resolve_location(page.url, {location.data(), location.size()});
  }
}

Client::Response Client::fetch(const Url& url) {
  Host& host = host_of(url);
  const auto place = host.places.hold();
  // A server may end a connection that waits for a request, and not have seen ours. Then another is
  // tried, and at last a new one, whose failure counts.
  while (std::unique_ptr<Connection> kept = take_idle(host)) {
    try {
      if (auto answer = ask(url, host, std::move(kept))) return *std::move(answer);
    } catch (const Broken&) {
      continue;
    }
  }
  ++connections_made_;
  auto fresh = std::make_unique<Connection>(Wire::connect(url, trusted_));
  if (auto answer = ask(url, host, std::move(fresh))) return *std::move(answer);
  fail("the connection ended before it");
}

// Nothing if the connection had ended before anything of an answer came. Throws Broken if it broke
// by then.
std::optional<Client::Response> Client::ask(const Url& url, Host& host,
                                            std::unique_ptr<Connection> connection) {
  on_connection([&] {
    connection->wire.write_all("GET " + url.target + " HTTP/1.1\r\nHost: " + url.authority +
                               "\r\nUser-Agent: weft\r\nAccept: */*\r\n\r\n");
  });
  const auto parser = read_answer_begin(connection->input, options_);
  if (parser == nullptr) return std::nullopt;
  try {
    read_answer_body(connection->input, *parser, options_.head_bytes);
  } catch (const Broken& error) {
    fail(error.what());
  }
  if (parser->keep_alive() && connection->input.text().empty()) {
    const std::lock_guard lock(mutex_);
    host.idle.push_back(std::move(connection));
  }
  return parser->release();
}

Client::Host& Client::host_of(const Url& url) {
  const std::lock_guard lock(mutex_);
  return hosts_.try_emplace({url.secure, url.authority}, options_.per_host).first->second;
}

std::unique_ptr<Client::Connection> Client::take_idle(Host& host) {
  const std::lock_guard lock(mutex_);
  if (host.idle.empty()) return nullptr;
  auto connection = std::move(host.idle.back());
  host.idle.pop_back();
  return connection;
}

}  // namespace web
