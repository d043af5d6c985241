#pragma once

#include <weft/tcp.h>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <stdexcept>

#include "../http/url.h"

namespace fetch {

namespace http = boost::beast::http;

inline constexpr std::size_t kReadSize = std::size_t{16} << 10;
inline constexpr std::size_t kLargestPage = std::size_t{64} << 20;

// One request and its answer, written as if there were nothing else to do. All that waits (resolve
// the name, connect, write, read) suspends this task alone. Beast's parser takes bytes from
// anywhere.
inline http::response<http::string_body> get(const web::Url& url) {
  weft::TcpStream server = weft::TcpStream::connect(url.host, url.port);
  server.write_all("GET " + url.target + " HTTP/1.1\r\nHost: " + url.authority +
                   "\r\nUser-Agent: weft-fetch\r\nAccept: */*\r\nConnection: close\r\n\r\n");
  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(kLargestPage);
  boost::beast::flat_buffer buffer;
  boost::beast::error_code error;
  while (!parser.is_done()) {
    const auto room = buffer.prepare(kReadSize);
    const std::size_t got = server.read_some({static_cast<std::byte*>(room.data()), room.size()});
    buffer.commit(got);
    if (got > 0) {
      buffer.consume(parser.put(buffer.data(), error));
    } else {
      parser.put_eof(error);  // an error unless the end of the connection is the end of the page
    }
    if (error && error != http::error::need_more) {
      throw std::runtime_error("not a whole HTTP answer: " + error.message());
    }
  }
  return parser.release();
}

}  // namespace fetch
