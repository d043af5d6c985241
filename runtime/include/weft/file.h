#pragma once

#include <fcntl.h>
#include <sys/types.h>
#include <weft/stream.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

namespace detail {
struct FileState;
}  // namespace detail

/// A file on disk. Owns its descriptor and closes it when it dies.
///
/// Any number of fibers may read_at() and write_at() at once; what uses the position takes turns.
/// close() may be called by anyone at any time. The object itself is moved or destroyed only while
/// nobody is inside a call on it.
///
/// What the kernel has in memory is read and written at once. For the rest the fiber waits: for the
/// kernel, where the driver hands it reads, writes and syncs ("mixed", "uring"), else, and for all
/// other calls, for a thread of the blocking pool (Options::blocking_threads). It waits
/// cancellably: a call that has not begun by then never will; one that has is waited for, so that
/// nobody writes into memory whose owner has gone. If such a call has been carried out, by a
/// thread, Cancelled is thrown although it is done; by the kernel, it returns normally, and the
/// cancellation comes at the next wait. Calls that wait need a runtime: in a plain thread they
/// throw std::logic_error. What fails is a std::system_error that names the operation and the path;
/// its code is EBADF, or ECANCELED, if the file was closed.
///
/// For files with a size: regular ones, block devices, /dev/null and the like. A FIFO is refused
/// with ESPIPE by open(), a terminal by whatever reads or writes; see PipeReader::adopt() and
/// InheritedStream for those.
class File {
 public:
  /// No file: every call fails with EBADF. Assign one.
  File() noexcept;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  /// open(2), with O_CLOEXEC. `mode` counts when the file is created. Waits, cancellably, until
  /// whoever has a lease on the file gives it back, unless O_NONBLOCK is among the flags.
  /// Cancelled, it is not open, but may have been created or truncated.
  static File open(const std::string& path, int flags = O_RDONLY, mode_t mode = 0666);

  // -- Anywhere.

  /// Fills `into` with what is behind `offset`, and returns how much that was: less than asked for
  /// only at the end of the file.
  std::size_t read_at(std::span<std::byte> into, std::uint64_t offset) const;
  /// Writes all of it, or throws; then, as when cancelled, some of it may have been written. In a
  /// file opened with O_APPEND the offset is ignored.
  void write_at(std::span<const std::byte> data, std::uint64_t offset) const;
  void write_at(std::string_view text, std::uint64_t offset) const;

  // -- One after the other. The position begins at 0, belongs to this object alone, and moves only
  // when a call succeeds: cancelled, it is where it was. What these had to read beyond what they
  // return, the next ones return as it was then, whoever has written there or cut the file off
  // since; after write_all(), copy() or seek() it is read again.

  /// Some bytes, as many as are at hand; 0 at the end of the file, or if `into` is empty.
  std::size_t read_some(std::span<std::byte> into);
  /// As with Stream; whatever they throw, the position is where it was. See lines(), too.
  void read_exactly(std::span<std::byte> into);
  std::string read_until(std::string_view delimiter, std::size_t limit = Stream::kDefaultLimit);
  std::optional<std::string> read_line(std::size_t limit = Stream::kDefaultLimit);
  std::string read_to_end(std::size_t limit);
  void write_all(std::span<const std::byte> data);
  void write_all(std::string_view text);
  std::uint64_t position() const noexcept;
  void seek(std::uint64_t position);

  // -- The file as a whole.

  std::uint64_t size() const;
  /// Cuts it off, or fills it up with zeros.
  void truncate(std::uint64_t size) const;
  /// Waits until the disk has all that was written; with its time stamps and the like, or without.
  void sync() const;
  void sync_data() const;

  /// Never suspends. Calls that are queued fail, those under way end by themselves. Errors that
  /// the system finds only now (network file systems) are lost: sync() before, if they matter.
  void close() noexcept;
  bool is_open() const noexcept;
  /// The descriptor, still owned by the file; -1 unless it is open.
  int native_handle() const noexcept;
  /// As it was opened.
  const std::string& path() const;

  /// For the library itself. Throws EBADF for a file that never was.
  detail::FileState& state(const char* operation) const;

 private:
  explicit File(std::unique_ptr<detail::FileState> state) noexcept;
  std::unique_ptr<detail::FileState> state_;
};

/// Everything in a file. Throws LimitExceeded for more than `limit` bytes; otherwise as File.
std::string read_file(const std::string& path, std::size_t limit);

/// How write_file() writes.
struct WriteFileOptions {
  /// Others see the old file or the new one, even after a crash, never a part: it is written beside
  /// the old one, brought to the disk and renamed. It keeps the old one's permissions; a symbolic
  /// link is itself replaced. If Cancelled is thrown, the old file is as it was: once it has been
  /// replaced the call returns normally, and the cancellation comes at the next wait. So it is
  /// after any error but that of "sync the folder of": then the new file is in its place, but might
  /// not be after a crash.
  bool atomically = false;
  /// Of a file that is created.
  mode_t mode = 0666;
};

/// Makes `data` all there is in a file, which is created if need be. As File; not atomic, it may
/// leave a part of the data behind if it fails or is cancelled.
void write_file(const std::string& path, std::span<const std::byte> data,
                const WriteFileOptions& options = {});
void write_file(const std::string& path, std::string_view text,
                const WriteFileOptions& options = {});

/// Sends `count` bytes of a file from `offset` on, or as many as there are, and returns how many
/// that were. The kernel copies them without a detour through the program where it can
/// (sendfile(2)). As a writer of the stream. If it throws, or is cancelled, some may have been
/// sent.
std::uint64_t copy(const File& from, Stream& to, std::uint64_t offset, std::uint64_t count);

/// The same to anything else that has write_all(), a TlsStream say, through a buffer.
template <class Writer>
requires(!std::derived_from<Writer, Stream> && requires(Writer & to,
                                                        std::span<const std::byte> data) {
  to.write_all(data);
}) std::uint64_t copy(const File& from, Writer& to, std::uint64_t offset, std::uint64_t count) {
  std::vector<std::byte> buffer(count < 65'536 ? static_cast<std::size_t>(count) : 65'536);
  std::uint64_t done = 0;
  while (done < count) {
    const std::uint64_t left = count - done;
    const std::span most(buffer.data(),
                         left < buffer.size() ? static_cast<std::size_t>(left) : buffer.size());
    const std::size_t got = from.read_at(most, offset + done);
    to.write_all(std::span<const std::byte>(most.first(got)));
    done += got;
    if (got < most.size()) break;
  }
  return done;
}

}  // namespace weft
