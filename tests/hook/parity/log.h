#pragma once

// What a sequence did and what came of it, a line for each call. It is compared as text.

#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <span>
#include <string>

namespace hook_parity {

/// At once, and past the hooks.
void print(const std::string& line);

std::string error_name(int error);

/// How many, a few of the first, and a sum of all.
std::string text_of(std::span<const unsigned char> bytes);

constexpr int kErrnoBefore = 77;

/// Makes one call of libc: what it returned, and errno if it failed, or if it touched errno
/// although it did not fail. A fiber that it suspends comes back on the same thread, so errno stays
/// where it is.
template <class Call>
[[gnu::noinline]] std::string outcome(Call&& call, long* result = nullptr) {
  errno = kErrnoBefore;
  const auto got = static_cast<long>(call());
  const int error = errno;
  if (result != nullptr) *result = got;
  if (got < 0) return std::to_string(got) + " " + error_name(error);
  return std::to_string(got) + (error == kErrnoBefore ? "" : ", and errno " + error_name(error));
}

}  // namespace hook_parity
