#pragma once

// The records of one connection, between OpenSSL and whoever carries them: an end that takes what
// OpenSSL writes, however much, and gives it what has arrived. To OpenSSL it is a BIO that never
// blocks: it says "come again" where a socket would have to wait.

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "io/tls/openssl.h"

namespace weft::detail {

/// Under the lock of the engine that it belongs to, except for room().
class Wire {
 public:
  Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  /// A BIO on it, which must not outlive it.
  BioPtr make_bio();

  // -- Arrivals.

  /// Where to receive into. OpenSSL has asked for more, so it has taken all there was: nobody else
  /// looks at the storage until commit().
  std::span<std::byte> room() noexcept { return storage_; }
  void commit(std::size_t count) noexcept { begin_ = 0, end_ = count; }
  /// Nothing more will come.
  void end() noexcept { ended_ = true; }
  bool ended() const noexcept { return ended_; }
  bool empty() const noexcept { return begin_ == end_; }

  // -- Departures.

  bool has_output() const noexcept { return !output_.empty(); }
  std::size_t output_size() const noexcept { return output_.size(); }
  /// Takes it all, and gives `empty` to go on with.
  void swap_output(std::vector<std::byte>& empty) noexcept { output_.swap(empty); }

 private:
  static int write(BIO* bio, const char* data, std::size_t size, std::size_t* written) noexcept;
  static int read(BIO* bio, char* into, std::size_t size, std::size_t* got) noexcept;
  static long control(BIO* bio, int command, long number, void* pointer) noexcept;
  static BIO_METHOD* method();

  std::array<std::byte, std::size_t{16} * 1024> storage_;
  std::size_t begin_ = 0, end_ = 0;
  bool ended_ = false;
  std::vector<std::byte> output_;
};

}  // namespace weft::detail
