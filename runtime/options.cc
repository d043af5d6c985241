#include "options.h"

#include <charconv>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "fiber/stack.h"
#include "sched/cpu_count.h"

namespace weft::detail {

namespace {

constexpr std::uint64_t kMaxWorkers = 1024;
constexpr std::uint64_t kMaxBlockingThreads = 4096;
constexpr unsigned kDefaultBlockingThreads = 64;
constexpr std::size_t kDefaultStackSize = std::size_t{256} << 10;

/// The variable's value; an empty one counts as none.
std::optional<std::string_view> environment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

[[noreturn]] void refuse(std::string_view name, std::string_view given, std::string_view allowed) {
  throw std::invalid_argument("weft: " + std::string(name) + " is \"" + std::string(given) +
                              "\"; it must be " + std::string(allowed));
}

std::string range(std::uint64_t least, std::uint64_t most) {
  return "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
}

/// The option if set (not zero), else the variable, else nothing.
std::optional<std::uint64_t> number(const char* option, std::uint64_t given, const char* variable,
                                    std::uint64_t least, std::uint64_t most) {
  if (given != 0) {
    if (given < least || given > most) refuse(option, std::to_string(given), range(least, most));
    return given;
  }
  const auto text = environment(variable);
  if (!text) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  const bool whole = error == std::errc() && end == text->data() + text->size();
  if (!whole || value < least || value > most) refuse(variable, *text, range(least, most));
  return value;
}

bool flag(bool given, const char* variable) {
  if (given) return true;
  const auto text = environment(variable);
  if (!text || *text == "0") return false;
  if (*text == "1") return true;
  refuse(variable, *text, "0 or 1");
}

}  // namespace

ResolvedOptions resolve(const Options& options) {
  const CpuBudget budget = cpu_budget();
  const auto workers = number("Options::workers", options.workers, "WEFT_WORKERS", 1, kMaxWorkers);
  const auto count = static_cast<unsigned>(workers.value_or(budget.cpus));
  const auto stack = number("Options::stack_size", options.stack_size, "WEFT_STACK_SIZE",
                            kMinStackSize, kMaxStackSize);
  const auto threads = number("Options::blocking_threads", options.blocking_threads,
                              "WEFT_BLOCKING_THREADS", 1, kMaxBlockingThreads);
  if (options.slow_fiber <= std::chrono::nanoseconds::zero()) {
    refuse("Options::slow_fiber", std::to_string(options.slow_fiber.count()) + " ns",
           "more than zero");
  }
  return {
      .workers = count,
      .stack_class = size_class_for(stack.value_or(kDefaultStackSize)),
      .driver = std::string(environment("WEFT_DRIVER").value_or(options.driver)),
      .blocking_threads = static_cast<unsigned>(threads.value_or(kDefaultBlockingThreads)),
      .name = options.name.empty() ? std::string(environment("WEFT_NAME").value_or("weft"))
                                   : options.name,
      .fifo = flag(options.fifo, "WEFT_FIFO"),
      .debug = flag(options.debug, "WEFT_DEBUG"),
      // Near the end of a quota a spinning worker takes time that fibers need; and of several on
      // one processor it would keep another from running.
      .spin = !budget.quota_limited && (budget.cpus > 1 || count == 1),
      .spin_yields = budget.cpus == 1,
  };
}

}  // namespace weft::detail
