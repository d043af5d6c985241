#include "hook/parity/log.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace hook_parity {

void print(const std::string& line) {
  const std::string whole = line + '\n';
  ::syscall(SYS_write, STDOUT_FILENO, whole.data(), whole.size());
}

std::string error_name(int error) {
  const char* const name = ::strerrorname_np(error);
  return name != nullptr ? name : std::to_string(error);
}

std::string text_of(std::span<const unsigned char> bytes) {
  std::uint64_t sum = 14695981039346656037U;
  for (const unsigned char byte : bytes) sum = (sum ^ byte) * 1099511628211U;
  std::string text = "[";
  for (const unsigned char byte : bytes.first(std::min<std::size_t>(bytes.size(), 4))) {
    text += std::to_string(byte) + ' ';
  }
  return text + "sum " + std::to_string(sum % 1'000'000) + "]";
}

}  // namespace hook_parity
