// Goal: while one thread of the process changes words by load and store, no change is lost when
// others come, and each sees what was written before. Method: a worker that becomes the solo thread
// or not, and newcomers, as SharedWord and SoloScope have them: they count on one word, and take
// turns at a lock.

#include <gtest/gtest.h>
#include <weft/detail/solo.h>

#include "proof.h"

namespace {

using model::Model;
using model::require;
using weft::detail::Atomic;
using weft::detail::Solo;
using Threads = std::vector<std::function<void()>>;

class Words : public Model {
 protected:
  using Word = Atomic<std::uint32_t>;

  // Party and SharedWord::compare_exchange_strong().
  class Thread {
   public:
    explicit Thread(Solo& shared) : solo_(shared) {}
    // SoloScope.
    void begin_work() {
      is_solo_ = solo_.begin();
      if (!is_solo_) solo_.end_for_all();
      is_newcomer_ = false;
    }
    void end_work() {
      if (is_solo_) solo_.end();
      is_newcomer_ = true;
    }
    bool swap(Word& word, std::uint32_t& expected, std::uint32_t desired) {
      if (is_solo_) {
        const Solo::Swap swap = solo_.swap(word, expected, desired);
        if (swap != Solo::Swap::kOver) return swap == Solo::Swap::kDone;
        is_solo_ = false;
      }
      if (is_newcomer_) solo_.end_for_all();
      is_newcomer_ = false;
      return word.compare_exchange_strong(expected, desired, std::memory_order_acq_rel,
                                          std::memory_order_relaxed);
    }
    void add_one(Word& word) {
      std::uint32_t seen = word.load(std::memory_order_relaxed);
      while (!swap(word, seen, seen + 1)) {
      }
    }

   private:
    Solo& solo_;
    bool is_solo_ = false;
    bool is_newcomer_ = true;
  };

  Solo solo;
};

// Workers that come and go, and threads that are none; each adds one, so often.
struct Counting : Words {
  Counting(int so_often, int as_workers, int as_others)
      : each(so_often), workers(as_workers), others(as_others) {}
  Threads threads() override {
    Threads all;
    for (int i = 0; i < workers; ++i) {
      all.emplace_back([this] {
        Thread self(solo);
        self.begin_work();
        for (int n = 0; n < each; ++n) self.add_one(count);
        self.end_work();
      });
    }
    for (int i = 0; i < others; ++i) {
      all.emplace_back([this] { Thread(solo).add_one(count); });
    }
    return all;
  }
  void at_end() override {
    const int sum = workers * each + others;
    require(count.load() == static_cast<std::uint32_t>(sum), "every change is there");
  }
  const int each, workers, others;
  Word count{0};
};
TEST(SoloModel, SomebodyComes) {
  support::expect_proven<Counting>({.preemptions = 3, .surprises = 0}, 1, 1, 1);
}
TEST(SoloModel, TwoCome) {
  support::expect_proven<Counting>({.preemptions = 2, .surprises = 0}, 1, 1, 2);
}
TEST(SoloModel, AnotherWorkerComes) {
  support::expect_proven<Counting>({.preemptions = 2, .surprises = 0}, 1, 2, 0);
}
TEST(SoloModel, AnotherWorkerAndSomebody) {
  support::expect_proven<Counting>({.preemptions = 2, .surprises = 0}, 1, 2, 1);
}

// The word is a lock that is given back by a store; what it guards is plain.
struct Guarding : Words {
  Threads threads() override {
    return {[this] {
              Thread self(solo);
              self.begin_work();
              enter(self);
              self.end_work();
            },
            [this] {
              Thread self(solo);
              enter(self);
            }};
  }
  void enter(Thread& self) {
    std::uint32_t is_free = 0;
    if (!self.swap(lock, is_free, 1)) return;
    guarded.set(guarded.get() + 1);
    lock.store(0, std::memory_order_release);
  }
  Word lock{0};
  model::Plain<int> guarded{0};
};
TEST(SoloModel, WhatALockGuardsIsSeenByTheNext) {
  support::expect_proven<Guarding>({.preemptions = 2, .surprises = 0});
}

// What the solo thread wrote before it changed the word.
struct Writing : Words {
  void write() {
    Thread self(solo);
    self.begin_work();
    written.set(true);
    self.add_one(count);
    self.end_work();
  }
  Word count{0};
  model::Plain<bool> written{false};
};

struct OneAfterTheOther : Writing {
  Threads threads() override {
    return {[this] { write(); },
            [this] {
              Thread self(solo);
              self.add_one(count);
              if (count.load(std::memory_order_acquire) == 2) require(written.get(), "it is seen");
            }};
  }
};
TEST(SoloModel, WhatItWroteIsSeenByWhoComesLater) {
  support::expect_proven<OneAfterTheOther>({.preemptions = 2, .surprises = 0});
}

// Who only looks need not be one of many to rely on what it sees.
struct Looking : Writing {
  Threads threads() override {
    return {[this] { write(); },
            [this] {
              if (count.load(std::memory_order_acquire) == 1) require(written.get(), "it is seen");
            }};
  }
};
TEST(SoloModel, WhatItWroteIsSeenByWhoOnlyLooks) {
  support::expect_proven<Looking>({.preemptions = 2, .surprises = 0});
}

TEST(SoloModel, AFailedSwapTellsWhatItFound) {
  struct Differing : Words {
    Threads threads() override {
      return {[this] {
        Thread self(solo);
        self.begin_work();
        std::uint32_t expected = 7;
        require(!self.swap(word, expected, 8), "it is not what was expected");
        require(expected == 3, "and this is what it is");
        require(self.swap(word, expected, 8), "now it is");
        require(word.load() == 8, "and was changed");
      }};
    }
    Word word{3};
  };
  support::expect_proven<Differing>({});
}

}  // namespace
