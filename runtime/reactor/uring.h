#pragma once

// The driver that has all that waits in io_uring: a ring for each worker (see uring_ring.h). What a
// call has to wait for is handed to the kernel: it receives into the caller's buffer, sends,
// and takes connections. Sends go there untried, many at a time. For the rest it waits until the
// call may succeed.

#include <memory>
#include <vector>

#include "reactor/reactor.h"
#include "reactor/uring_request.h"
#include "reactor/uring_rings.h"

namespace weft::detail {

class UringReactor final : public Reactor {
 public:
  /// Throws std::system_error where the kernel grants no such rings.
  explicit UringReactor(unsigned workers);
  ~UringReactor() override;

  /// Whether the kernel knows all that the rings are asked for, or is one from before Linux 5.19.
  bool is_complete() const noexcept { return rings_[0].is_complete(); }

  const char* name() const noexcept override { return "uring"; }
  bool active() const noexcept override;
  bool shared() const noexcept override { return false; }
  bool unwatched() noexcept override { return false; }
  bool acquire(unsigned worker) noexcept override;
  void release(unsigned worker) noexcept override;
  void poll(unsigned worker, Nanos deadline, std::vector<Ready>& ready) noexcept override;
  void interrupt(unsigned worker) noexcept override;
  bool has_waiting(unsigned worker) const noexcept override;
  void take_over(unsigned worker, std::vector<Ready>& ready) noexcept override;
  ForeignWaits& foreign_waits() override;
  std::unique_ptr<Acceptor> accept_all(const Descriptor& listener) override;

 protected:
  IoResult wait_or_do(const FdOperation& operation, Direction direction,
                      const Handover& handover) override;
  IoResult do_file_call(const FdOperation& operation, const FileCall& call) override;

 private:
  class MultishotAccept;

  void reap(unsigned worker, std::vector<Ready>& ready) noexcept;

  // Descriptors of others are watched by an epoll instance for each worker, which its ring watches:
  // with no wait left, nothing is left in the kernel that names a fiber's memory or holds their
  // file open.
  struct Foreign;
  static void watch(Ring& ring, const Foreign& foreign) noexcept;
  static void post_foreign(Ring& ring, Foreign& foreign, Completion news,
                           std::vector<Ready>& ready) noexcept;

  const Rings rings_;
  // By worker. Each is made by it when first needed, and read by who reaps. [foreign]
  std::vector<Atomic<Foreign*>> foreign_;
};

}  // namespace weft::detail
