#pragma once

#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>

namespace web {

namespace http = boost::beast::http;

// The connection broke: nobody is left to be answered.
struct Broken : std::system_error {
  explicit Broken(const std::system_error& error) : std::system_error(error) {}
};

// Calls what uses the connection, and so tells its errors from all others.
template <class Call>
auto on_connection(Call&& call) {
  try {
    return call();
  } catch (const std::system_error& error) {
    throw Broken(error);
  }
}

// What has come in on a connection and is not used up yet. Beast's parsers take bytes from
// anywhere, so nothing of Asio is needed but its buffers.
class Input {
 public:
  // From anything that has a Stream's read_some(), and outlives this.
  template <class Stream>
  explicit Input(Stream& stream)
      : stream_(&stream), read_some_([](void* from, std::span<std::byte> into) {
          return static_cast<Stream*>(from)->read_some(into);
        }) {}

  std::string_view text() const {
    return {static_cast<const char*>(buffer_.data().data()), buffer_.size()};
  }
  // Waits for more. False at the end of the stream.
  bool fill() {
    const auto room = buffer_.prepare(kReadBytes);
    const std::span into(static_cast<std::byte*>(room.data()), room.size());
    const std::size_t got = on_connection([&] { return read_some_(stream_, into); });
    buffer_.commit(got);
    return got > 0;
  }
  // Gives the parser as much as it takes, and says how much that was. It wants more when it has
  // not said anything else.
  template <bool isRequest>
  std::size_t feed(http::basic_parser<isRequest>& parser, boost::beast::error_code& error) {
    const std::size_t used = parser.put(buffer_.data(), error);
    buffer_.consume(used);
    if (error == http::error::need_more) error = {};
    return used;
  }

 private:
  static constexpr std::size_t kReadBytes = std::size_t{8} << 10;

  void* const stream_;
  std::size_t (*const read_some_)(void* from, std::span<std::byte> into);
  boost::beast::flat_buffer buffer_;
};

enum class HeadEnd { kComplete, kTooLong, kCutOff, kMalformed };

// Reads up to the empty line that ends a head. Beast's own limit is one for the first line and one
// for the rest; here it is one for both.
template <bool isRequest>
HeadEnd read_head(Input& input, http::basic_parser<isRequest>& parser, std::size_t limit,
                  boost::beast::error_code& error) {
  parser.header_limit(static_cast<std::uint32_t>(limit));
  for (std::size_t used = 0;;) {
    used += input.feed(parser, error);
    if (error == http::error::header_limit) return HeadEnd::kTooLong;
    if (error) return HeadEnd::kMalformed;
    if (parser.is_header_done()) return used <= limit ? HeadEnd::kComplete : HeadEnd::kTooLong;
    if (used + input.text().size() >= limit) return HeadEnd::kTooLong;
    if (!input.fill()) return HeadEnd::kCutOff;
  }
}

}  // namespace web
