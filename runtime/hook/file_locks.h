#pragma once

namespace weft::hook {

/// fcntl(2)'s F_SETLKW or F_OFD_SETLKW, in a fiber.
int wait_for_range(int fd, int command, void* lock) noexcept;

}  // namespace weft::hook
