// Goal: an allocation that fails is a std::bad_alloc for the caller, who has lost nothing. Method:
// every operation is tried with each of its allocations failing in turn, until it makes no more.

#include <gmock/gmock.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <forward_list>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "faults/bounded.h"
#include "faults/fail_each.h"
#include "faults/injector.h"
#include "fiber/fiber_pool.h"
#include "support/live_count.h"
#include "support/process_state.h"
#include "support/tcp.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using namespace support;
using faults::bounded;
using faults::Call;
using faults::fail_each;
using faults::Fault;
using faults::Injection;
using faults::kAlways;
using faults::Where;

struct Large {
  char filling[2000];
};

TEST(Allocations, OfSpawn) {
  bounded(1, [] {
    LiveCount captured;
    std::vector<Task<void>> kept;  // so that descriptors run out
    kept.reserve(1000);
    fail_each(
        [&] {
          for (int i = 0; i < 300; ++i) {
            kept.push_back(spawn({.name = "a name of some length that is copied"},
                                 [token = captured.token(), large = Large()] {
                                   static_cast<void>(large);
                                   yield();
                                 }));
          }
        },
        [&] {
          for (Task<void>& task : kept) task.get();
          kept.clear();
          EXPECT_EQ(captured.alive(), 0);
        });
    for (Task<void>& task : kept) task.get();
  });
}

// No child is left behind that may still use the caller's frame.
TEST(Allocations, OfGather) {
  bounded(1, [] {
    LiveCount captured;
    const auto child = [&captured] {
      // Asks for no memory itself: what fails is gather's.
      return [token = captured.token()] {
        yield();
        yield();
      };
    };
    const auto children = [&] {
      std::vector<decltype(child())> made;
      for (std::size_t i = 0; i < 40; ++i) made.push_back(child());
      return made;
    };
    const auto none_left = [&] { EXPECT_EQ(captured.alive(), 0); };
    fail_each([&] { gather(child(), child(), child()); }, none_left);
    fail_each([&] { gather(children()); }, none_left);
    fail_each([&] { gather(return_exceptions, children()); }, none_left);
    // Of unknown length.
    fail_each(
        [&] {
          std::forward_list<decltype(child())> list;
          for (int i = 0; i < 40; ++i) list.push_front(child());
          gather(list);
        },
        none_left);
  });
}

// As the CHANGELOG says. The cache of descriptors is filled before.
TEST(Allocations, NoneForATaskThatCapturesUpTo48Bytes) {
  struct Captured {
    std::array<std::uint64_t, 5> words;
  };
  struct More : Captured {
    std::uint64_t word = 7;
  };
  std::uint64_t result = 0;
  static_assert(sizeof(Captured) + sizeof(&result) == 48);
  const auto sum = [&result](const auto& of) {
    return spawn([of, &result] {
      result = std::accumulate(of.words.begin(), of.words.end(), std::uint64_t{0});
    });
  };
  bounded(1, [&] {
    const Captured words{{1, 2, 3, 4, 5}};
    sum(words).get();
    Task<void> task;
    {
      const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .times = kAlways},
                                Where::kWorkers);
      task = sum(words);
      EXPECT_EQ(Injection::hits(), 0U);
      EXPECT_THROW(sum(More{words}), std::bad_alloc) << "else the limit is another";
    }
    result = 0;
    task.get();  // where locks are recorded, this needs memory
    EXPECT_EQ(result, 15U);
  });
}

TEST(Allocations, OfConnecting) {
  bounded(1, [] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    connect_to(listener);
    const std::size_t descriptors = process_counts().descriptors;
    fail_each([&] { TcpStream::connect(listener.local_address()); },
              [&] {
                EXPECT_EQ(process_counts().descriptors, descriptors);
                const auto drain = [&] {
                  for (;;) listener.accept();
                };
                EXPECT_THROW(timeout(std::chrono::milliseconds(1), drain), TimeoutError);
              });
    fail_each([] { TcpListener::bind("127.0.0.1", 0); },
              [&] { EXPECT_EQ(process_counts().descriptors, descriptors); });
  });
}

TEST(Allocations, OfAccepting) {
  bounded(1, [] {
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    connect_to(listener);
    const std::size_t descriptors = process_counts().descriptors;
    std::optional<TcpStream> client, server;
    for (unsigned number = 0;; ++number) {
      client = TcpStream::connect(listener.local_address());
      bool failed = false;
      {
        const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .skip = number},
                                  Where::kWorkers);
        try {
          server = listener.accept();
        } catch (const std::bad_alloc&) {
          failed = true;
        }
        if (Injection::hits() == 0) return;
      }
      // Who is not taken is told so.
      std::byte byte{};
      if (failed) {
        EXPECT_EQ(client->read_some({&byte, 1}), 0U);
      }
      client.reset();
      server.reset();
      EXPECT_EQ(process_counts().descriptors, descriptors);
    }
  });
}

// What has come is not lost: it is there for the next read, or the stream says that it is over.
TEST(Allocations, OfReading) {
  bounded(1, [] {
    const std::string line(3000, 'l');
    const std::string sent = "head" + line + "\n" + line;
    const auto read = [&](Connected& pair, std::string& got) {
      if (got.empty()) {
        std::string head(4, '?');
        pair.server.read_exactly(bytes_of(head));
        got = std::move(head);
      }
      if (got.size() == 4) got += pair.server.read_until("\n");
      got += pair.server.read_to_end(10'000);
    };
    for (unsigned number = 0;; ++number) {
      Connected pair = connect_pair();
      pair.client.write_all(sent);
      pair.client.close();
      std::string got;
      got.reserve(2 * sent.size());
      unsigned hits = 0;
      {
        const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .skip = number},
                                  Where::kWorkers);
        try {
          read(pair, got);
        } catch (const std::bad_alloc&) {
        }
        hits = Injection::hits();
      }
      if (got != sent) read(pair, got);
      EXPECT_TRUE(got == sent) << number;
      if (hits == 0) return;
    }
  });
}

