// Goal: a server that finds no descriptor for a connection says so once, waits without spinning,
// and takes everybody when it can. Method: descriptors are exhausted for real, under a lowered
// limit, by clients in the same program.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <vector>

#include "support/cpu_time.h"
#include "support/greeting.h"
#include "support/serve_error_log.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;

using std::chrono::milliseconds;
using std::chrono::seconds;

// Takes descriptors until the process may have no more.
class FullTable {
 public:
  FullTable() {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &former_), 0);
    const int first_free = ::dup(STDERR_FILENO);
    ::close(first_free);
    const rlimit lowered{static_cast<rlim_t>(first_free) + 8, former_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &lowered), 0);
    for (int fd = ::dup(STDERR_FILENO); fd >= 0; fd = ::dup(STDERR_FILENO)) taken_.push_back(fd);
  }
  ~FullTable() {
    while (!taken_.empty()) give_one_back();
    ::setrlimit(RLIMIT_NOFILE, &former_);
  }
  void give_one_back() {
    ::close(taken_.back());
    taken_.pop_back();
  }

 private:
  rlimit former_{};
  std::vector<int> taken_;
};

// With the last number there is: a server that looks for connections has it in its hand for a
// moment, each time.
TcpStream connect_with_the_last(const SocketAddress& address) {
  for (;;) {
    try {
      return TcpStream::connect(address);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::too_many_files_open) throw;
      yield();
    }
  }
}

TEST(ServeWithoutDescriptors, WaitsQuietlyTellsOnceAndGoesOn) {
  run([] {
    ServeErrorLog log;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, greet, log.options()); });
    std::optional<FullTable> full(std::in_place);
    full->give_one_back();
    // Takes the last number; the server's end finds none.
    TcpStream client = connect_with_the_last(listener.local_address());
    until([&] { return !log.errors().empty(); });
    const auto before = cpu_time(CLOCK_PROCESS_CPUTIME_ID);
    sleep_for(milliseconds(200));
    EXPECT_LT(cpu_time(CLOCK_PROCESS_CPUTIME_ID) - before, milliseconds(100)) << "the server spins";
    EXPECT_FALSE(server.done());
    full.reset();
    EXPECT_EQ(client.read_until("o"), "hello");
    EXPECT_EQ(greeting_from(listener.local_address()), "hello");
    client.close();
    listener.close();
    server.get();
    const std::vector<ServeError> errors = log.errors();
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].stage, ServeError::Stage::kAccept);
    EXPECT_EQ(errors[0].address, listener.local_address());
    EXPECT_EQ(error_of([&] { std::rethrow_exception(errors[0].error); }),
              std::errc::too_many_files_open);
  });
}

TEST(ServeWithoutDescriptors, TakesTheNextAsSoonAsAConnectionEnds) {
  run([] {
    ServeErrorLog log;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, greet, log.options()); });
    TcpStream first = TcpStream::connect(listener.local_address());
    first.read_until("o");
    FullTable full;
    full.give_one_back();
    TcpStream second = connect_with_the_last(listener.local_address());
    until([&] { return !log.errors().empty(); });
    first.shutdown();  // frees the server's end, not ours
    EXPECT_EQ(second.read_until("o"), "hello");
    second.close();
    listener.close();
    server.get();
  });
}

// Connections come and go while there is room for two: each that ends lets the next in, and whoever
// looks for one after that finds no number again.
TEST(ServeWithoutDescriptors, TellsOnceHoweverManyComeAndGo) {
  run([] {
    ServeErrorLog log;
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    Task<void> server = spawn([&] { serve(listener, greet, log.options()); });
    greeting_from(listener.local_address());
    const auto before = cpu_time(CLOCK_PROCESS_CPUTIME_ID);
    {
      FullTable full;
      for (int i = 0; i < 3; ++i) full.give_one_back();
      Semaphore room(2);  // with more, clients would take all and leave none for the server
      std::vector<Task<void>> clients;
      for (int i = 0; i < 40; ++i) {
        clients.push_back(spawn([&] {
          const Semaphore::Permit permit = room.hold();
          TcpStream client = connect_with_the_last(listener.local_address());
          EXPECT_EQ(client.read_until("o"), "hello");
          sleep_for(milliseconds(1));  // the server has looked for the next
        }));
      }
      for (Task<void>& client : clients) client.get();
    }
    EXPECT_LT(cpu_time(CLOCK_PROCESS_CPUTIME_ID) - before, seconds(5)) << "the server spins";
    listener.close();
    server.get();
    EXPECT_EQ(log.errors().size(), 1U);
  });
}

}  // namespace
}  // namespace weft
