#pragma once

#include <weft/tcp.h>
#include <weft/tls.h>

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "url.h"

namespace web {

// A connection to a server: TCP, or TLS over it.
class Wire {
 public:
  // Looks the host up, connects, and shakes hands where the URL wants TLS.
  static Wire connect(const Url& url, const weft::TlsContext& trusted) {
    if (url.secure) return Wire(weft::TlsStream::connect(url.host, url.port, trusted));
    return Wire(weft::TcpStream::connect(url.host, url.port));
  }

  std::size_t read_some(std::span<std::byte> into) {
    return std::visit([&](auto& stream) { return stream.read_some(into); }, stream_);
  }
  void write_all(std::string_view text) {
    std::visit([&](auto& stream) { stream.write_all(text); }, stream_);
  }

 private:
  template <class Stream>
  explicit Wire(Stream stream) : stream_(std::move(stream)) {}

  std::variant<weft::TcpStream, weft::TlsStream> stream_;
};

}  // namespace web
