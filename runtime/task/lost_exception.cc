#include "task/lost_exception.h"

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <typeinfo>

#include "sched/scheduler.h"

namespace weft::detail {

namespace {

std::string type_name(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : type.name();
}

void write_line(const LostException& lost) {
  const std::string line = "weft: the exception of " + lost.task_name + ", spawned at " +
                           lost.site.file + ":" + std::to_string(lost.site.line) + " in " +
                           lost.site.function + ", was never read: " + describe(lost.exception) +
                           "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace

std::string describe(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& exception) {
    return type_name(typeid(exception)) + ": " + exception.what();
  } catch (const Cancelled& cancelled) {
    return cancelled.what();
  } catch (...) {
    const std::type_info* const type = abi::__cxa_current_exception_type();
    return type != nullptr ? type_name(*type) : "an unknown exception";
  }
}

void report_lost_exception(Fiber& fiber, TaskState& state) noexcept {
  const std::uint64_t id = fiber.id.load(std::memory_order_relaxed);
  try {
    const LostException lost{
        id,
        fiber.name != nullptr ? fiber.name : "task-" + std::to_string(id),
        {fiber.file.load(std::memory_order_relaxed), fiber.function.load(std::memory_order_relaxed),
         fiber.line.load(std::memory_order_relaxed)},
        state.error};
    Scheduler* const scheduler = Scheduler::current();
    const LostExceptionHandler* const handler =
        scheduler != nullptr ? scheduler->services().lost_exceptions : nullptr;
    if (handler != nullptr && handler->call) {
      handler->call(lost);
    } else {
      write_line(lost);
    }
  } catch (...) {
    std::fputs("weft: a task's exception was never read, and reporting it failed\n", stderr);
  }
}

}  // namespace weft::detail
