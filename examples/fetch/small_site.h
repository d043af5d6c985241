#pragma once

#include <weft/sleep.h>
#include <weft/tcp.h>

#include <chrono>
#include <string>

namespace fetch {

// A site with everything that goes wrong on the way to a page. answer() serves one connection.

inline constexpr const char* kPages[] = {"/hello", "/late",    "/never", "/missing",
                                         "/cut",   "/garbled", "/large"};

inline std::string page(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

// Size unknown beforehand: each chunk says how long it is, in hexadecimal.
inline void send_chunked(weft::TcpStream& client, int chunks) {
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  client.write_all("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < chunks; ++i) client.write_all(chunk);
  client.write_all("0\r\n\r\n");
}

inline void answer(weft::TcpStream& client) {
  const std::string request = client.read_until("\r\n\r\n");
  const std::string line = request.substr(0, request.find("\r\n"));
  const auto asked_for = [&](const char* path) {
    return line.starts_with("GET " + std::string(path) + " ");
  };

  if (asked_for("/hello")) {
    client.write_all(page("200 OK", "hello, world\n"));
  } else if (asked_for("/late")) {
    weft::sleep_for(std::chrono::milliseconds(500));
    client.write_all(page("200 OK", "sorry to be late\n"));
  } else if (asked_for("/never")) {
    weft::sleep_for(std::chrono::hours::max());
  } else if (asked_for("/cut")) {
    client.write_all("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this");
  } else if (asked_for("/garbled")) {
    client.write_all("HTTP/1.1 200 OK\r\nthis line is no header field\r\n\r\n");
  } else if (asked_for("/large")) {
    send_chunked(client, 64);
  } else {
    client.write_all(page("404 Not Found", "no such page\n"));
  }
}

}  // namespace fetch
