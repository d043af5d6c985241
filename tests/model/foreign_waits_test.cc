// Goal: whoever waits for a descriptor of somebody else's is told of what they wait for, or of its
// being closed, whoever else waits for it, arms it or leaves; and nobody touches a wait whose frame
// is gone. Method: the waits of reactor/, over a one-shot epoll that is part of the model. It
// belongs to two numbers, either of which may become another file's behind our back.

#include "reactor/foreign_waits.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/futex.h"
#include "proof.h"
#include "waits.h"

namespace {

using model::Model;
using model::require;
using weft::detail::Cancellable;
using weft::detail::ForeignWaits;
using weft::detail::Nanos;
using weft::detail::Ready;
using weft::detail::Wake;
using Threads = std::vector<std::function<void()>>;

constexpr int kNumbers = 2;
// The first of them. A run that fails leaves its waits linked, so the next one has other numbers.
int g_first = 0;
constexpr int kApart = 1024;
constexpr int kMostFailures = 8;
bool g_all_unlinked = true;

// What is open under a number, and what epoll has of it.
struct File {
  bool open = true;
  std::uint32_t ready = 0;
  bool registered = false;
  std::uint32_t armed = 0;  // none after an event
  std::uint64_t key = 0;
};

struct Kernel {
  std::array<File, kNumbers> files;
  bool may_refuse = false;
  weft::detail::Atomic<std::uint32_t> news{0};  // changed when who polls should look
};
std::optional<Kernel> g_kernel;

void tell() {
  g_kernel->news.fetch_add(1);
  weft::detail::futex_wake(g_kernel->news, 1);
}

}  // namespace

extern "C" int epoll_ctl(int, int operation, int number, epoll_event* event) noexcept {
  model::step("epoll_ctl");
  if (number < g_first || number >= g_first + kNumbers) {
    errno = EBADF;
    return -1;
  }
  File& file = g_kernel->files[static_cast<std::size_t>(number - g_first)];
  if (!file.open) {
    errno = EBADF;
    return -1;
  }
  if (g_kernel->may_refuse && model::surprise("the kernel refuses to watch")) {
    errno = ENOMEM;
    return -1;
  }
  if (file.registered != (operation == EPOLL_CTL_MOD)) {
    errno = file.registered ? EEXIST : ENOENT;
    return -1;
  }
  file.registered = true;
  file.armed = event->events & ~std::uint32_t{EPOLLONESHOT};
  file.key = event->data.u64;
  if ((file.armed & file.ready) != 0) tell();
  return 0;
}

namespace {

class Waits : public Model {
 protected:
  Waits(int threads, int waiters, bool may_refuse = false) : waiters_left_(waiters) {
    model::reset_waits(threads);
    g_kernel.emplace();
    g_kernel->may_refuse = may_refuse;
    if (!std::exchange(g_all_unlinked, false)) g_first += kApart;
  }

