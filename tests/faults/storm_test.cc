// Goal: whatever fails at random, each connection carries every byte once and in order, or ends
// with an error that names a fault that was its own or its peer's; no other suffers, nothing hangs,
// nothing is left behind. Method: an echo server and its clients in one runtime, under a mix of all
// faults at once, one seed after another. WEFT_SEED replays one, WEFT_FAULT_SEEDS says how many.
// With WEFT_FAULT_MIXED clients also use pipes, Unix sockets, datagrams, files and other programs.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "faults/injector.h"
#include "faults/mixed_loads.h"
#include "faults/storm_plan.h"
#include "support/build_kind.h"
#include "support/process_state.h"
#include "support/seed.h"
#include "support/tcp.h"
#include "support/watchdog.h"

namespace weft {
namespace {

using faults::Call;
using faults::Injection;
using faults::is_mixed;
using faults::plan;

constexpr std::uint64_t kClients = 24;
constexpr int kConnectionsEach = 4;

enum class End : std::uint8_t { kNone, kWhole, kFailed, kNoMemory };

// What became of one end of a connection.
struct Side {
  std::atomic<End> end{End::kNone};
  std::atomic<int> error{0};     // what its fiber was told
  std::atomic<int> injected{0};  // what had been injected into its calls
};

// A connection, under its client's port, which both ends know.
struct Connection {
  Side client, server;
  std::atomic<int> uses{0};
};

struct Totals {
  std::uint64_t faults = 0, whole = 0, failed = 0;
  std::vector<std::uint64_t> by_kind = std::vector<std::uint64_t>(plan().size());
};

// Byte number `offset` of what a client sends.
std::byte byte_at(std::uint64_t tag, std::size_t offset) {
  return static_cast<std::byte>(tag * 131 + offset * 7 + offset / 251);
}

class Storm {
 public:
  Storm(std::uint64_t seed, unsigned workers) : seed_(seed), workers_(workers) {}

  void run(Totals& totals);

 private:
  void main();
  void client(std::uint64_t number);
  void one_connection(std::uint64_t tag, support::Random& random);
  void other_calls(std::uint64_t client, support::Random& random);
  static bool talk(TcpStream& stream, std::uint64_t tag, support::Random& random);
  void echo(TcpStream& stream);
  template <class F>
  void note_end(Side& side, TcpStream& stream, F&& body);
  void judge(Totals& totals) const;

  Connection& of_port(std::uint16_t port) { return connections_[port]; }

