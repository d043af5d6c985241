#include "fiber/identity.h"

#include <mutex>

namespace weft::detail {

namespace {
std::mutex g_names;
}  // namespace

std::string name_of(const Fiber& fiber, std::uint64_t id) {
  std::string name;
  {
    const std::lock_guard lock(g_names);
    const char* const given = fiber.name.load(std::memory_order_acquire);
    // Its memory stays as long as the lock is held; whose it is, the id tells.
    if (given != nullptr && fiber.id.load(std::memory_order_relaxed) == id) name = given;
  }
  return name.empty() ? "task-" + std::to_string(id) : name;
}

void free_name(Fiber& fiber) noexcept {
  const char* name = nullptr;
  {
    const std::lock_guard lock(g_names);
    name = fiber.name.exchange(nullptr, std::memory_order_acq_rel);
  }
  delete[] name;
}

SpawnSite site_of(const Fiber& fiber) noexcept {
  return {fiber.file.load(std::memory_order_relaxed),
          fiber.function.load(std::memory_order_relaxed),
          fiber.line.load(std::memory_order_relaxed)};
}

std::string describe(const std::string& name, const SpawnSite& site) {
  return name + ", spawned at " + site.file + ":" + std::to_string(site.line) + " in " +
         site.function;
}

std::string describe(const Fiber& fiber) {
  if (fiber.scheduler.load(std::memory_order_relaxed) == nullptr) return "a thread";
  return describe(name_of(fiber, fiber.id.load(std::memory_order_relaxed)), site_of(fiber));
}

const char* awaited_kind(const Fiber& fiber) noexcept {
  switch (fiber.waits_for.load(std::memory_order_relaxed)) {
    case WaitsFor::kUnsaid:
      return "something";
    case WaitsFor::kSleep:
      return "the end of a sleep";
    case WaitsFor::kTask:
      return "the end of a task";
    case WaitsFor::kTasks:
      return "the end of several tasks";
    case WaitsFor::kFuture:
      return "a future";
    case WaitsFor::kDescriptor:
      return "a descriptor";
    case WaitsFor::kMutex:
      return "a mutex";
    case WaitsFor::kSharedMutex:
      return "a shared mutex";
    case WaitsFor::kCondition:
      return "a condition variable";
    case WaitsFor::kEvent:
      return "an event";
    case WaitsFor::kSignal:
      return "a signal";
    case WaitsFor::kSemaphore:
      return "a semaphore";
    case WaitsFor::kChannel:
      return "a channel";
    case WaitsFor::kSelect:
      return "a select";
  }
  return "something";
}

}  // namespace weft::detail