  // Until `wanted` is ready, as a hook does: tries, and waits.
  Wake await(int number, std::uint32_t wanted, Nanos deadline = weft::detail::kNever) {
    const auto& file = g_kernel->files[static_cast<std::size_t>(number)];
    Wake reason = Wake::kNormal;
    for (;;) {
      model::step("tries");
      if (!file.open) {
        reason = Wake::kClosed;
        break;
      }
      if ((file.ready & wanted) != 0) break;
      pollfd item{g_first + number, static_cast<short>(wanted), 0};
      reason = waits.wait({&item, 1}, deadline);
      if (reason != Wake::kNormal) break;
    }
    end_wait();
    return reason;
  }
  void end_wait() {
    --waiters_left_;
    tell();
  }
  void become_ready(int number, std::uint32_t what) {
    model::step("something happens");
    File& file = g_kernel->files[static_cast<std::size_t>(number)];
    file.ready |= what;
    if ((file.armed & what) != 0) tell();
  }
  // The number is another file's, and nobody was told.
  void replace(int number) {
    model::step("another file");
    g_kernel->files[static_cast<std::size_t>(number)] = File();
  }
  void close(int number) {
    const ForeignWaits::Closing closing(g_first + number);
    model::step("close");
    File closed;
    closed.open = false;
    g_kernel->files[static_cast<std::size_t>(number)] = closed;
  }
  void poll() {
    model::step("epoll_wait");
    std::vector<Ready> ready;
    for (File& file : g_kernel->files) {
      const std::uint32_t told = file.armed & file.ready;
      if (told == 0) continue;
      file.armed = 0;
      epoll_event event{};
      event.events = told;
      event.data.u64 = file.key;
      waits.post(event, ready);
    }
    for (const Ready& one : ready) weft::detail::wake(one.token, one.reason);
  }
  void poll_until_all_are_back() {
    for (;;) {
      const std::uint32_t seen = g_kernel->news.load();
      if (waiters_left_ == 0) return;
      poll();
      if (waiters_left_ > 0) weft::detail::futex_wait(g_kernel->news, seen);
    }
  }
  void at_end() override {
    require(waiters_left_ == 0, "everybody has returned");
    g_all_unlinked = true;
  }

  ForeignWaits waits{0};

