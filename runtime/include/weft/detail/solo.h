#pragma once

#include <atomic>
#include <cstdint>
#if defined(WEFT_ATOMIC_SEAM)  // tests/model's memory in its place, or base/chaos_atomic.h
#include WEFT_ATOMIC_SEAM
#endif

// Words that threads change by compare-and-swap, without the price of it while only one thread
// does.
//
// A locked operation takes 10 to 20 cycles and lets nothing pass. A runtime with one worker does
// two for each lock and four for each hand-over, and mostly nobody else ever touches what it
// changes. So the first worker that is the only one of its runtime becomes the process's solo
// thread, and loads and stores instead. The first other thread that is about to change any such
// word ends that, for good: it pays for it, once, with a barrier on all threads.
//
//   solo thread                              newcomer
//     busy = true                              over = true
//     over? then as everybody else             barrier on all threads
//     load, compare, store                     wait until busy is false
//     busy = false                             as everybody else, from here on
//
// Invariants
//  1. There is at most one solo thread, and before it nobody has changed a word while it could.
//  2. Either the barrier finds the solo thread's `busy` written, and the newcomer waits for its
//     swap; or the solo thread reads `over` after the barrier, and finds it set. (Dekker, with both
//     barriers on the rare side.) So nobody's swap comes between the two halves of another's.
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

  constexpr explicit Solo(bool over = false) noexcept : over_(over) {}

  /// By the solo thread. kOver: nothing was done, others are here.
  template <class T>
  Swap swap(PlainWord<T>& word, T& expected, T desired) noexcept {
    busy_.store(true, std::memory_order_relaxed);
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler's part; [solo]
    Swap outcome = Swap::kOver;
    if (!over_.load(std::memory_order_relaxed)) [[likely]] {
      const T found = word.load(std::memory_order_acquire);
      if (found == expected) {
        word.store(desired, std::memory_order_release);
        outcome = Swap::kDone;
      } else {
        expected = found;
        outcome = Swap::kDiffers;
      }
    }
    busy_.store(false, std::memory_order_release);  // [solo]
    return outcome;
  }

  /// By a thread that would be solo. False: another is, or many are here.
  bool begin() noexcept;
  /// By the solo thread, which changes no word any more.
  void end() noexcept;
  /// By a newcomer, before it changes a word: afterwards nobody is solo, for good.
  void end_for_all() noexcept;
  /// In the child of a fork, whose only thread calls it.
  void forget_others(bool is_solo) noexcept;

 private:
  //   Nobody <--begin, end--> Solo --a newcomer--> Ending --the same--> Many
  //      \------------------ a newcomer --------------------------------/
  enum class State : std::uint8_t { kNobody, kSolo, kEnding, kMany };

  // Who changes it acquires what was done before, and releases that to those after. [solo-state]
  PlainWord<State> state_{State::kNobody};
  alignas(64) PlainWord<bool> busy_{false};  // the solo thread is between load and store
  PlainWord<bool> over_;
};

#if defined(WEFT_MODEL)

template <class T>
class SharedWord : public Atomic<T> {
 public:
  using Atomic<T>::Atomic;
  bool compare_exchange_openly(T& expected, T desired, std::memory_order order) noexcept {
    return Atomic<T>::compare_exchange_weak(expected, desired, order, std::memory_order_relaxed);
  }
};

#else

/// How the calling thread changes the words below: null among many. Of a newcomer it is one that is
/// over. (A pointer, and the library's own objects behind it: were they named here, the linker
/// would copy them into the program.)
extern constinit thread_local Solo* t_solo [[gnu::tls_model("initial-exec")]];
void become_one_of_many() noexcept;

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
  /// Of a word that everybody changes in this way alone: even a newcomer, who stays one.
  bool compare_exchange_openly(T& expected, T desired, Order order) noexcept {
    return word_.compare_exchange_weak(expected, desired, order, std::memory_order_relaxed);
  }

 private:
  Solo::Swap swap_alone(T& expected, T desired) noexcept {
    Solo* const solo = t_solo;
    if (solo == nullptr) return Solo::Swap::kOver;
    const Solo::Swap swap = solo->swap(word_, expected, desired);
    if (swap == Solo::Swap::kOver) [[unlikely]]
      become_one_of_many();
    return swap;
  }

  PlainWord<T> word_;
};

#endif

}  // namespace weft::detail
