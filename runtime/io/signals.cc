#include <weft/signals.h>

#include <signal.h>
#include <weft/error.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

#include "io/io_error.h"
#include "io/signal_name.h"
#include "io/signal_watch.h"
#include "sched/wait.h"
#include "sync/event_access.h"

namespace weft {

namespace detail {

std::string signal_name(int number) {
  if (const char* const name = ::sigabbrev_np(number)) return std::string("SIG") + name;
  return "signal " + std::to_string(number);
}

namespace {

// Null: it can.
const char* why_no_listener(int number) noexcept {
  switch (number) {
    case SIGKILL:
    case SIGSTOP:
      return "no program can catch it";
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
    case SIGABRT:
      return "a thread raises it by its own fault and cannot go on";
    default:
      break;
  }
  if (number < 1 || number > kMostSignal) return "there is no such signal";
  sigset_t set;
  ::sigfillset(&set);  // leaves out those that libc keeps to itself
  return ::sigismember(&set, number) == 1 ? nullptr : "the C library keeps it to itself";
}

SignalSet set_of(std::span<const int> numbers) {
  if (numbers.empty()) throw std::invalid_argument("weft::Signals: no signal to wait for");
  SignalSet set = 0;
  for (const int number : numbers) {
    if (const char* const reason = why_no_listener(number)) {
      throw std::invalid_argument("weft::Signals: cannot wait for " + signal_name(number) + " (" +
                                  std::to_string(number) + "): " + reason);
    }
    set |= signal_bit(number);
  }
  return set;
}

std::string names_of(SignalSet set) {
  std::string names;
  for (int number = 1; number <= kMostSignal; ++number) {
    if ((set & signal_bit(number)) == 0) continue;
    if (!names.empty()) names += ", ";
    names += signal_name(number);
  }
  return names;
}

// 0: none has come. Of several that take at once, each gets another signal.
int take_arrived(SignalListener& listener) noexcept {
  SignalSet arrived = listener.arrived.load(std::memory_order_seq_cst);
  while (arrived != 0) {
    const SignalSet rest = arrived & (arrived - 1);
    if (listener.arrived.compare_exchange_weak(arrived, rest, std::memory_order_seq_cst)) {
      return std::countr_zero(arrived) + 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace detail

using detail::SignalListener;

Signals::Signals() noexcept = default;
Signals::Signals(std::initializer_list<int> numbers)
    : Signals(std::span(numbers.begin(), numbers.size())) {}
Signals::Signals(std::span<const int> numbers)
    : listener_(std::make_unique<SignalListener>(detail::set_of(numbers))) {
  detail::watch_signals(*listener_);
}
Signals::Signals(Signals&& other) noexcept = default;

Signals& Signals::operator=(Signals&& other) noexcept {
  if (this != &other) {
    close();
    listener_ = std::move(other.listener_);
  }
  return *this;
}

Signals::~Signals() { close(); }

int Signals::wait() {
  SignalListener& self = listener();
  if (detail::spend_budget()) throw Cancelled{};
  bool waited = false;
  for (;; waited = true) {
    const int number = detail::take_arrived(self);
    const bool closed = self.closed.load(std::memory_order_seq_cst);
    // Another fiber, about to wait, may rely on the event that this one has lowered.
    if (closed || self.arrived.load(std::memory_order_seq_cst) != 0) self.event.set();
    if (number != 0) return number;
    if (closed) {
      detail::throw_io_error(waited ? ECANCELED : EBADF, "wait for", detail::names_of(self.wanted));
    }
    // Lowered first, and then looked again: see SignalListener.
    self.event.clear();
    if (self.arrived.load(std::memory_order_seq_cst) == 0 &&
        !self.closed.load(std::memory_order_seq_cst)) {
      detail::EventAccess::wait(self.event, detail::WaitsFor::kSignal);
    }
  }
}

std::optional<int> Signals::try_wait() {
  SignalListener& self = listener();
  if (const int number = detail::take_arrived(self)) return number;
  if (!self.closed.load(std::memory_order_seq_cst)) return std::nullopt;
  detail::throw_io_error(EBADF, "wait for", detail::names_of(self.wanted));
}

void Signals::close() noexcept {
  if (listener_ == nullptr) return;
  if (listener_->closed.exchange(true, std::memory_order_seq_cst)) return;
  detail::unwatch_signals(*listener_);
  listener_->event.set();
}

bool Signals::is_open() const noexcept {
  return listener_ != nullptr && !listener_->closed.load(std::memory_order_seq_cst);
}

SignalListener& Signals::listener() const {
  if (listener_ == nullptr) detail::throw_io_error(EBADF, "wait for", "signals (none)");
  return *listener_;
}

}  // namespace weft
