#pragma once

#include <weft/detail/thread_pointer.h>
#include <atomic>
#include <cstdint>
#if defined(WEFT_ATOMIC_SEAM)  // tests/model's memory in its place, or base/chaos_atomic.h
#include WEFT_ATOMIC_SEAM
#endif

// Words that threads change by compare-and-swap, without the price of it while only one thread
// does.
//
// A locked operation takes 10 to 20 cycles and lets nothing pass. A worker does two for each lock
// and four for each hand-over, and mostly nobody else touches what it changes: it is the only one,
// or the others sleep. So it may become the process's solo thread, and loads and stores instead.
// The first other thread that is about to change any such word ends that: it pays for it, with a
// barrier on all threads.
//
//   solo thread                              newcomer
//     busy = true                              over = true
//     over? then as everybody else             barrier on all threads
//     load, compare, store                     wait until busy is false
//     busy = false                             as everybody else, from here on
//
// A worker that sleeps changes no word, and is a newcomer again when it wakes. So once all others
// sleep, a worker may become the solo thread anew. Threads that are no workers, of the runtime that
// may have one, stay once they have come, until they end or leave: nobody becomes solo beside them.
//
// Invariants
//  1. There is at most one solo thread, and whoever is awake beside it has changed no word since it
//     began.
//  2. Either the barrier finds the solo thread's `busy` written, and the newcomer waits for its
//     swap; or the solo thread reads `over` after the barrier, and finds it set. (Dekker, with both
//     barriers on the rare side.) So nobody's swap comes between the two halves of another's.
//  3. A worker says that it is awake, seq_cst, before it looks at the state as a newcomer; and who
//     would be solo changes the state, seq_cst, before it looks who is awake. Either the newcomer
//     finds a solo thread, or that one finds it awake and desists. (Dekker; [solo-state])
//
// Hence to all who call it this is a compare-and-swap, and whoever reasons about a word need not
// know of it.

namespace weft::detail {

#if defined(WEFT_ATOMIC_SEAM)
template <class T>
using PlainWord = Atomic<T>;
#else
template <class T>
using PlainWord = std::atomic<T>;
#endif

class Solo {
 public:
  enum class Swap : std::uint8_t { kDone, kDiffers, kOver };
  /// Whether a thread that has changed a word may do so at any time from then on: a worker may not
  /// while it sleeps.
  enum class Stay : bool { kWhileAwake, kForGood };

  constexpr explicit Solo(bool over = false) noexcept : over_(over) {}

  // -- By the solo thread, if it still is; kOver, null: it is not, and nothing was done.

  template <class T>
  Swap swap(PlainWord<T>& word, T& expected, T desired) noexcept {
    Swap outcome = Swap::kOver;
    alone([&]() noexcept {
      const T found = word.load(std::memory_order_acquire);
      if (found == expected) {
        word.store(desired, std::memory_order_release);
        outcome = Swap::kDone;
      } else {
        expected = found;
        outcome = Swap::kDiffers;
      }
    });
    return outcome;
  }
  /// `value` becomes what the word was.
  template <class T>
  bool exchange(PlainWord<T>& word, T& value) noexcept {
    return alone([&]() noexcept {
      const T found = word.load(std::memory_order_acquire);
      word.store(value, std::memory_order_release);
      value = found;
    });
  }
  template <class T>
  bool store(PlainWord<T>& word, T value) noexcept {
    return alone([&]() noexcept { word.store(value, std::memory_order_release); });
  }

  // -- By a worker. `id` is its own.

  /// False: others are awake, says `others_sleep`, or have come for good.
  template <class OthersSleep>
  bool begin(std::uint32_t id, OthersSleep others_sleep) noexcept {
    std::uint32_t nobody = kOpen;
    if (state_.load(std::memory_order_relaxed) != nobody ||
        !state_.compare_exchange_strong(nobody, kChanging, std::memory_order_seq_cst,
                                        std::memory_order_relaxed)) {  // [solo-state]
      return false;
    }
    const bool alone = others_sleep();
    // Not before: a solo thread of old that is awake may not know yet that it is none.
    if (alone) over_.store(false, std::memory_order_relaxed);
    state_.store(alone ? solo_state(id) : kOpen, std::memory_order_release);
    return alone;
  }
  /// Whether it still is the solo thread, for one that was.
  bool is(std::uint32_t id) const noexcept {
    return state_.load(std::memory_order_seq_cst) == solo_state(id);  // [solo-state]
  }
  /// By the solo thread, which changes no word any more.
  void end(std::uint32_t id) noexcept;

  // -- By a newcomer, before it changes a word: afterwards nobody is solo, until it sleeps or
  // leaves.

  void come(Stay stay) noexcept;
  /// By a worker `id` that is about to sleep: what the solo thread has stored it sees from here on,
  /// or that one sees what the caller has.
  void settle(std::uint32_t id) const noexcept;
  /// By one that has come for good, after all.
  void leave() noexcept;

  /// In the child of a fork, whose only thread calls it: `is_solo`, or one that has come for good,
  /// or neither.
  void forget_others(bool is_solo, bool stays) noexcept;