  const std::uint64_t seed_;
  const unsigned workers_;
  std::vector<Connection> connections_{65536};
  std::optional<TcpListener> listener_;
  const faults::MixedLoads loads_;
  std::atomic<int> corrupt_{0}, unnamed_{0}, unconnected_{0};
};

// A stream's last error must name the operation, whatever it is.
bool names_operation(const char* what) {
  for (const char* const operation : {"read ", "write to ", "shut down "}) {
    if (std::strncmp(what, operation, std::strlen(operation)) == 0) return true;
  }
  return false;
}

template <class F>
void Storm::note_end(Side& side, TcpStream& stream, F&& body) {
  End end = End::kFailed;
  try {
    if (body()) end = End::kWhole;
  } catch (const std::system_error& error) {
    side.error = error.code().value();
    if (!names_operation(error.what())) ++unnamed_;
  } catch (const IncompleteRead&) {
  } catch (const std::bad_alloc&) {
    end = End::kNoMemory;
  }
  if (stream.is_open()) {
    side.injected = faults::last_error(stream.native_handle());
  } else {
    end = End::kNoMemory;  // to keep what a failed read had got: then the stream ends
  }
  side.end = end;
}

void Storm::echo(TcpStream& stream) {
  Side& side = of_port(stream.peer_address().port()).server;
  note_end(side, stream, [&] {
    std::array<std::byte, 3000> buffer;
    for (;;) {
      const std::size_t count = stream.read_some(buffer);
      if (count == 0) return true;
      stream.write_all(std::span(buffer).first(count));
    }
  });
}

// True when all came back, and nothing else. The buffers are on the stack: memory for them would be
// asked for in vain.
bool Storm::talk(TcpStream& stream, std::uint64_t tag, support::Random& random) {
  std::array<std::byte, 6000> sent, got;
  std::size_t offset = 0;
  for (int messages = 1 + random.below(8); messages > 0; --messages) {
    const auto size = static_cast<std::size_t>(1 + random.below(static_cast<int>(sent.size())));
    for (std::size_t i = 0; i < size; ++i) sent[i] = byte_at(tag, offset + i);
    if (random.one_in(2)) {
      stream.write_all(std::span(sent).first(size));
    } else {
      const iovec parts[] = {{sent.data(), size / 3}, {sent.data() + size / 3, size - size / 3}};
      stream.write_all(parts);
    }
    stream.read_exactly(std::span(got).first(size));
    if (std::memcmp(got.data(), sent.data(), size) != 0) return false;
    offset += size;
  }
  stream.shutdown(Shutdown::kWrite);
  return stream.read_some(got) == 0;
}

void Storm::one_connection(std::uint64_t tag, support::Random& random) {
  TcpStream stream;
  try {
    stream = TcpStream::connect(listener_->local_address());
  } catch (const std::system_error& error) {
    ++unconnected_;
    if (std::strncmp(error.what(), "connect to ", 11) != 0) ++unnamed_;
    return;
  }
  Connection& connection = of_port(stream.local_address().port());
  ++connection.uses;
  note_end(connection.client, stream, [&] {
    const bool whole = talk(stream, tag, random);
    if (!whole) ++corrupt_;
    return whole;
  });
}

// What else may go on in a program; its errors are its own.
void Storm::other_calls(std::uint64_t client, support::Random& random) {
  try {
    if (is_mixed() && !loads_.one(random, client)) ++corrupt_;
  } catch (const ExceptionGroup&) {
  } catch (const std::system_error&) {
  } catch (const IncompleteRead&) {
  } catch (const std::bad_alloc&) {
  }
  try {
    if (random.one_in(3)) to_thread([] {});
    if (random.one_in(3)) resolve("localhost");
    if (random.one_in(3)) timeout(std::chrono::seconds(60), [] { yield(); });
    if (random.one_in(3)) sleep_for(std::chrono::microseconds(random.below(300)));
    if (random.one_in(3)) {
      gather([] { yield(); }, spawn({.stack_size = std::size_t{1} << 20}, [] { yield(); }));
    }
  } catch (const std::system_error&) {
  } catch (const std::bad_alloc&) {
  }
}

void Storm::client(std::uint64_t number) {
  support::Random random(seed_ + number);
  for (int i = 0; i < kConnectionsEach; ++i) {
    try {
      one_connection(number * kConnectionsEach + static_cast<std::uint64_t>(i), random);
    } catch (const std::bad_alloc&) {
      ++unconnected_;
    }
    other_calls(number, random);
  }
}

void Storm::main() {
  listener_ = TcpListener::bind("127.0.0.1", 0);
  // Waited on once, it is with the reactor: that it cannot be is no fault that a server outlives.
  EXPECT_THROW(timeout(std::chrono::milliseconds(1), [this] { listener_->accept(); }),
               TimeoutError);
  const ServeOptions options{.on_error = [](const ServeError&) {}};
  const Task<void> server = spawn([&] {
    serve(
        *listener_, [this](TcpStream& s) { echo(s); }, options);
  });
  std::vector<Task<void>> clients(kClients);
  const std::string once = "through";  // the server has its stack
  TcpStream first = TcpStream::connect(listener_->local_address());
  first.write_all(once);
  first.shutdown(Shutdown::kWrite);
  EXPECT_EQ(first.read_to_end(10), once);
  {
    const Injection injection(plan(), faults::Where::kAnyThread, seed_);
    for (std::uint64_t number = 0; number < kClients; ++number) {
      try {
        clients[number] = spawn([this, number] { client(number); });
      } catch (const std::bad_alloc&) {
      }
    }
    for (const Task<void>& task : clients) {
      if (task.valid()) task.join();
    }
    listener_->close();
    server.join();
  }
  EXPECT_EQ(support::message_of([&] { Task<void>(server).get(); }), "nothing was thrown");
  for (const Task<void>& task : clients) {
    if (!task.valid() || task.exception() == nullptr) continue;
    EXPECT_THROW(std::rethrow_exception(task.exception()), StackAllocationError);
  }
}

// Who failed was hit, or its peer was; and who was hit was told of that very fault, unless what hit
// the peer came first.
void Storm::judge(Totals& totals) const {
  EXPECT_EQ(corrupt_, 0) << "bytes that were not sent, or not in this order";
  EXPECT_EQ(unnamed_, 0) << "errors that do not say what failed";
  std::uint64_t turned_away = 0;
  for (std::size_t port = 0; port < connections_.size(); ++port) {
    const Connection& connection = connections_[port];
    const Side &client = connection.client, &server = connection.server;
    if (connection.uses != 1) continue;  // a port that was used again cannot be told apart
    const bool server_hit = server.injected != 0 || server.end == End::kNoMemory;
    const bool client_hit = client.injected != 0 || client.end == End::kNoMemory;
    if (client.end == End::kWhole) ++totals.whole;
    if (client.end == End::kFailed || client.end == End::kNoMemory) ++totals.failed;
    if (client.end == End::kFailed && !client_hit && !server_hit) {
      if (server.end == End::kNone) {
        ++turned_away;  // taken, and dropped for want of memory or of a stack
      } else {
        ADD_FAILURE() << "failed without a fault: port " << port << ", " << client.error << " and "
                      << server.error;
      }
    }
    for (const Side* side : {&client, &server}) {
      if (side->end == End::kNone || side->end == End::kNoMemory || side->injected == 0) continue;
      EXPECT_EQ(side->error, side->injected) << "told of another error than its own";
    }
  }
  std::uint64_t no_memory = 0;
  for (std::size_t i = 0; i < plan().size(); ++i) {
    const unsigned hits = Injection::hits(i);
    totals.faults += hits;
    totals.by_kind[i] += hits;
    const Call call = plan()[i].call;
    if (call == Call::kNew || call == Call::kMap) no_memory += hits;
  }
  EXPECT_LE(turned_away, no_memory);
}

void Storm::run(Totals& totals) {
  {
    Runtime runtime(Options{.workers = workers_});
    runtime.run([this] { main(); });
  }
  listener_.reset();
  judge(totals);
}

int seeds_to_try() {
  const char* const given = std::getenv("WEFT_FAULT_SEEDS");
  return given != nullptr ? std::atoi(given) : support::scaled(200);
}

void print(const Totals& totals, int seeds) {
  std::size_t kinds = 0;
  for (std::size_t i = 0; i < plan().size(); ++i) {
    if (totals.by_kind[i] > 0) ++kinds;
    std::printf("%9llu  %s\n", static_cast<unsigned long long>(totals.by_kind[i]),
                describe(plan()[i]).c_str());
  }
  std::printf(
      "== faults injected: %llu of %zu kinds over %d seeds; %llu connections whole, %llu hit\n",
      static_cast<unsigned long long>(totals.faults), kinds, seeds,
      static_cast<unsigned long long>(totals.whole),
      static_cast<unsigned long long>(totals.failed));
}

TEST(FaultStorm, LosesNothingOnOneTwoAndFourWorkers) {
  const bool replay = std::getenv("WEFT_SEED") != nullptr;
  const std::uint64_t first = support::seed();
  const int seeds = replay ? 1 : seeds_to_try();
  support::Watchdog watchdog("fault storm", std::chrono::seconds(30));
  Totals totals;
  support::ProcessCounts before;
  for (int i = 0; i < seeds && !HasFailure(); ++i) {
    const std::uint64_t seed = first + static_cast<std::uint64_t>(i);
    for (const unsigned workers : {1U, 2U, 4U}) {
      SCOPED_TRACE("WEFT_SEED=" + std::to_string(seed) + ", workers " + std::to_string(workers));
      std::printf("WEFT_SEED=%llu %u\r", static_cast<unsigned long long>(seed), workers);
      std::fflush(stdout);
      auto storm = std::make_unique<Storm>(seed, workers);
      storm->run(totals);
      watchdog.progress();
    }
    // What the process has but once is there after the first.
    if (i == 0) before = support::process_counts();
    EXPECT_EQ(support::process_counts().descriptors, before.descriptors);
  }
  const support::ProcessCounts after = support::process_counts();
  EXPECT_EQ(after.threads, before.threads);
  if (!support::kSanitized) {
    EXPECT_LE(after.mappings, before.mappings + 60);
  }
  print(totals, seeds);
}

}  // namespace
}  // namespace weft
