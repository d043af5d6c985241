#pragma once

// A service that says one word, and its client.

#include <weft/tcp.h>

#include <string>

#include "support/tcp.h"

namespace support {

inline void greet(weft::TcpStream& stream) {
  stream.write_all("hello");
  stream.read_to_end(0);
}

inline std::string greeting_from(const weft::SocketAddress& server) {
  weft::TcpStream stream = weft::TcpStream::connect(server);
  std::string text(5, '?');
  stream.read_exactly(bytes_of(text));
  return text;
}

}  // namespace support
