#pragma once

#include <weft/file.h>
#include <weft/stream.h>

#include <cstdint>

namespace weft {

// For what a file holds see copy(File, ...) in <weft/file.h>.

/// Copies what comes from one stream to another, up to its end or the first `count` bytes, and
/// returns how many that were. The kernel moves them without a detour through the program where it
/// can (splice(2)): between sockets and pipes; otherwise through a buffer. As a reader of `from`
/// and a writer of `to`. That `from` has ended is not passed on: shutdown() does.
///
/// No byte is lost or sent twice: when it throws, or is cancelled, what has been taken from `from`
/// has been written, or is still to be read there. If there is no memory to keep it in, `from` is
/// closed.
std::uint64_t copy(Stream& from, Stream& to, std::uint64_t count = UINT64_MAX);

/// The same to a file, from its position on, which moves with each byte that is written: when it
/// throws, or is cancelled, it says how many those were, and the copy can be taken up again. (In a
/// file opened with O_APPEND they go to its end.) A write is waited for, cancelled or not.
std::uint64_t copy(Stream& from, File& to, std::uint64_t count = UINT64_MAX);

}  // namespace weft
