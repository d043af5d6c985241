#pragma once

// The driver for kernels that grant io_uring where it does not serve sockets best: those are
// epoll's, and calls on files on disk go to rings, one for each worker, whose descriptors epoll
// watches. Whoever polls takes what has ended in any of them: the right to poll is the seat of all.

#include <vector>

#include "reactor/epoll.h"
#include "reactor/uring_rings.h"

namespace weft::detail {

class MixedReactor final : public EpollReactor {
 public:
  /// Throws std::system_error where the kernel grants no such rings.
  explicit MixedReactor(unsigned workers);

  const char* name() const noexcept override { return "mixed"; }
  bool active() const noexcept override { return EpollReactor::active() || rings_.busy(); }

 protected:
  IoResult do_file_call(const FdOperation& operation, const FileCall& call) override;
  void look_at(std::uint32_t worker, std::vector<Ready>& ready) noexcept override;

 private:
  const Rings rings_;
};

}  // namespace weft::detail