TEST(Allocations, OfTheEndOfAStreamThatCameTooEarly) {
  bounded(1, [] {
    for (unsigned number = 0;; ++number) {
      Connected pair = connect_pair();
      pair.client.write_all("not a line");
      pair.client.close();
      const auto read = [&] { pair.server.read_until("\n"); };
      unsigned hits = 0;
      bool told = false;
      {
        const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .skip = number},
                                  Where::kWorkers);
        try {
          read();
        } catch (const std::bad_alloc&) {
        } catch (const IncompleteRead& error) {
          told = error.partial.size() == 10;
        }
        hits = Injection::hits();
      }
      if (!told) {
        try {
          read();
        } catch (const IncompleteRead& error) {
          EXPECT_EQ(error.partial.size(), 10U) << number;
        }
      }
      if (hits == 0) return;
    }
  });
}

// A read that is cancelled half way puts back what it has. If there is no room for that the stream
// is closed: its next reader must not go on in the middle as if nothing were missing.
TEST(Allocations, OfPuttingBack) {
  bounded(1, [] {
    Connected pair = connect_pair();
    const Task<void> reader = spawn([&] {
      std::string text(5000, '?');
      pair.server.read_exactly(bytes_of(text));
    });
    pair.client.write_all(std::string(4000, 'x'));
    sleep_for(std::chrono::milliseconds(2));
    {
      const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .times = kAlways},
                                Where::kWorkers);
      reader.cancel();
      reader.join();
    }
    EXPECT_TRUE(reader.cancelled());
    std::byte byte{};
    EXPECT_EQ(error_of([&] { pair.server.read_some({&byte, 1}); }), std::errc::bad_file_descriptor);
  });
}

// On threads of the pool, too, where nothing may be thrown.
TEST(Allocations, OfReplacingAFile) {
  bounded(1, [] {
    const TemporaryFolder folder;
    const std::string path = folder.write("a name that no string keeps within itself", "old");
    const std::string fresh(100, 'n');
    for (unsigned number = 0;; ++number) {
      ASSERT_LT(number, 1000U) << "its allocations have no end";
      {
        const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .skip = number});
        try {
          write_file(path, fresh, {.atomically = true});
        } catch (const std::bad_alloc&) {
        }
        if (Injection::hits() == 0) break;
      }
      const std::string text = read_file(path, 1000);
      EXPECT_TRUE(text == "old" || text == fresh) << text;
      EXPECT_EQ(folder.names().size(), 1U);
    }
    EXPECT_EQ(read_file(path, 1000), fresh);
  });
}

TEST(Allocations, OfThreads) {
  bounded(1, [] {
    fail_each(Call::kNew, [] { EXPECT_EQ(to_thread([] { return 5; }), 5); });
    fail_each(Call::kNew, [] { EXPECT_FALSE(resolve("localhost", 80).empty()); });
  });
}

// A plain thread's first wait needs a descriptor to be known by.
TEST(Allocations, OfAThreadThatWaits) {
  Event event;
  Mutex mutex;
  Channel<int> channel;
  Runtime runtime(Options{.workers = 1});
  std::atomic<bool> begun{false};
  const Task<void> task = runtime.post([&] {
    begun = true;
    event.wait();
  });
  while (!begun)
    std::this_thread::yield();  // it has its stack, and so will not end for want of one
  mutex.lock();
  std::thread([&] {
    detail::FiberPool& pool = detail::FiberPool::instance();
    detail::Fiber* taken = nullptr;
    {
      const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .times = kAlways});
      const auto take_all = [&] {
        for (;;) {
          detail::Fiber* const fiber = pool.take(1);
          fiber->next = taken;
          taken = fiber;
        }
      };
      EXPECT_THROW(take_all(), std::bad_alloc);
      EXPECT_THROW(event.wait(), std::bad_alloc);
      EXPECT_THROW(mutex.lock(), std::bad_alloc);
      EXPECT_THROW(channel.receive(), std::bad_alloc);
      EXPECT_THROW(channel.send(1), std::bad_alloc);
      EXPECT_FALSE(channel.try_send(1)) << "nobody is left in it";
      EXPECT_THROW(task.join(), std::bad_alloc);
    }
    while (taken != nullptr) {
      detail::Fiber* const fiber = std::exchange(taken, taken->next);
      pool.give(fiber, fiber);
    }
    event.set();
    task.join();
    event.wait();
  }).join();
  mutex.unlock();
}

// Wakes that come from outside, and rings that spill, find queues that need no memory.
TEST(Allocations, OfQueues) {
  for (const unsigned workers : {1U, 4U}) {
    Runtime runtime(Options{.workers = workers});
    const Injection injection(Fault{.call = Call::kMalloc, .error = ENOMEM, .times = kAlways});
    std::vector<Task<int>> posted;
    for (int i = 0; i < 1000; ++i) posted.push_back(runtime.post([i] { return i; }));
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(posted[static_cast<std::size_t>(i)].get(), i);
    runtime.run([] {
      std::vector<Task<void>> tasks(2000);
      for (Task<void>& task : tasks) task = spawn([] { yield(); });
      for (Task<void>& task : tasks) task.get();
    });
  }
}

}  // namespace
}  // namespace weft
