#include "hook/libc.h"

#include <dlfcn.h>

#include <cstdio>

#include "base/assert.h"
#include "fiber/sanitizer.h"

namespace weft::hook {

#ifdef WEFT_TSAN
namespace {

bool are_in_one_object(const void* left, const void* right) noexcept {
  Dl_info of_left{}, of_right{};
  return ::dladdr(left, &of_left) != 0 && ::dladdr(right, &of_right) != 0 &&
         of_left.dli_fbase == of_right.dli_fbase;
}

// Clang links ThreadSanitizer's own definitions into the program. If this library is there, too,
// they are not behind it but beside it. They must see descriptors closed and threads joined, or
// what that orders is a race to them.
void* find_in_sanitizer(const char* name) noexcept {
  char full[64];
  std::snprintf(full, sizeof(full), "__interceptor_%s", name);
  void* const found = ::dlsym(RTLD_DEFAULT, full);
  const bool beside = are_in_one_object(found, reinterpret_cast<void*>(&find_in_libc));
  return found != nullptr && beside ? found : nullptr;
}

}  // namespace
#endif

void* find_in_libc(const char* name) noexcept {
#ifdef WEFT_TSAN
  if (void* const seen = find_in_sanitizer(name)) return seen;
#endif
  void* const found = ::dlsym(RTLD_NEXT, name);
  WEFT_ASSERT(found != nullptr, "only what libc has is called");
  return found;
}

}  // namespace weft::hook
