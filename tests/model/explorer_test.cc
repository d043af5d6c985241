// Goal: the explorer finds what it is for. Method: programs that are known to be wrong in one
// interleaving or with one store seen late, and next to each its correct form, of which it must say
// that it has seen all within the bounds.

#include <gtest/gtest.h>

#include <memory>
#include <new>

#include "explorer/atomic.h"
#include "explorer/explorer.h"

namespace {

using model::Model;
using model::Plan;
using model::require;
using model::Result;
using weft::detail::Atomic;
using Threads = std::vector<std::function<void()>>;
constexpr auto kRelaxed = std::memory_order_relaxed;
constexpr auto kAcquire = std::memory_order_acquire;
constexpr auto kRelease = std::memory_order_release;
constexpr auto kSeqCst = std::memory_order_seq_cst;

template <class M, class... A>
Result explore(A... arguments) {
  return model::explore(Plan(), [=] { return std::make_unique<M>(arguments...); });
}

void expect_found(const Result& result, const char* what) {
  EXPECT_TRUE(result.failed) << "not found in " << result.runs << " runs";
  EXPECT_NE(result.report.find(what), std::string::npos) << result.report;
}
void expect_sound(const Result& result) {
  EXPECT_FALSE(result.failed) << result.report;
  EXPECT_TRUE(result.complete);
  EXPECT_GT(result.runs, 1);
}

// ---- A store and a load of another place, without a barrier between them.

struct Dekker : Model {
  explicit Dekker(std::memory_order store) : order(store) {}
  Threads threads() override {
    return {[this] { enter(mine, other, first); }, [this] { enter(other, mine, second); }};
  }
  void enter(Atomic<int>& own, Atomic<int>& theirs, bool& entered) {
    own.store(1, order);
    entered = theirs.load(kSeqCst) == 0;
  }
  void at_end() override { require(!(first && second), "both are inside"); }

  const std::memory_order order;
  Atomic<int> mine, other;
  bool first = false, second = false;
};

TEST(Explorer, FindsDekkerBrokenWithoutItsBarrier) {
  expect_found(explore<Dekker>(kRelease), "both");
}
TEST(Explorer, FindsNothingInDekkerWithIt) { expect_sound(explore<Dekker>(kSeqCst)); }

struct Peterson : Model {
  explicit Peterson(std::memory_order store) : order(store) {}
  Threads threads() override {
    return {[this] { enter(0); }, [this] { enter(1); }};
  }
  void enter(int self) {
    wants[self].store(1, order);
    turn.store(1 - self, order);
    while (wants[1 - self].load(kAcquire) == 1 && turn.load(kAcquire) == 1 - self) {
      weft::detail::cpu_relax();
    }
    require(!occupied, "both are inside");
    occupied = true;
    model::step("inside");
    occupied = false;
    wants[self].store(0, kRelease);
  }

