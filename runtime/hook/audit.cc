#include "hook/audit.h"

#include <execinfo.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <weft/hook.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "hook/audit_dispatch.h"
#include "hook/audit_sampling.h"
#include "sched/scheduler.h"

namespace weft::hook {

namespace {

enum class Means { kNone, kDispatch, kSampling };

// Set before any worker starts.
constinit Means g_means = Means::kNone;
constinit const char* g_file = nullptr;  // null: standard error
constinit pid_t g_process = 0;           // the children of a fork have seen nothing
// Why it is not dispatch. Never destroyed: reports may be asked for by destructors.
constinit const std::string* g_why_not = nullptr;
// Set by workers, read by whoever reports; publishes nothing.
constinit std::atomic<bool> g_had_workers{false};

const char* environment(const char* name) noexcept {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? nullptr : value;
}

void worker_begins(detail::Worker& worker) noexcept {
  g_had_workers.store(true, std::memory_order_relaxed);
  if (g_means == Means::kDispatch) {
    begin_dispatch();
  } else {
    begin_sampling(worker);
  }
}

void worker_ends(detail::Worker& worker) noexcept {
  if (g_means == Means::kDispatch) {
    end_dispatch();
  } else {
    end_sampling(worker);
  }
}

constexpr detail::WorkerWatch kWatch{&worker_begins, &worker_ends};

// No hook may come between: the report may be written by a fiber that ends the program.
void write_to(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t count = ::syscall(SYS_write, fd, text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // nobody can be told
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

[[noreturn]] void refuse(const char* value) noexcept {
  std::fprintf(stderr, "weft: WEFT_AUDIT_BY is \"%s\"; it must be dispatch or sampling\n", value);
  ::_exit(2);
}

Means choose_means() {
  const char* const wanted = environment("WEFT_AUDIT_BY");
  const bool any = wanted == nullptr;
  if (!any && std::strcmp(wanted, "sampling") == 0) {
    g_why_not = new std::string("it was asked for");
    return Means::kSampling;
  }
  if (!any && std::strcmp(wanted, "dispatch") != 0) refuse(wanted);
  g_why_not = new std::string(why_no_dispatch());
  return g_why_not->empty() ? Means::kDispatch : Means::kSampling;
}

std::string means_text() {
  if (g_means == Means::kDispatch) {
    return "weft audit by dispatch: sees every system call in which a fiber slept for 0.1 ms or "
           "longer; does not see waits for memory that is not there, nor for a vfork's child";
  }
  return "weft audit by sampling (" + *g_why_not +
         "): sees what a fiber slept in for 4 ms or longer, and knows its length to within 4 ms; "
         "misses the rest";
}

// Before the constructors of programs, which may start workers.
[[gnu::constructor(101)]] void start_audit() {
  const char* const where = environment("WEFT_AUDIT");
  if (where == nullptr || std::strcmp(where, "0") == 0) return;
  if (std::strcmp(where, "1") != 0) g_file = ::strdup(where);
  g_process = ::getpid();
  g_means = choose_means();
  // The first one loads the library that knows how to.
  std::array<void*, 4> frames;
  ::backtrace(frames.data(), static_cast<int>(frames.size()));
  if (g_means == Means::kDispatch) install_dispatch();
  if (g_means == Means::kSampling) install_sampling();
  detail::watch_workers(kWatch);
}

[[gnu::destructor]] void end_audit() {
  // Programs without a worker: children that inherit the environment and a preloaded library.
  if (!g_had_workers.load(std::memory_order_relaxed) || ::getpid() != g_process) return;
  const std::string text = hook_audit_report();
  if (g_file == nullptr) return write_to(STDERR_FILENO, text);
  const auto fd = static_cast<int>(
      ::syscall(SYS_openat, AT_FDCWD, g_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (fd < 0) {
    std::fprintf(stderr, "weft: cannot write to WEFT_AUDIT=%s: %s\n", g_file, std::strerror(errno));
    return write_to(STDERR_FILENO, text);
  }
  write_to(fd, text);
  ::syscall(SYS_close, fd);
}

}  // namespace
}  // namespace weft::hook

namespace weft {

bool hook_audit_runs() noexcept { return hook::g_means != hook::Means::kNone; }

std::string hook_audit_report() {
  if (!hook_audit_runs()) return "";
  return hook::report_of(hook::g_audit_log, hook::means_text());
}

}  // namespace weft
