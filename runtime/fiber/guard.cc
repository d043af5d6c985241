#include "fiber/guard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "fiber/sanitizer.h"

namespace weft::detail {

namespace {

constexpr int kMadvGuardInstall =
    102;  // MADV_GUARD_INSTALL; the C library's headers are older than it
constexpr std::size_t kDefaultMaxMapCount = 65530;
constexpr std::size_t kMappingsPerGuard = 2;

// Every page size is a multiple of it. An overflow enters at the high end, next to the stack.
constexpr std::size_t kCanaryBytes = 4096;

bool probe_kernel_guards() noexcept {
  void* page =
      ::mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return false;
  // Under mlockall(MCL_FUTURE) the page came locked, which refuses guards whatever the kernel
  // knows. Locked slabs find out for themselves.
  ::munlock(page, page_size());
  const bool supported = ::madvise(page, page_size(), kMadvGuardInstall) == 0;
  ::munmap(page, page_size());
  return supported;
}

std::size_t read_max_map_count() noexcept {
  const int fd = ::open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return kDefaultMaxMapCount;
  char text[32] = {};
  const ssize_t length = ::syscall(SYS_read, fd, text, sizeof text - 1);
  ::close(fd);
  const unsigned long count = length > 0 ? std::strtoul(text, nullptr, 10) : 0;
  return count > 0 ? count : kDefaultMaxMapCount;
}

}  // namespace

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

bool kernel_guards_supported() noexcept {
  static const bool supported = probe_kernel_guards();
  return supported;
}

bool GuardBudget::take() noexcept {
  std::size_t left = left_.load();
  while (left > 0) {
    if (left_.compare_exchange_weak(left, left - 1)) return true;
  }
  return false;
}

GuardBudget& process_guard_budget() noexcept {
  static GuardBudget budget(read_max_map_count() / 2 / kMappingsPerGuard);
  return budget;
}

GuardKind strongest_guard(GuardPolicy policy) noexcept {
  if (policy == GuardPolicy::kNone) return GuardKind::kNone;
  if (policy == GuardPolicy::kMprotect) return GuardKind::kMprotect;
#if defined(WEFT_ASAN)
  if (policy == GuardPolicy::kAuto) return GuardKind::kMprotect;
#endif
  return kernel_guards_supported() ? GuardKind::kKernel : GuardKind::kMprotect;
}

GuardKind install_guard(std::byte* page, GuardKind strongest, GuardBudget& budget) noexcept {
  if (strongest == GuardKind::kNone) return GuardKind::kNone;
  if (strongest == GuardKind::kKernel && ::madvise(page, page_size(), kMadvGuardInstall) == 0) {
    return GuardKind::kKernel;
  }
  if (!budget.take()) return GuardKind::kNone;
  if (::mprotect(page, page_size(), PROT_NONE) == 0) return GuardKind::kMprotect;
  budget.give_back(1);  // others used up the mappings before our half of them was gone
  return GuardKind::kNone;
}

bool canary_intact(const std::byte* limit) noexcept {
  // All zero if the first byte is and each of the others equals the one before it; memcmp is the
  // fastest loop at hand.
  const std::byte* page = limit - kCanaryBytes;
  return page[0] == std::byte{0} && std::memcmp(page, page + 1, kCanaryBytes - 1) == 0;
}

}  // namespace weft::detail
