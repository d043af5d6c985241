#pragma once

// What files ask of whoever carries their operations out: threads of the blocking pool, or a driver
// that hands them to the kernel, which then has a table of its own.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "reactor/reactor.h"

namespace weft::detail {

/// Called by fibers, which they suspend. They throw Cancelled; by then nobody uses the caller's
/// memory any more, and what had begun has ended, so a write may have been made. EBADF and
/// ECANCELED as with the reactor.
struct FileOperations {
  IoResult (*open)(const std::string& path, int flags, mode_t mode, Descriptor& opened);
  /// Some bytes, none at the end.
  IoResult (*read_at)(const Descriptor& file, std::span<std::byte> into, std::uint64_t offset);
  IoResult (*write_at)(const Descriptor& file, std::span<const std::byte> data,
                       std::uint64_t offset);
  IoResult (*size)(const Descriptor& file, std::uint64_t& size);
  IoResult (*truncate)(const Descriptor& file, std::uint64_t size);
  IoResult (*sync)(const Descriptor& file, bool with_metadata);
  /// Some bytes from the file to the socket, none at the file's end. EAGAIN when the socket takes
  /// none; EINVAL when it cannot be done for such a file.
  IoResult (*send)(const Descriptor& file, std::uint64_t offset, std::size_t count,
                   const Descriptor& socket);
};

/// Those of the calling fiber's runtime.
const FileOperations& file_operations() noexcept;

}  // namespace weft::detail
