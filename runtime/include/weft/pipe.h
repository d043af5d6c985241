#pragma once

#include <weft/stream.h>

#include <memory>

namespace weft {

/// The end of a pipe that is read from. See Stream for how, and for who may call what.
class PipeReader : public Stream {
 public:
  /// No pipe: every call fails with EBADF. Assign one.
  PipeReader() noexcept = default;
  PipeReader(PipeReader&&) noexcept = default;
  PipeReader& operator=(PipeReader&&) noexcept = default;
  ~PipeReader() = default;

  /// Takes over the descriptor of a pipe's end (from another library, say, or a named pipe), and
  /// makes it non-blocking and closed on exec. Other processes must not have the same end open.
  /// Throws std::system_error when it is no pipe or not open for reading; then it is closed, too.
  static PipeReader adopt(int fd);

  template <class Data>
  void write_all(const Data& data) = delete;

  /// For the library itself.
  explicit PipeReader(std::unique_ptr<detail::StreamState>&& state) noexcept;
};

/// The end of a pipe that is written to. Writing when nobody can read any more throws a
/// std::system_error with EPIPE; weft sees to it that no SIGPIPE comes, whatever the program does
/// about that signal. Data of at most PIPE_BUF bytes (4,096) is written as a whole, not mingled
/// with that of others.
class PipeWriter : public Stream {
 public:
  /// No pipe: every call fails with EBADF. Assign one.
  PipeWriter() noexcept = default;
  PipeWriter(PipeWriter&&) noexcept = default;
  PipeWriter& operator=(PipeWriter&&) noexcept = default;
  ~PipeWriter() = default;

  /// Like PipeReader::adopt(), for the other end.
  static PipeWriter adopt(int fd);

  template <class Data>
  std::size_t read_some(const Data& into) = delete;

  /// For the library itself.
  explicit PipeWriter(std::unique_ptr<detail::StreamState>&& state) noexcept;
};

/// A pipe: what is written to one end is read from the other, which sees the end of the stream when
/// every descriptor of the writing end is closed. The kernel keeps 64 KiB on the way. shutdown()
/// of an end closes it, or does nothing if it does not have that half.
struct Pipe {
  PipeReader reader;
  PipeWriter writer;

  /// Both ends are non-blocking and closed on exec. May be called by any thread; never suspends.
  /// Throws std::system_error.
  static Pipe open();
};

}  // namespace weft