 private:
  //              begin            come                Who stays is counted above kOpen, and
  //   Open <--> Changing --> Solo ----> Changing      changes the state by one.
  //     ^____________________/end           |
  //     \___________________________________/
  static constexpr std::uint32_t kOpen = 0;
  static constexpr std::uint32_t kChanging = 1;  // somebody is at it, for a moment
  static constexpr std::uint32_t kSolo = 2;
  static constexpr std::uint32_t kModeMask = 3;
  static constexpr std::uint32_t kOneStays = 4;
  static constexpr std::uint32_t solo_state(std::uint32_t id) noexcept { return kSolo | (id << 2); }

  template <class Change>
  [[gnu::always_inline]] bool alone(Change change) noexcept {
    busy_.store(true, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler's part; [solo]
    const bool over = over_.load(std::memory_order_relaxed);
    if (!over) [[likely]]
      change();
    busy_.store(false, std::memory_order_release);  // [solo]
    return !over;
  }
  void end_of_solo(std::uint32_t next) noexcept;

  // Who changes it acquires what was done before, and releases that to those after. [solo-state]
  PlainWord<std::uint32_t> state_{kOpen};
  alignas(64) PlainWord<bool> busy_{false};  // the solo thread is between load and store
  PlainWord<bool> over_;
};

void become_one_of_many() noexcept;

#if defined(WEFT_MODEL)
Solo* solo_of_this_thread() noexcept;  // of the program that is explored
#else

/// How the calling thread changes the words below: null among many. Of a newcomer it is one that is
/// over. (A pointer, and the library's own objects behind it: were they named here, the linker
/// would copy them into the program.)
[[gnu::tls_model("initial-exec")]] extern constinit thread_local Solo* t_solo asm("weft_t_solo");

#if WEFT_READS_THREAD_POINTERS
[[gnu::always_inline]] inline Solo* solo_of_this_thread() noexcept {
  WEFT_RETURN_THREAD_POINTER(Solo*, "weft_t_solo");
}
#else
[[gnu::noinline]] Solo* solo_of_this_thread() noexcept;
#endif

#endif  // WEFT_MODEL

/// A word of which many threads may change any, at the price of one where there is only one.
template <class T>
class SharedWord {
  using Order = std::memory_order;

 public:
  constexpr SharedWord(T value) noexcept : word_(value) {}  // NOLINT(google-explicit-constructor)
  SharedWord(const SharedWord&) = delete;
  SharedWord& operator=(const SharedWord&) = delete;

  T load(Order order = std::memory_order_seq_cst) const noexcept { return word_.load(order); }
  /// For who has the word to itself until this is seen: a lock's holder.
  void store(T value, Order order) noexcept { word_.store(value, order); }
  bool compare_exchange_strong(T& expected, T desired, Order order, Order failure) noexcept {
    const Solo::Swap swap = swap_alone(expected, desired);
    if (swap != Solo::Swap::kOver) return swap == Solo::Swap::kDone;
    return word_.compare_exchange_strong(expected, desired, order, failure);
  }
  bool compare_exchange_weak(T& expected, T desired, Order order, Order failure) noexcept {
    const Solo::Swap swap = swap_alone(expected, desired);
    if (swap != Solo::Swap::kOver) return swap == Solo::Swap::kDone;
    return word_.compare_exchange_weak(expected, desired, order, failure);
  }
  /// One attempt, which may fail for nothing. Calls nobody, so whoever goes on to try in a function
  /// of its own has no registers to save.
  bool try_once(T expected, T desired, Order order) noexcept {
    if (Solo* const solo = solo_of_this_thread())
      return solo->swap(word_, expected, desired) == Solo::Swap::kDone;
    return word_.compare_exchange_weak(expected, desired, order, Order::relaxed);
  }
  T exchange(T value, Order order) noexcept {
    if (Solo* const solo = solo_of_this_thread()) {
      if (solo->exchange(word_, value)) [[likely]]
        return value;
      become_one_of_many();
    }
    return word_.exchange(value, order);
  }
  /// A store that is seq_cst, to a newcomer too once it has gone through WorkerParty::settle() or
  /// arrive().
  void publish(T value) noexcept {
    if (Solo* const solo = solo_of_this_thread()) {
      if (solo->store(word_, value)) [[likely]]
        return;
      become_one_of_many();
    }
    word_.store(value, std::memory_order_seq_cst);
  }
  /// Of a word that everybody changes in this way alone: even a newcomer, who stays one.
  bool compare_exchange_openly(T& expected, T desired, Order order) noexcept {
    return word_.compare_exchange_weak(expected, desired, order, std::memory_order_relaxed);
  }

 private:
  Solo::Swap swap_alone(T& expected, T desired) noexcept {
    Solo* const solo = solo_of_this_thread();
    if (solo == nullptr) return Solo::Swap::kOver;
    const Solo::Swap swap = solo->swap(word_, expected, desired);
    if (swap == Solo::Swap::kOver) [[unlikely]]
      become_one_of_many();
    return swap;
  }

  PlainWord<T> word_;
};

}  // namespace weft::detail
