#include <weft/weft.h>

#include <cstring>
#include <optional>
#include <thread>

#include "hook/parity/host.h"

namespace hook_parity {

namespace {
bool g_in_fibers = false;
}

void run_in(const char* mode, const std::function<void()>& body) {
  g_in_fibers = std::strcmp(mode, "fiber") == 0;
  if (g_in_fibers) {
    weft::run(body);
  } else {
    body();
  }
}

struct Partner::Running {
  std::jthread thread;
  weft::Task<void> fiber;
};

Partner::Partner(bool close_by, std::function<void()> act) : running_(new Running) {
  if (g_in_fibers && close_by) {
    running_->fiber = weft::spawn(std::move(act));
  } else {
    running_->thread = std::jthread(std::move(act));
  }
}

Partner::~Partner() {
  if (!running_->thread.joinable()) running_->fiber.get();
}

}  // namespace hook_parity
