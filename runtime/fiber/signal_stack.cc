#include "fiber/signal_stack.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "fiber/guard.h"

namespace weft::detail {

AlternateSignalStack::AlternateSignalStack() noexcept {
  // Roomy: the handler that ours passes on to may print a backtrace, and with AVX-512 or AMX state
  // the kernel's frame alone takes many kilobytes.
  constexpr std::size_t kUsable = std::size_t{64} << 10;
  const auto least = static_cast<std::size_t>(std::max(::sysconf(_SC_SIGSTKSZ), 0L));
  const std::size_t page = page_size();
  const std::size_t usable = (std::max(kUsable, least) + page - 1) / page * page;
  void* memory = ::mmap(nullptr, page + usable, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) {
    error_ = {errno, std::system_category()};
    return;
  }
  memory_ = static_cast<std::byte*>(memory);
  bytes_ = page + usable;
  stack_t ours{};
  ours.ss_sp = memory_ + page;
  ours.ss_size = usable;
  if (::mprotect(memory_, page, PROT_NONE) != 0 || ::sigaltstack(&ours, &previous_) != 0) {
    error_ = {errno, std::system_category()};
    unmap();
  }
}

AlternateSignalStack::~AlternateSignalStack() {
  if (memory_ == nullptr) return;
  if (is_current()) ::sigaltstack(&previous_, nullptr);
  unmap();
}

bool AlternateSignalStack::contains(const void* address) const noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto begin = reinterpret_cast<std::uintptr_t>(memory_);
  return memory_ != nullptr && at - begin >= page_size() && at - begin < bytes_;
}

bool AlternateSignalStack::is_current() const noexcept {
  stack_t current{};
  return ::sigaltstack(nullptr, &current) == 0 && current.ss_sp == memory_ + page_size();
}

void AlternateSignalStack::unmap() noexcept {
  ::munmap(memory_, bytes_);
  memory_ = nullptr;
}

}  // namespace weft::detail
