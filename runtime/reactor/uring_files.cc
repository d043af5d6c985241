#include "reactor/uring_files.h"

#include <weft/error.h>

#include <cerrno>

#include "reactor/uring_request.h"

namespace weft::detail {

namespace {

void prepare(io_uring_sqe& entry, int fd, const FileCall& call) noexcept {
  switch (call.call) {
    case FileCall::Call::kRead:
      io_uring_prep_read(&entry, fd, call.into.data(), static_cast<unsigned>(call.into.size()),
                         call.offset);
      break;
    case FileCall::Call::kWrite:
      io_uring_prep_write(&entry, fd, call.from.data(), static_cast<unsigned>(call.from.size()),
                          call.offset);
      break;
    case FileCall::Call::kSync:
      io_uring_prep_fsync(&entry, fd, call.with_metadata ? 0 : IORING_FSYNC_DATASYNC);
      break;
  }
}

}  // namespace

IoResult do_file_call(const Rings& rings, const FdOperation& operation, const FileCall& call) {
  for (;;) {
    // Further down one that is pending might meet a call that succeeds at once.
    if (take_cancellation()) throw Cancelled{};
    RingRequest request;
    const Wake reason = request.run(rings.here(), operation, [&](io_uring_sqe& entry) {
      prepare(entry, operation.fd(), call);
    });
    const int result = request.end.result;
    if (reason == Wake::kCancelled) {
      if (result < 0 && !is_failure(result)) throw Cancelled{};
      // It has happened, so it is told; the cancellation is for the next wait.
      put_cancellation_back();
    }
    if (result >= 0) return {.count = static_cast<std::size_t>(result)};
    if (is_failure(result)) return {.error = -result};
    if (reason == Wake::kClosed) return {.error = ECANCELED};
    if (result == -EAGAIN) return {.error = EAGAIN};
    // Not stopped by us: the thread that had handed it over has ended.
  }
}

}  // namespace weft::detail
