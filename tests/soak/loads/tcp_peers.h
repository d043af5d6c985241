#pragma once

// What the loads over TCP share: bytes of which each knows its place, and a listener whose
// connections are each served by a fiber.

#include <cstdint>
#include <span>
#include <system_error>

#include "soak/load.h"

namespace soak {

/// An endless sequence of bytes, another one for each key.
class Pattern {
 public:
  explicit Pattern(std::uint64_t key) noexcept : key_(key) {}

  /// The bytes from `offset` on.
  void fill(std::span<std::byte> into, std::uint64_t offset) const noexcept {
    for (std::byte& byte : into) byte = at(offset++);
  }
  bool matches(std::span<const std::byte> bytes, std::uint64_t offset) const noexcept {
    for (const std::byte byte : bytes) {
      if (byte != at(offset++)) return false;
    }
    return true;
  }

 private:
  std::byte at(std::uint64_t offset) const noexcept {
    return static_cast<std::byte>(((key_ + offset) * 0x9e3779b97f4a7c15) >> 56);
  }
  std::uint64_t key_;
};

/// Sends `total` bytes of the pattern in pieces, and then the end of the stream.
void send_all(Ledger& ledger, weft::TcpStream& stream, Random random, Pattern pattern,
              std::uint64_t total);

/// Reads to the end in all the ways there are, and checks each byte. Returns how many came.
std::uint64_t receive_all(Ledger& ledger, weft::TcpStream& stream, Random random, Pattern pattern);

/// A server that handles connections so, and eight fibers that each play the client `turns` times.
void play(Scene& scene, void (*handle)(Ledger& ledger, weft::TcpStream& stream), int turns,
          void (*client)(Ledger& ledger, Random random, const weft::TcpListener& listener));

/// Sends back what comes, until it ends. May throw what the stream throws.
void send_back(weft::TcpStream& stream);

/// Whether the peer, or someone on this side, has broken the connection off.
bool is_broken_off(const std::error_code& code) noexcept;

}  // namespace soak
