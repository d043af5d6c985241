#include "reactor/driver_choice.h"

#include <stdexcept>
#include <string>
#include <system_error>

#include "base/report.h"
#include "reactor/epoll.h"
#if defined(WEFT_HAVE_URING)
#include "reactor/mixed.h"
#include "reactor/uring.h"
#endif
#if defined(WEFT_HAVE_VALGRIND)
#include <valgrind/valgrind.h>
#endif

namespace weft::detail {

namespace {

#if defined(WEFT_HAVE_URING)
// Which lets a ring be made, and does not follow what the kernel does with it.
bool on_valgrind() noexcept {
#if defined(WEFT_HAVE_VALGRIND)
  return RUNNING_ON_VALGRIND != 0;
#else
  return false;
#endif
}

// Null where the kernel, or a filter before it, refuses a ring.
std::unique_ptr<Reactor> with_rings(unsigned workers, bool tells) {
  std::string why = "Valgrind does not follow it";
  try {
    if (!on_valgrind()) return std::make_unique<MixedReactor>(workers);
  } catch (const std::system_error& error) {
    why = error.what();
  }
  if (tells) report("no io_uring (" + why + "), so the driver is epoll");
  return nullptr;
}
#else
std::unique_ptr<Reactor> with_rings(unsigned /*workers*/, bool /*tells*/) { return nullptr; }
#endif

}  // namespace

std::unique_ptr<Reactor> make_driver(std::string_view name, unsigned workers, bool tells) {
  if (name.empty() || name == "auto") {
    if (std::unique_ptr<Reactor> mixed = with_rings(workers, tells)) return mixed;
    return std::make_unique<EpollReactor>();
  }
  if (name == "epoll") return std::make_unique<EpollReactor>();
#if defined(WEFT_HAVE_URING)
  if (name == "mixed") return std::make_unique<MixedReactor>(workers);
  if (name == "uring") return std::make_unique<UringReactor>(workers);
#endif
  const std::string given =
      "weft: driver (Options::driver, WEFT_DRIVER) is '" + std::string(name) + "'";
  if (name == "mixed" || name == "uring") {
    throw std::invalid_argument(given +
                                ", but this build has only 'epoll'; 'auto' takes what there is");
  }
  throw std::invalid_argument(given + "; allowed are 'auto', 'epoll', 'mixed' and 'uring'");
}

}  // namespace weft::detail
