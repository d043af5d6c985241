#pragma once

// How much a test may do in the build it is part of.

#if defined(__SANITIZE_ADDRESS__)
#define SUPPORT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SUPPORT_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define SUPPORT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SUPPORT_TSAN 1
#endif
#endif

namespace support {

#if defined(SUPPORT_ASAN)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif
#if defined(SUPPORT_TSAN)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#if defined(WEFT_CHAOS)
inline constexpr bool kChaos = true;
#else
inline constexpr bool kChaos = false;
#endif
inline constexpr bool kSanitized = kAddressSanitizer || kThreadSanitizer;

/// `full` in a plain build, about as much as takes the same time in an instrumented one; less under
/// chaos, which is repeated with many seeds.
constexpr int scaled(int full) {
  const int divisor = kThreadSanitizer ? 20 : kAddressSanitizer ? 5 : kChaos ? 20 : 1;
  return full / divisor > 0 ? full / divisor : 1;
}

}  // namespace support