  const std::memory_order order;
  Atomic<int> wants[2];
  Atomic<int> turn;
  bool occupied = false;
};

TEST(Explorer, FindsPetersonsLockBrokenWithoutItsBarrier) {
  expect_found(explore<Peterson>(kRelease), "both are inside");
}
TEST(Explorer, FindsNothingInPetersonsLockWithIt) { expect_sound(explore<Peterson>(kSeqCst)); }

// ---- Two stores that others see the other way round.

struct Message : Model {
  explicit Message(std::memory_order store) : order(store) {}
  Threads threads() override {
    return {[this] {
              text.store(42, kRelaxed);
              sent.store(1, order);
            },
            [this] {
              if (sent.load(kAcquire) == 1)
                require(text.load(kRelaxed) == 42, "sent but not written");
            }};
  }
  const std::memory_order order;
  Atomic<int> text, sent;
};

TEST(Explorer, FindsAMessageThatIsSentWithoutRelease) {
  expect_found(explore<Message>(kRelaxed), "sent but not written");
}
TEST(Explorer, FindsNothingInAMessageThatIsReleased) { expect_sound(explore<Message>(kRelease)); }

// ---- Plain data, handed over by an atomic.

struct Parcel : Model {
  Parcel(std::memory_order store, std::memory_order load) : store_order(store), load_order(load) {}
  Threads threads() override {
    return {[this] {
              parcel.set(42);
              sent.store(1, store_order);
            },
            [this] {
              if (sent.load(load_order) == 1) require(parcel.get() == 42, "sent but not written");
            }};
  }
  const std::memory_order store_order, load_order;
  model::Plain<int> parcel;
  Atomic<int> sent;
};

TEST(Explorer, FindsAMissingAcquire) {
  expect_found(explore<Parcel>(kRelease, kRelaxed), "without having seen that");
}
TEST(Explorer, FindsAMissingRelease) {
  expect_found(explore<Parcel>(kRelaxed, kAcquire), "without having seen that");
}
TEST(Explorer, FindsNothingWhereReleaseMeetsAcquire) {
  expect_sound(explore<Parcel>(kRelease, kAcquire));
}

// A swap passes on what it found, and a store of another thread does not.
struct PassedOn : Parcel {
  explicit PassedOn(bool swap) : Parcel(kRelease, kAcquire), swaps(swap) {}
  Threads threads() override {
    auto both = Parcel::threads();
    return {both[0],
            [this] {
              if (sent.load(kRelaxed) != 1) return;
              if (swaps) {
                sent.fetch_add(1, kRelaxed);
              } else {
                sent.store(2, kRelease);
              }
            },
            [this] {
              if (sent.load(kAcquire) == 2) require(parcel.get() == 42, "sent but not written");
            }};
  }
  const bool swaps;
};
TEST(Explorer, SwapsPassOnWhatWasReleased) { expect_sound(explore<PassedOn>(true)); }
TEST(Explorer, StoresDoNot) { expect_found(explore<PassedOn>(false), "without having seen that"); }

// ---- A wake-up that comes between the look and the sleep.

struct Sleep : Model {
  explicit Sleep(bool look_again) : looks_again(look_again) {}
  Threads threads() override {
    return {[this] {
              if (work.load(kSeqCst) != 0) return;
              const std::uint32_t seen = looks_again ? signal.load(kSeqCst) : 0;
              if (looks_again && work.load(kSeqCst) != 0) return;
              weft::detail::futex_wait(signal, looks_again ? seen : signal.load(kSeqCst));
            },
            [this] {
              work.store(1, kSeqCst);
              signal.fetch_add(1, kSeqCst);
              weft::detail::futex_wake(signal, 1);
            }};
  }
  const bool looks_again;
  Atomic<int> work;
  Atomic<std::uint32_t> signal;
};

TEST(Explorer, FindsALostWakeUp) { expect_found(explore<Sleep>(false), "nobody can go on"); }
TEST(Explorer, FindsNothingWhereTheSleeperLooksAgain) { expect_sound(explore<Sleep>(true)); }

// ---- ABA: a stack whose head is the same again, and its rest is not.

struct Stack : Model {
  struct Node {
    Node* next;
    bool free;
  };
  explicit Stack(bool count) : counts(count) {
    nodes[0] = {&nodes[1], false};
    nodes[1] = {nullptr, false};
  }
  Threads threads() override {
    return {[this] { pop(); },
            [this] {
              Node* const first = pop();
              Node* const second = pop();
              if (first == nullptr || second == nullptr) return;
              push(first);
            }};
  }
  // The head is an index, 0 for none, and in its upper half a count of changes, if it has one.
  static std::uint64_t index_of(const Node* node, const Node* base) {
    return node == nullptr ? 0 : static_cast<std::uint64_t>(node - base) + 1;
  }
  Node* node_of(std::uint64_t word) {
    const std::uint64_t index = word & 0xffff;
    return index == 0 ? nullptr : &nodes[index - 1];
  }
  std::uint64_t changed(std::uint64_t word, Node* to) const {
    const std::uint64_t count = counts ? (word >> 32) + 1 : 0;
    return (count << 32) | index_of(to, nodes);
  }
  Node* pop() {
    std::uint64_t word = head.load(kAcquire);
    for (;;) {
      Node* const node = node_of(word);
      if (node == nullptr) return nullptr;
      if (head.compare_exchange_strong(word, changed(word, node->next),
                                       std::memory_order_acq_rel)) {
        require(!node->free, "a node is popped twice");
        node->free = true;
        return node;
      }
    }
  }
  void push(Node* node) {
    node->free = false;
    std::uint64_t word = head.load(kRelaxed);
    do {
      node->next = node_of(word);
    } while (!head.compare_exchange_strong(word, changed(word, node), std::memory_order_acq_rel));
  }
  const bool counts;
  Node nodes[2];
  Atomic<std::uint64_t> head{1};
};

TEST(Explorer, FindsAnAba) {
  // The first thread must be able to stop between its load and its swap with the rest in hand.
  struct Exposed : Stack {
    Exposed() : Stack(false) {}
    Threads threads() override {
      auto others = Stack::threads();
      return {[this] {
                std::uint64_t word = head.load(kAcquire);
                Node* const node = node_of(word);
                if (node == nullptr) return;
                Node* const next = node->next;
                model::step("holds on to the next one");
                if (!head.compare_exchange_strong(word, changed(word, next))) return;
                require(next == nullptr || !next->free, "the head is a node that is taken");
              },
              others[1]};
    }
  };
  expect_found(explore<Exposed>(), "the head is a node that is taken");
}
TEST(Explorer, FindsNothingInAStackThatCountsItsChanges) { expect_sound(explore<Stack>(true)); }

// ---- The explorer's own promises.

struct Stuck : Model {
  Threads threads() override {
    return {[this] {
      while (flag.load(kAcquire) == 0) weft::detail::cpu_relax();
    }};
  }
  Atomic<int> flag;
};
TEST(Explorer, FindsASpinThatNobodyEnds) { expect_found(explore<Stuck>(), "nobody can go on"); }

// What is written to the place of an atomic that is gone is not delayed, so its stores must not be.
struct Ending : Model {
  Threads threads() override {
    return {[this] {
              auto* const atomic = ::new (&place) Atomic<int>(1);
              atomic->store(2, kRelease);
              std::destroy_at(atomic);
              place = 3;
              other.store(1);
            },
            [this] { other.load(); }};
  }
  void at_end() override { require(place == 3, "a store came after the end of its atomic"); }
  int place = 0;
  Atomic<int> other;
};
TEST(Explorer, DelaysNoStoreBeyondTheEndOfItsAtomic) { expect_sound(explore<Ending>()); }

struct Endless : Model {
  Threads threads() override {
    return {[this] {
      while (flag.load(kAcquire) == 0) {
      }
    }};
  }
  Atomic<int> flag;
};
TEST(Explorer, FindsALoopWithoutEnd) { expect_found(explore<Endless>(), "it does not end"); }

struct Deadlines : Model {
  Threads threads() override {
    return {[this] { in_time = weft::detail::futex_wait(word, 0, 1); },
            [this] {
              word.store(1);
              weft::detail::futex_wake(word, 1);
            }};
  }
  void at_end() override { require(in_time, "timed out"); }
  Atomic<std::uint32_t> word;
  bool in_time = false;
};
TEST(Explorer, LetsSleepsTimeOut) { expect_found(explore<Deadlines>(), "timed out"); }

TEST(Explorer, RepeatsAFailureFromItsSeed) {
  const Result found = explore<Dekker>(kRelease);
  const std::size_t at = found.report.find("WEFT_SEED=");
  ASSERT_NE(at, std::string::npos) << found.report;
  const std::string seed = found.report.substr(at + 10, found.report.find('\n', at) - at - 10);
  ASSERT_EQ(::setenv("WEFT_SEED", seed.c_str(), 1), 0);
  const Result repeated = explore<Dekker>(kRelease);
  ::unsetenv("WEFT_SEED");
  EXPECT_EQ(repeated.runs, 1);
  EXPECT_EQ(repeated.report, found.report);
}

TEST(Explorer, RandomRunsFindItToo) {
  Plan plan;
  plan.most_runs = 0;
  const Result result = model::explore(plan, [] { return std::make_unique<Dekker>(kRelease); });
  expect_found(result, "both are inside");
  EXPECT_NE(result.report.find("WEFT_SEED=random."), std::string::npos) << result.report;
}

}  // namespace
