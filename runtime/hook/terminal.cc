#include "hook/terminal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "hook/caller.h"
#include "hook/libc.h"
#include "hook/parts.h"
#include "hook/time_spans.h"
#include "hook/transfer.h"
#include "io/terminal.h"

namespace weft::hook {

namespace {

WEFT_LIBC(readv);
WEFT_LIBC(writev);

ssize_t read_now(int fd, std::span<const iovec> into) noexcept {
  return libc_readv(fd, into.data(), static_cast<int>(into.size()));
}

ssize_t write_now(int fd, std::span<const iovec> from) noexcept {
  return libc_writev(fd, from.data(), static_cast<int>(from.size()));
}

int not_yet() noexcept {
  errno = EAGAIN;
  return -1;
}

// What a read waits for: so many bytes, with no more than so long between two of them. Of no bytes:
// so long for the first. Most say by themselves when they are ready, as if for one byte: devices
// that are no terminals, those that are read by lines, and those of which enough is asked.
struct Wants {
  std::size_t bytes = 1;
  Nanos gap = 0;
};

Wants wants_of(int fd, std::size_t size) noexcept {
  constexpr Nanos kTenth = 100'000'000;
  termios mode{};
  if (::tcgetattr(fd, &mode) != 0 || (mode.c_lflag & ICANON) != 0) return {};
  if (detail::is_terminal_master(fd)) return {};  // which is shown the mode of its other end
  const std::size_t least = mode.c_cc[VMIN];
  const Nanos gap = mode.c_cc[VTIME] * kTenth;
  if (least > 0 && least <= size && gap == 0) return {};
  return {.bytes = std::min(least, size), .gap = gap};
}

bool has(int fd, std::size_t bytes) noexcept {
  int there = 0;
  return ::ioctl(fd, FIONREAD, &there) != 0 || static_cast<std::size_t>(there) >= bytes;
}

}  // namespace

ssize_t read_device(int fd, std::span<const iovec> into) noexcept {
  const Wants wants = wants_of(fd, Parts(into).size());
  if (wants.bytes == 0) {
    if (wants.gap > 0 && look_at(fd, POLLIN) == 0 &&
        !wait_for(fd, POLLIN, deadline_in(wants.gap))) {
      return errno == EAGAIN ? 0 : -1;
    }
    return read_now(fd, into);
  }
  if (wants.bytes == 1 || wants.gap > 0) {
    if (look_at(fd, POLLIN) == 0) return not_yet();
    if (wants.bytes == 1 || has(fd, wants.bytes)) return read_now(fd, into);
    ssize_t count = -1;  // from the first byte on it does not take long
    auto rest = [&]() noexcept { count = read_now(fd, into); };
    return on_thread(rest) ? count : -1;
  }
  // It is called ready when VMIN bytes are there, although the read may ask for fewer.
  constexpr Nanos kLookAgain = 10'000'000;
  while (look_at(fd, POLLIN) == 0 && !has(fd, wants.bytes)) {
    if (!sleep_until(deadline_in(kLookAgain))) return -1;
  }
  return read_now(fd, into);
}

// Ready is a terminal that has room for something. How much more goes only a write that does not
// block can find out, by a descriptor of its own. Where there is none it is so little that there
// should be room for it.
ssize_t write_device(int fd, std::span<const iovec> from) noexcept {
  constexpr std::size_t kLittle = 256;
  if (look_at(fd, POLLOUT) == 0) return not_yet();
  if (::isatty(fd) == 0) return write_now(fd, from);
  if (const OwnedFd own = detail::open_terminal_anew(fd)) return write_now(own.get(), from);
  const auto first =
      std::find_if(from.begin(), from.end(), [](const iovec& part) { return part.iov_len > 0; });
  const iovec little{first->iov_base, std::min(first->iov_len, kLittle)};
  return write_now(fd, {&little, 1});
}

}  // namespace weft::hook
