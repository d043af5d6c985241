#pragma once

// Chaos: a build (-Dchaos=true) in which the runtime makes choices that are allowed and unlikely. A
// thread stops between any two atomic operations, a weak compare-and-swap fails for nothing, a
// sleep ends for nothing, a ring has one slot, a worker steals although it has work: what would be
// rare happens all the time. The choices come from WEFT_CHAOS_SEED (1 if it is not set), a stream
// for each thread; the same seed makes the same choices, though not on the same nanosecond.
//
// Of the kinds of choices each seed leaves out about a half, but for seed 1: who is woken for
// nothing all the time never misses the wake-up that was lost (swarm testing; Groce and others,
// 2012).
//
// In any other build each of these is a constant, and costs nothing.

#include <cstdint>

namespace weft::detail::chaos {

enum class Kind : std::uint8_t {
  kPause,   ///< Threads stop between atomic operations, and weak swaps fail.
  kTurn,    ///< A fiber's turn ends early.
  kQueue,   ///< Fibers wait elsewhere, and are found late.
  kSteal,   ///< Who steals what from whom, and who looks.
  kWake,    ///< Sleeps end for nothing.
  kDriver,  ///< Events come one by one, and late; calls are tried that must fail.
};

#if defined(WEFT_CHAOS)

inline constexpr bool kOn = true;

/// A number below `bound`, which is not zero: this thread's next choice.
std::uint32_t below(std::uint32_t bound) noexcept;

/// True once in so many times, unless the seed leaves this kind out.
bool strikes(Kind kind, std::uint32_t one_in) noexcept;

/// Lets other threads go first, now and then for long.
void dawdle() noexcept;

/// By a worker's thread, as it begins: its choices depend on its number and not on who came first.
void begin_worker(unsigned index) noexcept;

#else

inline constexpr bool kOn = false;
constexpr std::uint32_t below(std::uint32_t /*bound*/) noexcept { return 0; }
constexpr bool strikes(Kind /*kind*/, std::uint32_t /*one_in*/) noexcept { return false; }
constexpr void begin_worker(unsigned /*index*/) noexcept {}

#endif

}  // namespace weft::detail::chaos
