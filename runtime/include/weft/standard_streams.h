#pragma once

#include <weft/stream.h>

#include <memory>
#include <string_view>

namespace weft {

/// A stream over a descriptor that the program was given, and that other processes have, too: its
/// standard input and output. It works on a duplicate: closing it closes nothing of theirs, nor the
/// number. Their O_NONBLOCK is left alone, and yet no worker blocks: terminals are opened anew,
/// files on disk are read and written by the blocking pool (such calls are not cancellable once
/// they have begun), and all else is asked not to block call by call. Reading what another process
/// reads from at the same time, each gets some.
///
/// What cannot be asked that (a terminal that cannot be opened anew, the master of a pair, before
/// Linux 6.4 a pipe) is used by the blocking pool, up to 4 KiB at a time. Such calls are
/// cancellable, but one that has begun goes on: what it reads is for the next reader of this
/// stream, and what it writes counts as written, with the cancellation at the next wait. One that
/// never ends keeps its thread, and the end of the runtime waits for it.
///
/// What read_until() and its like have looked ahead at is lost with the stream: keep one for as
/// long as the input is read.
class InheritedStream : public Stream {
 public:
  /// No stream: every call fails with EBADF. Assign one.
  InheritedStream() noexcept = default;
  InheritedStream(InheritedStream&&) noexcept = default;
  InheritedStream& operator=(InheritedStream&&) noexcept = default;
  ~InheritedStream() = default;

  /// Over `fd`, which stays the caller's; errors call it `name`. May be called by a plain thread
  /// too; never suspends. Throws std::system_error.
  static InheritedStream open(int fd, std::string_view name);

  /// For the library itself.
  explicit InheritedStream(std::unique_ptr<detail::StreamState>&& state) noexcept;
};

/// The program's standard streams, each a new InheritedStream. Nothing is collected before it is
/// written, and nothing is shared with stdio or iostreams: flush those first.
InheritedStream standard_input();
InheritedStream standard_output();
InheritedStream standard_error();

}  // namespace weft
