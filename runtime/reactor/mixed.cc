#include "reactor/mixed.h"

#include "reactor/uring_files.h"
#include "reactor/uring_request.h"

namespace weft::detail {

MixedReactor::MixedReactor(unsigned workers)
    : EpollReactor(/*nanoseconds=*/true, {.files = true}), rings_(Ring::Kind::kWatched, workers) {
  for (unsigned i = 0; i < workers; ++i) watch_besides(rings_[i].fd(), i);
}

IoResult MixedReactor::do_file_call(const FdOperation& operation, const FileCall& call) {
  return weft::detail::do_file_call(rings_, operation, call);
}

// The right to poll is the right to read completions. What is left here is told again.
void MixedReactor::look_at(std::uint32_t worker, std::vector<Ready>& ready) noexcept {
  Ring& ring = rings_[worker];
  ring.wait(0);
  ring.reap(Rings::most_at_once(), [&](std::uint64_t request, Completion end) noexcept {
    RingRequest::finish(request, end, ready);
  });
}

}  // namespace weft::detail
