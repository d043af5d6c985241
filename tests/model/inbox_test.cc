// Goal: every fiber that is sent to a worker arrives there once, in its sender's order, with all
// that was written to it before. Method: two senders, and the owner that empties the inbox.

#include <gtest/gtest.h>

#include <array>
#include <deque>

#include "proof.h"
#include "sched/inbox.h"

namespace {

using model::Model;
using model::require;
using weft::detail::Fiber;
using weft::detail::Inbox;
using Threads = std::vector<std::function<void()>>;

// A sender's fibers are neighbours: 0 and 1, 2 and 3.
struct TwoSenders : Model {
  Threads threads() override {
    return {[this] {
              send(0);
              send(1);
            },
            [this] {
              send(2);
              send(3);
            },
            [this] {
              take_all();
              take_all();
            }};
  }
  void send(std::size_t index) {
    written[index].set(true);
    inbox.push(fibers[index]);
  }
  void take_all() {
    for (Fiber* fiber = inbox.take_all(); fiber != nullptr; fiber = fiber->next) {
      std::size_t index = 0;
      while (&fibers[index] != fiber) ++index;
      require(written[index].get(), "a fiber that arrives was written before");
      require(!arrived[index], "a fiber arrives once");
      arrived[index] = true;
      require(index % 2 == 0 || arrived[index - 1], "a sender's fibers arrive in order");
    }
  }
  void at_end() override {
    take_all();
    for (const bool there : arrived) require(there, "no fiber is lost");
    require(inbox.empty(), "and none is left");
  }

  Inbox inbox;
  std::array<Fiber, 4> fibers;
  std::array<model::Plain<bool>, 4> written;
  std::array<bool, 4> arrived{};
};
TEST(InboxModel, TwoSendersAndTheOwner) { support::expect_proven<TwoSenders>({.preemptions = 3}); }

}  // namespace
