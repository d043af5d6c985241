// Goal: whoever writes to a peer that never reads waits, in bounded memory, until it is cancelled
// or its time is up, and others are served meanwhile. Method: many such writers at once, each with
// more than the kernel takes, and the resident memory of the process. (TLS is in
// tls_transfer_test.cc.)

#include "support/unread.h"

#include <weft/unix.h>

#include <utility>

namespace weft {
namespace {

using namespace support;

// A fiber, and what it uses of its stack.
constexpr std::size_t kMost = std::size_t{32} << 10;

TEST(Unread, TcpCostsLittle) {
  run([] {
    expect_unread_to_cost<TcpStream>(kMost, [] {
      auto [writer, peer] = connect_pair();
      keep_little(writer.native_handle());
      return Unread<TcpStream>::Ends{std::move(writer), std::move(peer)};
    });
  });
}

TEST(Unread, UnixCostsLittle) {
  run([] {
    expect_unread_to_cost<UnixStream>(kMost, [] {
      auto [writer, peer] = UnixStream::pair();
      keep_little(writer.native_handle());
      return Unread<UnixStream>::Ends{std::move(writer), std::move(peer)};
    });
  });
}

}  // namespace
}  // namespace weft
