#pragma once

// A client's sessions, by the server they are with; the server used longest ago goes first.

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/tls/openssl.h"

namespace weft::detail {

/// All members may be called by any thread, and never suspend.
class TlsSessionCache {
 public:
  /// `most` servers; 0 keeps nothing.
  explicit TlsSessionCache(std::size_t most) noexcept : most_(most) {}

  bool enabled() const noexcept { return most_ > 0; }
  void put(const std::string& server, SslSessionPtr session);
  /// The newest there is, or null. One of TLS 1.3 is used once: two connections that show the same
  /// ticket can be told to be of one client by whoever watches the network (RFC 8446, C.4).
  SslSessionPtr take(const std::string& server);

 private:
  static constexpr std::size_t kMostEach = 4;

  struct Entry {
    std::string server;
    std::vector<SslSessionPtr> sessions;  // the newest last
  };
  using Entries = std::list<Entry>;  // the most recently used first

  const std::size_t most_;
  std::mutex mutex_;  // guards the rest; held for a few instructions
  Entries entries_;
  std::unordered_map<std::string, Entries::iterator> by_server_;
};

}  // namespace weft::detail
