// Goal: fibers wait for signals; every listener gets each, none is lost, and what the signal did
// before comes back. Method: the process sends signals to itself. See also signals_process_test.cc.

#include <gmock/gmock.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "support/build_kind.h"
#include "support/process_state.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace std::chrono_literals;
using namespace support;

using testing::AllOf;
using testing::HasSubstr;

const pthread_t g_main_thread = ::pthread_self();

void send(int number) {
  if constexpr (kThreadSanitizer) {
    // It keeps a handler back until whoever ran on the thread that got the signal makes a call that
    // it intercepts. A fiber that waits for the signal makes none, but the main thread does now and
    // then.
    ASSERT_EQ(::pthread_kill(g_main_thread, number), 0);
  } else {
    ASSERT_EQ(::kill(::getpid(), number), 0);
  }
}

std::atomic<int> g_handled{0};
void programs_own(int) { ++g_handled; }
void another(int) { ++g_handled; }

struct sigaction action_of(int number) {
  struct sigaction action {};
  ::sigaction(number, nullptr, &action);
  return action;
}

void handle(int number, void (*handler)(int), int flags = 0) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = flags;
  ASSERT_EQ(::sigaction(number, &action, nullptr), 0);
}

TEST(Signals, EndsAWait) {
  run([] {
    Signals signals{SIGUSR1, SIGUSR2};
    Task<int> waiter = spawn([&] { return signals.wait(); });
    yield();
    send(SIGUSR2);
    EXPECT_EQ(waiter.get(), SIGUSR2);
    EXPECT_EQ(signals.try_wait(), std::nullopt);
  });
}

TEST(Signals, WhatCameBetweenTwoWaitsIsKept) {
  run([] {
    Signals signals{SIGUSR1, SIGUSR2, SIGHUP};
    send(SIGHUP);
    until([&] { return signals.try_wait() == SIGHUP; });
    send(SIGUSR2);
    send(SIGUSR1);
    const int first = signals.wait();
    EXPECT_EQ(first + signals.wait(), SIGUSR1 + SIGUSR2);
  });
}

TEST(Signals, EveryListenerGetsEach) {
  run([] {
    std::vector<Signals> listeners;
    for (int i = 0; i < 20; ++i) listeners.push_back(Signals{SIGUSR1, SIGUSR2});
    Signals deaf{SIGHUP};
    for (const int number : {SIGUSR1, SIGUSR2}) {
      std::vector<Task<int>> waiters;
      for (Signals& listener : listeners) waiters.push_back(spawn([&] { return listener.wait(); }));
      send(number);
      for (Task<int>& waiter : waiters) EXPECT_EQ(waiter.get(), number);
    }
    EXPECT_EQ(deaf.try_wait(), std::nullopt);
  });
}

// Each is sent after the one before was taken, so each counts.
TEST(Signals, NoneIsLost) {
  run([] {
    Signals signals{SIGUSR1};
    for (int i = 0; i < scaled(2000); ++i) {
      send(SIGUSR1);
      ASSERT_EQ(signals.wait(), SIGUSR1);
    }
    EXPECT_EQ(signals.try_wait(), std::nullopt);
  });
}

// Any number of fibers take turns at one: whoever takes a signal leaves the rest to the others.
TEST(Signals, EndAsManyWaitsAsThereAreSignals) {
  run([] {
    const std::vector<int> numbers = {SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH, SIGURG, SIGRTMIN};
    Signals signals{std::span(numbers)};
    for (int i = 0; i < scaled(500); ++i) {
      std::vector<Task<int>> waiters;
      for (std::size_t k = 0; k < numbers.size(); ++k) {
        waiters.push_back(spawn([&] { return signals.wait(); }));
      }
      if (i % 2 == 0) yield();
      for (const int number : numbers) send(number);
      std::vector<int> taken;
      for (Task<int>& waiter : waiters) taken.push_back(waiter.get());
      EXPECT_THAT(taken, testing::UnorderedElementsAreArray(numbers));
    }
  });
}

TEST(Signals, EndsTheWaitOfOneOfTwo) {
  run([] {
    for (int i = 0; i < scaled(200); ++i) {
      Signals signals{SIGUSR1, SIGUSR2};
      Task<int> one = spawn([&] { return signals.wait(); });
      Task<int> other = spawn([&] { return signals.wait(); });
      send(SIGUSR1);
      send(SIGUSR2);
      EXPECT_EQ(one.get() + other.get(), SIGUSR1 + SIGUSR2);
    }
  });
}

TEST(Signals, CancelledItHasTakenNone) {
  run([] {
    Signals signals{SIGUSR1};
    EXPECT_THROW(timeout(1ms, [&] { signals.wait(); }), TimeoutError);
    int taken = 0;
    for (int i = 0; i < scaled(300); ++i) {
      // Noted by the task itself: one that is cancelled at its very end counts as cancelled.
      int got = 0;
      Task<void> waiter = spawn([&] { got = signals.wait(); });
      Task<void> canceller = spawn([&] { waiter.cancel(); });
      send(SIGUSR1);
      waiter.join();
      canceller.get();
      if (got != 0) ++taken;
      EXPECT_EQ(got != 0 ? got : signals.wait(), SIGUSR1);
    }
    EXPECT_EQ(signals.try_wait(), std::nullopt);
    RecordProperty("taken", taken);
  });
}

