#include <netinet/tcp.h>
#include <weft/tcp.h>

#include <algorithm>
#include <cerrno>
#include <limits>

#include "io/io_error.h"
#include "io/socket_option.h"
#include "io/stream_state.h"

namespace weft {

namespace detail {
namespace {

template <class Number>
int as_int(Number number) noexcept {
  constexpr auto kMost = std::numeric_limits<int>::max();
  return number > Number{kMost} ? kMost : static_cast<int>(number);
}

}  // namespace
}  // namespace detail

using detail::set;

void TcpStream::set_nodelay(bool on) {
  constexpr const char* kWhat = "set_nodelay on";
  set(state(kWhat), IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0, kWhat);
}

void TcpStream::set_keepalive(std::chrono::seconds idle, std::chrono::seconds interval,
                              int probes) {
  constexpr const char* kWhat = "set_keepalive on";
  const detail::StreamState& self = state(kWhat);
  set(self, IPPROTO_TCP, TCP_KEEPIDLE, detail::as_int(idle.count()), kWhat);
  set(self, IPPROTO_TCP, TCP_KEEPINTVL, detail::as_int(interval.count()), kWhat);
  set(self, IPPROTO_TCP, TCP_KEEPCNT, probes, kWhat);
  // Last, so that it never begins with other times than these.
  set(self, SOL_SOCKET, SO_KEEPALIVE, 1, kWhat);
}

void TcpStream::disable_keepalive() {
  constexpr const char* kWhat = "disable_keepalive on";
  set(state(kWhat), SOL_SOCKET, SO_KEEPALIVE, 0, kWhat);
}

void TcpStream::set_reset_on_close(bool on) {
  constexpr const char* kWhat = "set_reset_on_close on";
  const linger value{on ? 1 : 0, 0};
  set(state(kWhat), SOL_SOCKET, SO_LINGER, value, kWhat);
}

void TcpStream::set_receive_buffer(std::size_t bytes) {
  constexpr const char* kWhat = "set_receive_buffer on";
  set(state(kWhat), SOL_SOCKET, SO_RCVBUF, detail::as_int(bytes), kWhat);
}

void TcpStream::set_send_buffer(std::size_t bytes) {
  constexpr const char* kWhat = "set_send_buffer on";
  set(state(kWhat), SOL_SOCKET, SO_SNDBUF, detail::as_int(bytes), kWhat);
}

void TcpStream::set_quickack(bool on) {
  constexpr const char* kWhat = "set_quickack on";
  set(state(kWhat), IPPROTO_TCP, TCP_QUICKACK, on ? 1 : 0, kWhat);
}

}  // namespace weft
