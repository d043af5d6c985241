#pragma once

// The signals somebody listens for, of the whole process. A handler notes that a signal has come,
// and wakes a thread, which tells the listeners.
//
// Why a thread. A handler may do next to nothing: no lock, so no list of listeners that others
// change, and no wake of a fiber. A descriptor for each listener that it writes to would want just
// such a list; signalfd(2) gives nothing unless every thread of the program blocks the signal, and
// then gives each signal to one reader. The thread keeps the signals unblocked, too, so that they
// come through where a program (or who started it) has blocked them everywhere.
//
// Invariants
//  1. A signal is noted in g_arrived before g_events is raised; the thread reads g_events, then
//     takes g_arrived, and sleeps only if g_events is as it was. So none is slept through.
//  2. Listeners are told under the mutex that they are taken off under: who has been taken off is
//     not touched any more.
//  3. The thread has a signal unblocked only while the handler is in place: it blocks the signal,
//  and
//     says so, before what the signal did earlier is put back.

#include <weft/event.h>

#include <cstdint>

#include "base/atomic.h"

namespace weft::detail {

/// A set of signals, as bits: bit 0 is signal 1.
using SignalSet = std::uint64_t;
constexpr int kMostSignal = 64;
constexpr SignalSet signal_bit(int number) noexcept { return SignalSet{1} << (number - 1); }

struct SignalListener {
  explicit SignalListener(SignalSet signals) noexcept : wanted(signals) {}

  const SignalSet wanted;
  // Raised by the thread, lowered by whoever takes a signal; read by who is about to wait. seq_cst:
  // the waiter lowers `event` and then looks here, the others write here and then set it.
  Atomic<SignalSet> arrived{0};
  Atomic<bool> closed{false};  // set once, by the first to close
  Event event;                 // there may be something in the two above
};

/// Throws std::system_error when the system refuses; then nothing has changed.
void watch_signals(SignalListener& listener);
/// Once for each that was added.
void unwatch_signals(SignalListener& listener) noexcept;

}  // namespace weft::detail
