#include "io/signal_watch.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "base/futex.h"
#include "base/own_call.h"
#include "base/party.h"
#include "base/signal_mask.h"
#include "fiber/sanitizer.h"
#include "time/clock.h"

namespace weft::detail {

namespace {

Atomic<SignalSet> g_arrived{0};     // raised by the handler, taken by the thread [signal-events]
Atomic<std::uint32_t> g_events{0};  // anything that the thread should look at [signal-events]
Atomic<SignalSet> g_wanted{0};      // what some listener wants; written under `changing`

// Its number. In line, for a signal's handler calls it.
[[gnu::always_inline]] inline std::uint32_t note_event() noexcept {
  const std::uint32_t number = g_events.fetch_add(1, std::memory_order_seq_cst) + 1;
  futex_wake(g_events, INT_MAX);
  return number;
}

WEFT_HANDLES_SIGNAL void on_signal(int number) {
  const int saved_errno = errno;
  g_arrived.fetch_or(signal_bit(number), std::memory_order_seq_cst);
  note_event();
  errno = saved_errno;
}

void wait_for_event(std::uint32_t seen) noexcept {
#if defined(WEFT_TSAN)
  // ThreadSanitizer keeps a signal's handler back until the thread makes a call that it intercepts,
  // and the futex is none.
  futex_wait(g_events, seen, now() + 20'000'000);
  ::usleep(0);
#else
  futex_wait(g_events, seen);
#endif
}

template <class Each>
void for_each_signal(SignalSet signals, Each each) noexcept {
  for (int number = 1; number <= kMostSignal; ++number) {
    if ((signals & signal_bit(number)) != 0) each(number);
  }
}

class SignalThread {
 public:
  SignalThread() {
    const AllSignalsBlocked scope;
    thread_ = std::thread([this] { run(); });
  }
  ~SignalThread() {
    stop_.store(true, std::memory_order_seq_cst);
    note_event();
    thread_.join();
  }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

  /// Returns once the thread blocks what is not wanted any more. Not under a lock that it takes.
  void close_to_unwanted() noexcept;

 private:
  void run() noexcept;

  Atomic<bool> stop_{false};
  // The event as of which the thread's mask is right; written by the thread. seq_cst, as all here.
  Atomic<std::uint32_t> masked_{g_events.load(std::memory_order_seq_cst)};
  std::thread thread_;
};

struct Listening {
  // By who adds or takes off a listener, and waits for the thread meanwhile; before the other.
  std::mutex changing;
  std::mutex mutex;                        // by the thread, too, for the listeners alone
  std::vector<SignalListener*> listeners;  // changed under both
  // Under `changing`:
  unsigned listeners_of[kMostSignal + 1] = {};
  struct sigaction before[kMostSignal + 1] = {};
  std::unique_ptr<SignalThread> thread;  // while there are listeners
};

// Never destroyed: a static object may listen to the end.
Listening& listening() noexcept {
  static Listening& instance = *new Listening;
  return instance;
}

void tell_listeners() noexcept {
  Listening& all = listening();
  const std::lock_guard lock(all.mutex);
  const SignalSet arrived = g_arrived.exchange(0, std::memory_order_seq_cst);
  if (arrived == 0) return;
  for (SignalListener* const listener : all.listeners) {
    if ((arrived & listener->wanted) == 0) continue;
    listener->arrived.fetch_or(arrived & listener->wanted, std::memory_order_seq_cst);
    listener->event.set();
  }
}

void open_to_wanted_signals() noexcept {
  sigset_t mask = all_signals_but_faults();
  for_each_signal(g_wanted.load(std::memory_order_seq_cst),
                  [&](int number) { ::sigdelset(&mask, number); });
  set_signal_mask(mask);
}

void SignalThread::run() noexcept {
  const int error = ::pthread_setname_np(::pthread_self(), "weft-signals");
  static_cast<void>(error);  // Refused where /proc is not writable; a name is only for people.
  for (;;) {
    const std::uint32_t seen = g_events.load(std::memory_order_seq_cst);
    const bool stop = stop_.load(std::memory_order_seq_cst);  // set when nothing is wanted any more
    open_to_wanted_signals();
    masked_.store(seen, std::memory_order_seq_cst);
    futex_wake(masked_, INT_MAX);
    if (stop) return;
    tell_listeners();
    leave_party();
    wait_for_event(seen);
  }
}

void SignalThread::close_to_unwanted() noexcept {
  const std::uint32_t event = note_event();
  for (;;) {
    const std::uint32_t masked = masked_.load(std::memory_order_seq_cst);
    if (static_cast<std::int32_t>(masked - event) >= 0) return;  // the numbers may wrap around
    futex_wait(masked_, masked);
  }
}

// Those below are called under `changing`.

void take_over(Listening& all, int number) noexcept {
  if (all.listeners_of[number]++ > 0) return;
  // One that came at the very end of an earlier listener is no news.
  g_arrived.fetch_and(~signal_bit(number), std::memory_order_seq_cst);
  struct sigaction ours {};
  ours.sa_handler = &on_signal;
  ours.sa_flags = SA_RESTART | SA_ONSTACK;
  const int result = ::sigaction(number, &ours, &all.before[number]);
  WEFT_ASSERT(result == 0, "the public surface lets only signals pass that can be caught");
  g_wanted.fetch_or(signal_bit(number), std::memory_order_seq_cst);
}

// The signals that nobody else listens for.
SignalSet release(Listening& all, SignalSet wanted) noexcept {
  SignalSet last = 0;
  for_each_signal(wanted, [&](int number) {
    if (--all.listeners_of[number] == 0) last |= signal_bit(number);
  });
  return last;
}

void give_back(Listening& all, int number) noexcept {
  struct sigaction current {};
  ::sigaction(number, nullptr, &current);
  // Unless the program has put its own in place meanwhile.
  if ((current.sa_flags & SA_SIGINFO) == 0 && current.sa_handler == &on_signal) {
    ::sigaction(number, &all.before[number], nullptr);
  }
}

}  // namespace

void watch_signals(SignalListener& listener) {
  const OwnCall scope;
  Listening& all = listening();
  const std::lock_guard changing(all.changing);
  const std::lock_guard lock(all.mutex);
  all.listeners.reserve(all.listeners.size() + 1);
  if (all.thread == nullptr) all.thread = std::make_unique<SignalThread>();
  for_each_signal(listener.wanted, [&](int number) { take_over(all, number); });
  all.listeners.push_back(&listener);
  note_event();  // there are signals to be opened to
}

void unwatch_signals(SignalListener& listener) noexcept {
  const OwnCall scope;
  Listening& all = listening();
  const std::lock_guard changing(all.changing);
  {
    const std::lock_guard lock(all.mutex);
    all.listeners.erase(std::find(all.listeners.begin(), all.listeners.end(), &listener));
  }
  const SignalSet last = release(all, listener.wanted);
  g_wanted.fetch_and(~last, std::memory_order_seq_cst);
  // What the signals did before comes back only when the thread blocks them as the program does: it
  // may be the one thread that does not, and the default the end of the process.
  if (all.listeners.empty()) {
    all.thread.reset();
  } else if (last != 0) {
    all.thread->close_to_unwanted();
  }
  for_each_signal(last, [&](int number) { give_back(all, number); });
}

}  // namespace weft::detail
