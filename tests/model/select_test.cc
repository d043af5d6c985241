// Goal: a select does one thing, which its partner has done, too; it finds what becomes ready at
// any moment; two of them that lock the same channels do not wait for each other for ever; and one
// that was cancelled, or whose time was up, has done nothing. Method: the selection of sync/, over
// model threads, which wait as plain threads do.

#include <gtest/gtest.h>
#include <weft/channel.h>
#include <weft/error.h>
#include <weft/select.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "proof.h"
#include "waits.h"

namespace {

using model::Model;
using model::require;
using weft::receive_from;
using weft::send_to;
using Threads = std::vector<std::function<void()>>;

// One that takes its time to be moved.
struct Item {
  explicit Item(int n) : number(n) {}
  Item(Item&& other) noexcept : number(other.number) {
    model::step("moves an item");
    other.number = -1;
  }
  int number;
};

class Selects : public Model {
 protected:
  Selects(int threads, std::size_t capacity) : a(capacity), b(capacity) {
    model::reset_waits(threads);
  }

  template <class Make>
  void select(Make&& cases) {
    try {
      cases();
      ++done;
    } catch (const weft::Cancelled&) {
      ++cancelled;
    } catch (const weft::ChannelClosed&) {
      ++refused;
    }
  }
  void select_receive() {
    select([this] { weft::select(receive_from(a, take()), receive_from(b, take())); });
  }
  void select_receive_backwards() {
    select([this] { weft::select(receive_from(b, take()), receive_from(a, take())); });
  }
  void send(weft::Channel<Item>& channel, int number) {
    written[static_cast<std::size_t>(number)].set(true);
    channel.send(Item(number));
    sent.push_back(number);
  }
  /// Whenever it waits, in its first wait.
  static void cancel(int thread) { weft::detail::cancel(model::fiber_of(thread), 0); }

  std::function<void(std::optional<Item>)> take() {
    return [this](std::optional<Item> item) {
      if (!item) {
        ++ends;
        return;
      }
      require(item->number >= 0, "it is there when it has been received");
      require(written[static_cast<std::size_t>(item->number)].get(),
              "what was done before the item was sent is seen");
      received.push_back(item->number);
    };
  }

  /// What is left in a buffer has been sent, too.
  void at_end() override {
    for (weft::Channel<Item>* const channel : {&a, &b}) {
      require(channel->closed() || channel->capacity() > 0 || !channel->try_send(Item(9)),
              "nobody is left in the list of those who wait");
      while (const auto item = channel->try_receive()) received.push_back(item->number);
    }
    std::sort(sent.begin(), sent.end());
    std::sort(received.begin(), received.end());
    require(sent == received, "what was sent is received, once");
  }

  weft::Channel<Item> a, b;
  std::array<model::Plain<bool>, 4> written;
  std::vector<int> sent, received;
  int done = 0, cancelled = 0, refused = 0, ends = 0;
};

// Both wait at both channels, which they are given in different orders.
struct TwoMeet : Selects {
  TwoMeet() : Selects(2, 0) {}
  Threads threads() override {
    return {[this] { select_receive_backwards(); },
            [this] {
              written[0].set(true);
              select([this] {
                weft::select(send_to(a, Item(0), [this] { sent.push_back(0); }),
                             send_to(b, Item(0), [this] { sent.push_back(0); }));
              });
            }};
  }
  void at_end() override {
    require(done == 2 && received.size() == 1, "one item passes");
    Selects::at_end();
  }
};
TEST(SelectModel, TwoMeetAtOneOfTwoChannels) {
  support::expect_proven<TwoMeet>({.preemptions = 3, .delays = 0});
}

// Each offers what the other wants, twice.
struct Crosswise : Selects {
  Crosswise() : Selects(2, 0) {}
  Threads threads() override {
    return {[this] {
              written[0].set(true);
              select([this] {
                weft::select(send_to(a, Item(0), [this] { sent.push_back(0); }),
                             receive_from(b, take()));
              });
            },
            [this] {
              written[1].set(true);
              select([this] {
                weft::select(send_to(b, Item(1), [this] { sent.push_back(1); }),
                             receive_from(a, take()));
              });
            }};
  }
  void at_end() override {
    require(done == 2 && received.size() == 1, "one item passes");
    Selects::at_end();
  }
};
TEST(SelectModel, TwoMeetCrosswise) {
  support::expect_proven<Crosswise>({.preemptions = 3, .delays = 0});
}

// With stores that show late.
struct OneSender : Selects {
  OneSender() : Selects(2, 1) {}
  Threads threads() override {
    return {[this] { select_receive(); }, [this] { send(b, 0); }};
  }
  void at_end() override {
    require(done == 1, "it has found the item");
    Selects::at_end();
  }
};
TEST(SelectModel, WhatIsSentIsFound) { support::expect_proven<OneSender>({.preemptions = 3}); }

// It is cancelled while both its channels become ready.
struct CancelledSelect : Selects {
  CancelledSelect() : Selects(4, 1) {}
  Threads threads() override {
    return {[this] { select_receive(); }, [this] { send(a, 0); }, [this] { send(b, 1); },
            [] { cancel(0); }};
  }
  void at_end() override {
    require(done + cancelled == 1 && received.size() == static_cast<std::size_t>(done),
            "it has received, or was cancelled");
    Selects::at_end();
  }
};
TEST(SelectModel, OneThatIsCancelledHasReceivedNothing) {
  support::expect_proven<CancelledSelect>({.preemptions = 1, .delays = 0});
}

// Its channel is closed, or its time up, while the other becomes ready.
struct ClosedSelect : Selects {
  ClosedSelect() : Selects(3, 1) {}
  Threads threads() override {
    return {[this] { select_receive(); }, [this] { a.close(); }, [this] { send(b, 1); }};
  }
  void at_end() override {
    require(done == 1 && received.size() + static_cast<std::size_t>(ends) == 1,
            "it has received, or was told of the end");
    Selects::at_end();
  }
};
TEST(SelectModel, ChannelsClose) {
  support::expect_proven<ClosedSelect>({.preemptions = 2, .delays = 0});
}

struct LateSelect : Selects {
  LateSelect() : Selects(2, 1) {}
  Threads threads() override {
    return {[this] {
              select([this] {
                weft::select(receive_from(a, take()), receive_from(b, take()),
                             weft::after(std::chrono::seconds(1), [this] { ++late; }));
              });
            },
            [this] { send(b, 1); }};
  }
  void at_end() override {
    require(received.size() + static_cast<std::size_t>(late) == 1, "received, or too late");
    Selects::at_end();
  }
  int late = 0;
};
TEST(SelectModel, ItsTimeIsUp) {
  support::expect_proven<LateSelect>({.preemptions = 3, .delays = 0, .surprises = 1});
}

}  // namespace
