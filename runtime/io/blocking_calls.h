#pragma once

// Reads and writes of a file on which a call may block whatever is done about it, by threads of the
// blocking pool. A call has a buffer and a descriptor of its own: the fiber can leave before it
// ends. Then what has been read waits there for the next reader, and what is to be written is
// written before whatever comes next.
//
//   Idle --begin--> Running --the thread--> Done --the fiber that takes the result--> Idle

#include <sys/uio.h>

#include <memory>
#include <span>

#include "reactor/fd_table.h"

namespace weft::detail {

class BlockingCalls {
 public:
  /// These return the count or the negative errno: ECANCELED when the stream is closed meanwhile.
  /// They throw Cancelled, and std::system_error or std::bad_alloc where there is no thread, and
  /// then have taken or written nothing.

  /// Some bytes; EAGAIN where there are none.
  ssize_t read(const FdOperation& stream, std::span<std::byte> into);
  /// As many as the buffer holds, which count as written once a thread has been asked: a
  /// cancellation that comes then is put back for the next wait.
  ssize_t write(const FdOperation& stream, std::span<const iovec> parts);

  /// Whether a read that its fiber has left goes on, or has ended with something.
  bool has_begun_to_read() const noexcept;

 private:
  struct Call;
  class Job;

  static int make_call(const FdOperation& stream, std::shared_ptr<Call>& call);
  static void begin(const std::shared_ptr<Call>& call, void (*work)(Call&) noexcept);
  static Wake wait_for(Call& call, const FdOperation& stream);
  static void read_now(Call& call) noexcept;
  static void write_now(Call& call) noexcept;
  static ssize_t take_result(Call& call) noexcept;
  static void fill(Call& call, std::span<const iovec> parts) noexcept;
  static ssize_t take(Call& call, std::span<std::byte> into) noexcept;

  // Each by whoever reads, or writes.
  std::shared_ptr<Call> reading_, writing_;
};

}  // namespace weft::detail
