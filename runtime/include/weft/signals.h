#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <span>

namespace weft {

namespace detail {
struct SignalListener;
}  // namespace detail

/// Waits for signals of the process where the program goes on by itself: in a fiber.
///
///     weft::Signals signals{SIGTERM, SIGHUP};
///     while (signals.wait() == SIGHUP) reload();
///
/// From the first Signals for a signal until the last has gone, the signal does nothing but end
/// waits: what it did before (its default, a handler of the program's) is put back afterwards,
/// unless the program has set something else meanwhile. So SIGINT does not cancel main while one
/// listens for it. Every Signals gets every signal it asked for. It gets it once, however often it
/// came since it was last taken; none is lost between two waits. A signal gets through even if all
/// threads of the program block it.
///
/// Move-only. Several fibers may wait on one: a signal ends one of their waits. close() may be
/// called by anyone at any time. The object is moved or destroyed only while nobody is inside a
/// call on it. A thread of weft's runs while there is any.
class Signals {
 public:
  /// None: every call fails with EBADF. Assign one.
  Signals() noexcept;
  /// Listens from now on. Throws std::invalid_argument if `numbers` is empty or has one that cannot
  /// be waited for: SIGKILL and SIGSTOP, which no program catches, those that a thread raises by
  /// its own fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT), and what is no
  /// signal; std::system_error when there can be no thread. May be called by any thread.
  Signals(std::initializer_list<int> numbers);
  explicit Signals(std::span<const int> numbers);
  Signals(Signals&& other) noexcept;
  Signals& operator=(Signals&& other) noexcept;
  /// What has come and was not taken is lost.
  ~Signals();

  /// Returns the next signal, the lowest number first. Suspends the fiber (blocks a plain thread)
  /// until one comes. Throws std::system_error: ECANCELED when it was closed meanwhile, EBADF when
  /// it was before. Cancellable: throws Cancelled, and has taken no signal.
  int wait();
  /// The same for what has come already. Never suspends.
  std::optional<int> try_wait();

  /// Stops listening: who waits gets ECANCELED. Closing again does nothing. Never suspends.
  void close() noexcept;
  bool is_open() const noexcept;

 private:
  detail::SignalListener& listener() const;

  std::unique_ptr<detail::SignalListener> listener_;
};

}  // namespace weft
