#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft {

namespace detail {
struct StreamAccess;
struct StreamState;
}  // namespace detail

/// Which half of a stream to shut down.
enum class Shutdown { kRead, kWrite, kBoth };

/// A stream of bytes to and from a peer: what TcpStream, UnixStream, pipes and terminals have in
/// common. Owns its
/// descriptor and closes it when it dies.
///
/// One fiber may read while another writes; two readers or two writers must take turns. close() may
/// be called by anyone at any time: who waits on the stream is woken with an error. The object
/// itself is moved or destroyed only while nobody is inside a call on it.
///
/// Calls that wait suspend the fiber and are cancellable: they throw Cancelled, and the stream
/// remains usable. They need a runtime: in a plain thread they throw std::logic_error. All others
/// may be called by any thread. What fails is a std::system_error that names the operation and the
/// peer; its code is ECANCELED if the stream was closed meanwhile, and EBADF if it was closed
/// before.
class Stream {
 public:
  /// As much as read_until() looks at unless told otherwise.
  static constexpr std::size_t kDefaultLimit = std::size_t{64} * 1024;

  // -- Reading.

  /// Waits for some bytes and returns how many came; 0 at the end of the stream, or if `into` is
  /// empty.
  std::size_t read_some(std::span<std::byte> into);
  /// Fills `into`. Throws IncompleteRead, with what came, if the stream ends before. Cancelled, it
  /// has taken nothing from the stream.
  void read_exactly(std::span<std::byte> into);
  /// Returns what comes up to the first `delimiter`, and the delimiter. Throws LimitExceeded if
  /// that is not within the next `limit` bytes, and takes nothing; IncompleteRead if the stream
  /// ends before, and std::invalid_argument for an empty delimiter. Cancelled, it has taken
  /// nothing.
  std::string read_until(std::string_view delimiter, std::size_t limit = kDefaultLimit);
  /// Returns what comes up to the next "\n", without that and a "\r" before it; what is left at the
  /// end of the stream is a line too, and nothing is returned after the last. Throws LimitExceeded
  /// if there is no "\n" within the next `limit` bytes, and takes nothing. Cancelled, it has taken
  /// nothing. See lines() for a loop.
  std::optional<std::string> read_line(std::size_t limit = kDefaultLimit);
  /// Returns everything up to the end of the stream. Throws LimitExceeded for more than `limit`
  /// bytes, and takes nothing. Cancelled, it has taken nothing.
  std::string read_to_end(std::size_t limit);

  // -- Writing.

  /// Waits until some bytes can be written, and returns how many were; 0 if there are none.
  /// Cancelled, it has written nothing.
  std::size_t write_some(std::span<const std::byte> data);

  // These write all of their data, or throw; then some of it may have been written.

  void write_all(std::span<const std::byte> data);
  void write_all(std::string_view text);
  /// The parts in order, in as few system calls as it takes.
  void write_all(std::span<const iovec> parts);

  // -- The end.

  /// Tells the peer that nothing more will come (kWrite), or ignores what it sends (kRead). A
  /// pipe's end has one half: to shut that down closes it, the other is none, and nothing happens.
  /// Never suspends. Not for what is neither a socket nor a pipe: ENOTSOCK.
  void shutdown(Shutdown half = Shutdown::kWrite);
  /// Closes the descriptor, and wakes whoever waits on it. The number is given back when they have
  /// left. Closing again does nothing. Never suspends.
  void close() noexcept;
  bool is_open() const noexcept;

  /// The descriptor, still owned by the stream; -1 unless it is open. Whether it is non-blocking is
  /// not to be changed.
  int native_handle() const noexcept;

 protected:
  Stream() noexcept;
  explicit Stream(std::unique_ptr<detail::StreamState>&& state) noexcept;
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream();

  /// Throws EBADF for a stream that never was.
  detail::StreamState& state(const char* operation) const;
  bool has_state() const noexcept { return state_ != nullptr; }

 private:
  friend struct detail::StreamAccess;
  std::unique_ptr<detail::StreamState> state_;
};

}  // namespace weft
