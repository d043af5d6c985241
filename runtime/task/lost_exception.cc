#include "task/lost_exception.h"

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <typeinfo>

#include "base/report.h"
#include "fiber/identity.h"
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
  report("the exception of " + describe(lost.task_name, lost.site) +
         ", was never read: " + describe(lost.exception));
}

void could_not_report() noexcept {
  std::fputs("weft: an exception was never read, and reporting it failed\n", stderr);
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

void report_lost_exception(const LostException& lost) noexcept {
  try {
    Scheduler* const scheduler = Scheduler::current();
    const LostExceptionHandler* const handler =
        scheduler != nullptr ? scheduler->services().lost_exceptions : nullptr;
    if (handler != nullptr && handler->call) {
      handler->call(lost);
    } else {
      write_line(lost);
    }
  } catch (...) {
    could_not_report();
  }
}

void report_lost_exception(const Fiber& fiber, const std::exception_ptr& error) noexcept {
  try {
    const std::uint64_t id = fiber.id.load(std::memory_order_relaxed);
    report_lost_exception({id, name_of(fiber, id), site_of(fiber), error});
  } catch (...) {
    could_not_report();
  }
}

}  // namespace weft::detail
