#include "reactor/driver_choice.h"

#include <stdexcept>
#include <string>

#include "reactor/epoll.h"
#if defined(WEFT_HAVE_URING)
#include "reactor/uring.h"
#endif

namespace weft::detail {

std::unique_ptr<Reactor> make_driver(std::string_view name, [[maybe_unused]] unsigned workers) {
  if (name.empty() || name == "auto" || name == "epoll") return std::make_unique<EpollReactor>();
  const std::string given =
      "weft: driver (Options::driver, WEFT_DRIVER) is '" + std::string(name) + "'";
  if (name == "uring") {
#if defined(WEFT_HAVE_URING)
    return std::make_unique<UringReactor>(workers);
#else
    throw std::invalid_argument(given +
                                ", but this build has only 'epoll'; 'auto' takes what there is");
#endif
  }
  throw std::invalid_argument(given + "; allowed are 'auto', 'epoll' and 'uring'");
}

}  // namespace weft::detail
