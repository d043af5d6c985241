// Goal: no event of a descriptor is lost, whoever closes it wakes all who wait, and no call is ever
// made on a number that is closed or another file's. Method: the operations, the poller and the
// descriptor table of reactor/, over a kernel that is part of the model.

#include <gtest/gtest.h>
#include <weft/error.h>

#include <cerrno>
#include <optional>

#include "kernel.h"
#include "proof.h"
#include "reactor/epoll.h"
#include "waits.h"

namespace {

using model::Model;
using model::require;
using weft::detail::Descriptor;
using weft::detail::EpollReactor;
using weft::detail::IoResult;
using weft::detail::Ready;
using Threads = std::vector<std::function<void()>>;

class Files : public Model {
 protected:
  Files(int threads, int readers, bool may_refuse = false) : readers_left_(readers) {
    model::reset_waits(threads);
    model::reset_kernel(may_refuse);
    reactor.emplace();
    model::open_file();
    first.emplace(model::kNumber);
  }

  // Receives once. The error; 0 when something came.
  int receive(const Descriptor& descriptor, std::size_t size = 1) {
    std::byte buffer[2];
    const IoResult result = reactor->receive(descriptor, {buffer, size});
    if (result.error == 0) {
      require(result.count > 0, "it returns when there is something");
      received += static_cast<int>(result.count);
    }
    return result.error;
  }
  void end_reader() {
    --readers_left_;
    model::stop_waiting();
  }
  // The worker that holds the driver's seat.
  bool poll() {
    std::vector<Ready> ready;
    reactor->poll(0, 0, ready);
    for (const Ready& one : ready) weft::detail::wake(one.token, one.reason);
    return !ready.empty();
  }
  void poll_until_all_have_read() {
    while (readers_left_ > 0) {
      const std::uint32_t seen = model::edges_seen();
      if (!poll() && readers_left_ > 0) model::wait_for_edge(seen);
    }
  }
  void at_end() override {
    require(readers_left_ == 0, "everybody has returned");
    first.reset();
    require(model::is_closed(0), "the kernel's close was called");
  }

  std::optional<EpollReactor> reactor;
  std::optional<Descriptor> first;
  int received = 0;

 private:
  int readers_left_;
};

// Events against the note that there is nothing, and against who is about to wait. With room for
// two a call that gets one byte knows that there is no more.
struct Arrivals : Files {
  explicit Arrivals(std::size_t room) : Files(2, 1), room_(room) {}
  Threads threads() override {
    return {[this] {
              while (received < 2) require(receive(*first, room_) == 0, "nothing is wrong with it");
              end_reader();
            },
            [this] {
              model::arrive(0, 1);
              poll();
              model::arrive(0, 1);
              poll_until_all_have_read();
            }};
  }
  const std::size_t room_;
};
TEST(FdSlotModel, NoEventIsLost) {
  support::expect_proven<Arrivals>({.preemptions = 3, .surprises = 0}, 1);
  support::expect_proven<Arrivals>({.preemptions = 3, .surprises = 0}, 2);
}

// Two wait for the same file, and the kernel may refuse to watch it for one of them.
struct Refusal : Files {
  Refusal() : Files(3, 2, true) {}
  Threads threads() override {
    return {[this] { read(); }, [this] { read(); },
            [this] {
              model::arrive(0, 2);
              poll_until_all_have_read();
            }};
  }
  void read() {
    const int error = receive(*first);
    require(error == 0 || error == ENOSPC, "it has read, or was told why not");
    end_reader();
  }
};
// Two that wake each other for ever take more switches than the search makes: that is left to luck.
TEST(FdSlotModel, TheKernelRefusesToWatch) {
  support::expect_proven<Refusal>({.preemptions = 2, .delays = 0, .random_runs = 20000});
}

struct Closing : Files {
  Closing() : Files(3, 1) {}
  Threads threads() override {
    return {[this] {
              const int error = receive(*first);
              require(error == 0 || error == ECANCELED || error == EBADF, "closed or read");
              end_reader();
            },
            [this] { require(first->close(), "it was open"); },
            [this] {
              model::arrive(0, 1);
              poll_until_all_have_read();
            }};
  }
};
TEST(FdSlotModel, CloseWakesWhoWaits) {
  support::expect_proven<Closing>({.preemptions = 2, .delays = 0, .surprises = 0});
}

// The number is another file's as soon as the first is closed, and who reads that must not be told
// what is meant for the first one's readers. It is opened by who closed the first, or by who was
// told that it is closed.
struct Reopening : Files {
  explicit Reopening(bool by_closer) : Files(3, 2), by_closer_(by_closer) {}
  Threads threads() override {
    return {[this] {
              const int error = receive(*first);
              require(error == 0 || error == ECANCELED || error == EBADF, "closed or read");
              end_reader();
              if (!by_closer_) reopen();
            },
            [this] {
              first->close();
              if (by_closer_) reopen();
            },
            [this] {
              model::arrive(0, 1);
              poll();
              model::await_file(1);
              model::arrive(1, 1);
              poll_until_all_have_read();
            }};
  }
  void reopen() {
    model::expect_file(model::open_file(true));
    second.emplace(model::kNumber);
    require(receive(*second) == 0, "nobody has closed the second one");
    end_reader();
  }
  void at_end() override {
    Files::at_end();
    second.reset();
    require(model::is_closed(1), "the second one is closed, too");
  }
  std::optional<Descriptor> second;
  const bool by_closer_;
};
TEST(FdSlotModel, TheNumberIsUsedAgain) {
  support::expect_proven<Reopening>({.preemptions = 2, .delays = 0, .surprises = 0}, true);
  support::expect_proven<Reopening>({.preemptions = 2, .delays = 0, .surprises = 0}, false);
}

// Cancelled while an event comes, and then it waits again, in the same frame.
struct Cancelling : Files {
  Cancelling() : Files(3, 2) {}
  Threads threads() override {
    return {[this] {
              try {
                receive(*first);
              } catch (const weft::Cancelled&) {
                receive(*first);
              }
              end_reader();
            },
            [this] {
              receive(*first);
              end_reader();
            },
            [this] {
              weft::detail::cancel(model::fiber_of(0), 0);
              model::arrive(0, 2);
              poll_until_all_have_read();
            }};
  }
};
TEST(FdSlotModel, AWaiterIsCancelled) {
  support::expect_proven<Cancelling>({.preemptions = 2, .delays = 0, .surprises = 0});
}

}  // namespace