 private:
  int waiters_left_;
};

// Has the table make its entries, which every run is to find there.
struct FirstUse : Waits {
  FirstUse() : Waits(1, 0) {}
  Threads threads() override {
    return {[this] {
      for (int i = 0; i < kMostFailures; ++i) {
        pollfd closed{i * kApart + kNumbers, POLLIN, 0};
        waits.wait({&closed, 1}, /*deadline=*/1);
      }
    }};
  }
};

template <class M>
void expect_proven(const model::Plan& plan) {
  model::explore({.preemptions = 0, .delays = 0, .surprises = 0, .random_runs = 0},
                 [] { return std::make_unique<FirstUse>(); });
  support::expect_proven<M>(plan);
}

// Whatever comes first, the other is armed again.
struct BothDirections : Waits {
  BothDirections() : Waits(3, 2) {}
  Threads threads() override {
    return {[this] { require(await(0, POLLIN) == Wake::kNormal, "it can be read"); },
            [this] { require(await(0, POLLOUT) == Wake::kNormal, "it can be written"); },
            [this] {
              become_ready(0, POLLIN);
              poll();
              become_ready(0, POLLOUT);
              poll_until_all_are_back();
            }};
  }
};
TEST(ForeignWaitsModel, TwoWaitForTheTwoDirectionsOfOne) {
  expect_proven<BothDirections>({.preemptions = 2, .delays = 0});
}

// What the one waits for never comes.
struct OneDirection : Waits {
  OneDirection() : Waits(3, 2) {}
  Threads threads() override {
    return {[this] { require(await(0, POLLIN) == Wake::kNormal, "it can be read"); },
            [this] { await(0, POLLOUT, /*deadline=*/1); },
            [this] {
              become_ready(0, POLLIN);
              poll_until_all_are_back();
            }};
  }
};
TEST(ForeignWaitsModel, TwoWaitForTheTwoDirectionsAndOneComes) {
  expect_proven<OneDirection>({.preemptions = 1, .delays = 0, .surprises = 0});
}

struct SameDirection : Waits {
  SameDirection() : Waits(3, 2) {}
  Threads threads() override {
    return {[this] { await(0, POLLIN); }, [this] { await(0, POLLIN); },
            [this] {
              become_ready(0, POLLIN);
              poll_until_all_are_back();
            }};
  }
};
TEST(ForeignWaitsModel, TwoWaitForTheSame) {
  expect_proven<SameDirection>({.preemptions = 2, .delays = 0});
}

// Its frame goes while the event is on its way, or the other arms.
struct Leaving : Waits {
  Leaving() : Waits(3, 2) {}
  Threads threads() override {
    return {[this] { await(0, POLLIN, /*deadline=*/1); },
            [this] { require(await(0, POLLIN) == Wake::kNormal, "it can be read"); },
            [this] {
              become_ready(0, POLLIN);
              poll_until_all_are_back();
            }};
  }
};
TEST(ForeignWaitsModel, OneOfTwoLeavesInVain) {
  expect_proven<Leaving>({.preemptions = 1, .delays = 0, .surprises = 1});
}

struct ManyItems : Waits {
  ManyItems() : Waits(3, 1) {}
  Threads threads() override {
    return {[this] {
              for (;;) {
                model::step("tries");
                if (g_kernel->files[0].ready != 0 || g_kernel->files[1].ready != 0) break;
                pollfd items[2] = {{g_first, POLLIN, 0}, {g_first + 1, POLLIN, 0}};
                waits.wait(items, weft::detail::kNever);
              }
              await(1, POLLIN);
            },
            [this] { become_ready(1, POLLIN); },
            [this] {
              become_ready(0, POLLIN);
              poll_until_all_are_back();
            }};
  }
};
TEST(ForeignWaitsModel, OneWaitsForTwoOfWhichBothCome) {
  expect_proven<ManyItems>({.preemptions = 2, .delays = 0});
}

struct Closing : Waits {
  Closing() : Waits(3, 1) {}
  Threads threads() override {
    return {[this] {
              pollfd item{g_first, POLLIN, 0};
              const Wake reason = waits.wait({&item, 1}, weft::detail::kNever);
              require(reason != Wake::kClosed || item.revents == POLLNVAL, "it is told which");
              end_wait();
            },
            [] { const ForeignWaits::Closing closing(g_first); },
            [this] {
              become_ready(0, POLLIN);
              poll_until_all_are_back();
            }};
  }
};
TEST(ForeignWaitsModel, ClosedWhileOneWaits) {
  expect_proven<Closing>({.preemptions = 2, .delays = 0, .surprises = 0});
}

// Nothing will ever be ready. Whoever links while the number is being closed looks again.
struct ClosedBeforeAnyEvent : Waits {
  ClosedBeforeAnyEvent() : Waits(3, 1) {}
  Threads threads() override {
    return {[this] { require(await(0, POLLIN) == Wake::kClosed, "it is closed"); },
            [this] { close(0); }, [this] { poll_until_all_are_back(); }};
  }
};
TEST(ForeignWaitsModel, ClosedBetweenATryAndItsWait) {
  expect_proven<ClosedBeforeAnyEvent>({.preemptions = 2, .delays = 0, .surprises = 0});
}

// The number is another file's by the next wait, and epoll knows it not.
struct Replaced : Waits {
  Replaced() : Waits(2, 1) {}
  Threads threads() override {
    return {[this] {
              pollfd item{g_first, POLLIN, 0};
              waits.wait({&item, 1}, /*deadline=*/1);
              replace(0);
              replaced.store(1);
              weft::detail::futex_wake(replaced, 1);
              require(await(0, POLLIN) == Wake::kNormal, "the new file can be read");
            },
            [this] {
              become_ready(0, POLLOUT);
              poll();
              weft::detail::futex_wait(replaced, 0);
              become_ready(0, POLLIN);
              poll_until_all_are_back();
            }};
  }
  weft::detail::Atomic<std::uint32_t> replaced{0};
};
TEST(ForeignWaitsModel, TheNumberIsAnothersByTheNextWait) {
  expect_proven<Replaced>({.preemptions = 2, .delays = 0, .surprises = 1});
}

struct Refused : Waits {
  Refused() : Waits(2, 1, /*may_refuse=*/true) {}
  Threads threads() override {
    return {[this] { require(await(0, POLLIN) == Wake::kNormal, "it can be read"); },
            [this] {
              become_ready(0, POLLIN);
              poll_until_all_are_back();
            }};
  }
};
TEST(ForeignWaitsModel, TheKernelRefusesToWatch) {
  expect_proven<Refused>({.preemptions = 2, .delays = 0, .surprises = 2});
}

}  // namespace
