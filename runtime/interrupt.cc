#include "interrupt.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <mutex>

#include "base/futex.h"
#include "fiber/sanitizer.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

Atomic<std::uint32_t> g_main_events{0};  // [main-events]
Atomic<unsigned> g_interrupts{0};
Atomic<bool> g_acted{false};  // upon them; by those who wait for main tasks, read by the last scope
std::mutex g_mutex;
Atomic<int> g_scopes{0};   // written under g_mutex, read by the handler
bool g_installed = false;  // under g_mutex

// In line, for a signal's handler calls it.
[[gnu::always_inline]] inline void raise_main_event() noexcept {
  g_main_events.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(g_main_events, INT_MAX);
}

WEFT_HANDLES_SIGNAL void on_interrupt(int) {
  const int saved_errno = errno;
  // Whoever took the signal over meanwhile, and gave it back after the last scope had gone, has put
  // this handler in place again.
  const bool in_scope = g_scopes.load(std::memory_order_seq_cst) > 0;
  if (in_scope && g_interrupts.fetch_add(1, std::memory_order_seq_cst) == 0) {
    raise_main_event();
  } else {
    // The program did not end by itself: end it, as if nobody had caught the signal.
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    ::sigaction(SIGINT, &standard, nullptr);
    ::raise(SIGINT);
  }
  errno = saved_errno;
}

}  // namespace

InterruptScope::InterruptScope() {
  const std::lock_guard lock(g_mutex);
  // Before the handler is in place: a signal that comes at once counts.
  if (g_scopes.load(std::memory_order_seq_cst) == 0) {
    g_interrupts.store(0, std::memory_order_seq_cst);
    g_acted.store(false, std::memory_order_relaxed);
  }
  before_ = g_interrupts.load(std::memory_order_seq_cst);
  if (g_scopes.fetch_add(1, std::memory_order_seq_cst) > 0) return;
  struct sigaction current {};
  ::sigaction(SIGINT, nullptr, &current);
  const bool standard = (current.sa_flags & SA_SIGINFO) == 0 && current.sa_handler == SIG_DFL;
  const bool ours_already = current.sa_handler == &on_interrupt;
  if (!standard && !ours_already) return;
  struct sigaction ours {};
  ours.sa_handler = &on_interrupt;
  ours.sa_flags = SA_RESTART | SA_ONSTACK;
  g_installed = ::sigaction(SIGINT, &ours, nullptr) == 0;
}

InterruptScope::~InterruptScope() {
  const std::lock_guard lock(g_mutex);
  if (g_scopes.fetch_sub(1, std::memory_order_seq_cst) > 1 || !g_installed) return;
  g_installed = false;
  struct sigaction current {};
  ::sigaction(SIGINT, nullptr, &current);
  // Unless the program has put its own in place meanwhile.
  if (current.sa_handler == &on_interrupt) {
    current.sa_handler = SIG_DFL;
    current.sa_flags = 0;
    ::sigaction(SIGINT, &current, nullptr);
    const bool came = g_interrupts.load(std::memory_order_seq_cst) != 0;
    if (came && !g_acted.load(std::memory_order_relaxed)) ::raise(SIGINT);
  }
}

bool InterruptScope::interrupted() const noexcept {
  return g_interrupts.load(std::memory_order_seq_cst) != before_;
}

void InterruptScope::act() const noexcept { g_acted.store(true, std::memory_order_relaxed); }

std::uint32_t main_events() noexcept { return g_main_events.load(std::memory_order_seq_cst); }

void wait_for_main_event(std::uint32_t seen) noexcept {
#if defined(WEFT_TSAN)
  // ThreadSanitizer keeps a signal's handler back until the thread makes a call that it intercepts,
  // and the futex is none.
  futex_wait(g_main_events, seen, now() + 20'000'000);
  ::usleep(0);
#else
  futex_wait(g_main_events, seen);
#endif
}

void note_main_event() noexcept { raise_main_event(); }

}  // namespace weft::detail
