#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <weft/weft.h>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <system_error>
#include <utility>

namespace support {

inline std::span<std::byte> bytes_of(std::string& text) {
  return std::as_writable_bytes(std::span(text));
}

/// Two ends of one connection over the loopback.
struct Connected {
  weft::TcpStream client, server;
};

inline Connected connect_to(weft::TcpListener& listener) {
  auto [client, server] =
      weft::gather([&] { return weft::TcpStream::connect(listener.local_address()); },
                   [&] { return listener.accept(); });
  return {std::move(client), std::move(server)};
}

inline Connected connect_pair() {
  weft::TcpListener listener = weft::TcpListener::bind("127.0.0.1", 0);
  return connect_to(listener);
}

/// The code of the std::system_error that `body` throws; a success if it throws none.
inline std::error_code error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::system_error& error) {
    return error.code();
  }
  return {};
}

inline std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// Lets others run until `condition` holds; the test's time limit bounds it.
inline void until(const std::function<bool()>& condition) {
  while (!condition()) weft::sleep_for(std::chrono::microseconds(100));
}

/// Breaks the connection off with a reset instead of an end.
inline void reset(weft::TcpStream& stream) {
  const linger at_once{1, 0};
  EXPECT_EQ(::setsockopt(stream.native_handle(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)),
            0);
  stream.close();
}

}  // namespace support