TEST(Signals, CloseEndsWaits) {
  run([] {
    Signals signals{SIGUSR1, SIGTERM};
    const auto wait = [&] { return error_of([&] { signals.wait(); }); };
    Task<std::error_code> waiter = spawn(wait);
    while (!waiter.done()) {
      yield();
      signals.close();
    }
    const std::error_code meanwhile = waiter.get();
    EXPECT_TRUE(meanwhile == std::errc::operation_canceled ||
                meanwhile == std::errc::bad_file_descriptor);
    EXPECT_FALSE(signals.is_open());
    EXPECT_EQ(wait(), std::errc::bad_file_descriptor);
    EXPECT_EQ(error_of([&] { signals.try_wait(); }), std::errc::bad_file_descriptor);
    EXPECT_THAT(message_of([&] { signals.wait(); }), HasSubstr("SIGUSR1, SIGTERM"));
    Signals none;
    EXPECT_EQ(error_of([&] { none.wait(); }), std::errc::bad_file_descriptor);
    EXPECT_FALSE(none.is_open());
  });
}

TEST(Signals, CloseTellsWhoWaited) {
  run([] {
    Signals signals{SIGUSR1};
    Task<std::error_code> waiter = spawn([&] { return error_of([&] { signals.wait(); }); });
    sleep_for(5ms);
    signals.close();
    EXPECT_EQ(waiter.get(), std::errc::operation_canceled);
  });
}

TEST(Signals, BelongToWhereTheyAreMoved) {
  run([] {
    Signals first{SIGUSR1};
    Signals second = std::move(first);
    first = Signals{SIGUSR2};
    send(SIGUSR1);
    EXPECT_EQ(second.wait(), SIGUSR1);
    second = std::move(first);
    EXPECT_NE(action_of(SIGUSR2).sa_handler, SIG_DFL);
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL);
    send(SIGUSR2);
    EXPECT_EQ(second.wait(), SIGUSR2);
  });
}

TEST(Signals, WakeAPlainThreadToo) {
  Signals signals{SIGUSR1};
  std::thread waiter([&] { EXPECT_EQ(signals.wait(), SIGUSR1); });
  send(SIGUSR1);
  waiter.join();
}

TEST(Signals, WhatCannotBeWaitedForIsAClearError) {
  const auto message = [](int number) {
    return message_of([&] { Signals signals{SIGUSR1, number}; });
  };
  EXPECT_THAT(message(SIGKILL), AllOf(HasSubstr("SIGKILL (9)"), HasSubstr("no program can")));
  EXPECT_THAT(message(SIGSTOP), HasSubstr("no program can"));
  EXPECT_THAT(message(SIGSEGV), AllOf(HasSubstr("SIGSEGV"), HasSubstr("by its own fault")));
  EXPECT_THAT(message(SIGABRT), HasSubstr("by its own fault"));
  EXPECT_THAT(message(0), HasSubstr("no such signal"));
  EXPECT_THAT(message(-3), HasSubstr("no such signal"));
  EXPECT_THAT(message(65), HasSubstr("no such signal"));
  EXPECT_THAT(message(33), HasSubstr("keeps it to itself"));
  EXPECT_THROW(Signals(std::span<const int>()), std::invalid_argument);
  EXPECT_EQ(action_of(SIGUSR1).sa_handler, SIG_DFL) << "nothing was taken over on the way";
}

TEST(Signals, TakesRealTimeSignals) {
  run([] {
    Signals signals{SIGRTMIN, SIGRTMAX};
    send(SIGRTMAX);
    EXPECT_EQ(signals.wait(), SIGRTMAX);
  });
}

TEST(Signals, ProgramsHandlerIsBackAfterTheLast) {
  run([] {
    g_handled = 0;
    handle(SIGUSR1, &programs_own, SA_NODEFER);
    {
      Signals first{SIGUSR1};
      {
        Signals second{SIGUSR1};
        send(SIGUSR1);
        EXPECT_EQ(second.wait(), SIGUSR1);
      }
      EXPECT_EQ(first.wait(), SIGUSR1);
      send(SIGUSR1);
      EXPECT_EQ(first.wait(), SIGUSR1);
    }
    EXPECT_EQ(g_handled, 0);
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, &programs_own);
    EXPECT_NE(action_of(SIGUSR1).sa_flags & SA_NODEFER, 0);
    // To this thread: ThreadSanitizer keeps a handler back while its thread sleeps in the kernel.
    ::raise(SIGUSR1);
    until([] { return g_handled == 1; });
    handle(SIGUSR1, SIG_DFL);
  });
}

TEST(Signals, HandlerThatTheProgramPutInItsPlaceStays) {
  run([] {
    g_handled = 0;
    {
      Signals signals{SIGUSR1};
      handle(SIGUSR1, &another);
    }
    EXPECT_EQ(action_of(SIGUSR1).sa_handler, &another);
    handle(SIGUSR1, SIG_DFL);
  });
}

TEST(Signals, LeaveNoThreadBehind) {
  run([] {
    const ProcessCounts before = process_counts();
    for (int i = 0; i < 20; ++i) {
      Signals signals{SIGUSR1};
      send(SIGUSR1);
      signals.wait();
    }
    EXPECT_EQ(process_counts().threads, before.threads);
    EXPECT_EQ(process_counts().descriptors, before.descriptors);
  });
}

TEST(Signals, ComeAndGoWhileSignalsCome) {
  run([] {
    std::atomic<bool> stop = false;
    Signals keeper{SIGUSR1};
    std::thread storm([&] {
      while (!stop) send(SIGUSR1);
    });
    const auto come_and_go = [] {
      for (int i = 0; i < scaled(100); ++i) {
        Signals signals{SIGUSR1, SIGUSR2};
        EXPECT_EQ(signals.wait(), SIGUSR1);
      }
    };
    gather(come_and_go, come_and_go, come_and_go, [&] {
      for (int i = 0; i < scaled(100); ++i) keeper.wait();
    });
    stop = true;
    storm.join();
    // One may still be on its way when the last listener goes.
    handle(SIGUSR1, SIG_IGN);
  });
  handle(SIGUSR1, SIG_DFL);
}

}  // namespace
}  // namespace weft
