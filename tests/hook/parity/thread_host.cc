#include <cstdlib>
#include <cstring>
#include <thread>

#include "hook/parity/host.h"

namespace hook_parity {

void run_in(const char* mode, const std::function<void()>& body) {
  if (std::strcmp(mode, "thread") != 0) std::abort();
  body();
}

struct Partner::Running {
  std::jthread thread;
};

Partner::Partner(bool /*close_by*/, std::function<void()> act)
    : running_(new Running{std::jthread(std::move(act))}) {}
Partner::~Partner() = default;

}  // namespace hook_parity
