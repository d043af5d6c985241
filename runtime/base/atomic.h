#pragma once

// The atomics seam: lock-free code names its atomics through here, so that the same source can be
// compiled over a model of memory instead of the machine's (tests/model), or over atomics that take
// their time (base/chaos_atomic.h).

#if defined(WEFT_ATOMIC_SEAM)
#include WEFT_ATOMIC_SEAM  // Atomic
#else

#include <atomic>

namespace weft::detail {

template <class T>
using Atomic = std::atomic<T>;

}  // namespace weft::detail

#endif

#if !defined(WEFT_MODEL)  // which has its own of these, too

namespace weft::detail {

/// Tells the core that this is a spin loop.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

/// So many times, without a look in between.
inline void cpu_relax(int times) noexcept {
  for (int i = 0; i < times; ++i) cpu_relax();
}

}  // namespace weft::detail

#endif
