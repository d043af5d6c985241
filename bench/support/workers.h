#pragma once

#include <cstdio>
#include <cstdlib>

namespace bench {

// The worker count of this run: the environment's WEFT_WORKERS, else 1.
inline unsigned workers() {
  const char* text = std::getenv("WEFT_WORKERS");
  if (text == nullptr) return 1;
  char* end = nullptr;
  const unsigned long count = std::strtoul(text, &end, 10);
  if (end == text || *end != '\0' || count == 0 || count > 1024) {
    std::fprintf(stderr, "WEFT_WORKERS is \"%s\", it must be a number from 1 to 1024\n", text);
    std::exit(2);
  }
  return static_cast<unsigned>(count);
}

}  // namespace bench
