// Goal: a server that wants for descriptors, memory or stacks says so, goes on when it has them
// again, and takes everybody who still waits then. Method: accept and what follows it fail, once
// and for a while, with clients on the other side.

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <vector>

#include "faults/bounded.h"
#include "faults/injector.h"
#include "support/process_state.h"
#include "support/serve_error_log.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;
using faults::Call;
using faults::Fault;
using faults::Injection;
using faults::kAlways;
using faults::Where;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr std::size_t kOtherClass = std::size_t{1} << 20;

// A server that greets, for as long as `body` runs.
class Greeter {
 public:
  explicit Greeter(std::size_t stack_size = 0) : listener_(TcpListener::bind("127.0.0.1", 0)) {
    connect_to(listener_);  // the reactor knows the listener
    task_ = spawn([this, stack_size] {
      ServeOptions options = log_.options();
      options.stack_size = stack_size;
      serve(
          listener_, [](TcpStream& stream) { stream.write_all("hello"); }, options);
    });
  }
  ~Greeter() {
    listener_.close();
    EXPECT_EQ(message_of([this] { task_.get(); }), "nothing was thrown");
  }

  TcpStream connect() const { return TcpStream::connect(listener_.local_address()); }
  // A connection for which weft needs no memory on this side. It ends at once.
  void knock() const {
    const SocketAddress address = listener_.local_address();
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(fd, address.data(), address.size()), 0);
    ::close(fd);
  }
  int fd() const { return listener_.native_handle(); }
  std::vector<ServeError> errors() const { return log_.errors(); }

 private:
  ServeErrorLog log_;
  TcpListener listener_;
  Task<void> task_;
};

std::string greeting_on(TcpStream stream) { return stream.read_to_end(10); }

void bounded(const std::function<void()>& body) {
  for (const unsigned workers : {1U, 2U}) faults::bounded(workers, body);
}

class ServeFaults : public testing::TestWithParam<int> {};

// However long it lasts: those who came meanwhile are taken, and it was told once.
TEST_P(ServeFaults, WantOfResourcesPasses) {
  bounded([] {
    Greeter server;
    const Fault fault{
        .call = Call::kAccept, .error = GetParam(), .fd = server.fd(), .times = kAlways};
    std::vector<Task<std::string>> clients;
    clients.reserve(10);
    {
      const Injection injection(fault);
      for (int i = 0; i < 10; ++i) {
        clients.push_back(spawn([&] { return greeting_on(server.connect()); }));
      }
      until([] { return Injection::hits() >= 3; });
      for (const auto& client : clients) EXPECT_FALSE(client.done());
    }
    for (auto& client : clients) EXPECT_EQ(client.get(), "hello");
    const std::vector<ServeError> errors = server.errors();
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].stage, ServeError::Stage::kAccept);
    const auto rethrow = [&] { std::rethrow_exception(errors[0].error); };
    EXPECT_EQ(error_of(rethrow).value(), GetParam());
    EXPECT_THAT(message_of(rethrow), HasSubstr("accept on 127.0.0.1:"));
  });
}

// It tries again ever more rarely, and not as fast as it can.
TEST_P(ServeFaults, WantOfResourcesIsNoReasonToSpin) {
  bounded([] {
    Greeter server;
    const Injection injection(
        Fault{.call = Call::kAccept, .error = GetParam(), .fd = server.fd(), .times = kAlways});
    TcpStream waiting = server.connect();
    sleep_for(milliseconds(100));
    EXPECT_LE(Injection::hits(), 6U);  // 5 + 10 + 20 + 40 ms
  });
}

// Every other connection finds nothing left, then all is well for a while.
TEST(Serve, WantOfResourcesIsToldAnewWhenItHadPassed) {
  faults::bounded(1, [] {
    Greeter server;
    for (std::size_t told = 1; told <= 2; ++told) {
      for (int i = 0; i < 5; ++i) {
        const Injection injection(
            Fault{.call = Call::kAccept, .error = EMFILE, .fd = server.fd(), .times = 1});
        EXPECT_EQ(greeting_on(server.connect()), "hello");
        EXPECT_EQ(Injection::hits(), 1U);
        EXPECT_EQ(greeting_on(server.connect()), "hello");
      }
      EXPECT_EQ(server.errors().size(), told);
      if (told == 1) sleep_for(std::chrono::milliseconds(5'100));
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Errors, ServeFaults, testing::Values(EMFILE, ENFILE, ENOBUFS, ENOMEM));

// Whatever allocation of its fails, the server goes on. The connection it had in hand may be lost,
// and is told so; none that comes later is.
TEST(Serve, EachAllocationMayFail) {
  bounded([] {
    Greeter server;
    for (unsigned number = 0;; ++number) {
      TcpStream client;
      {
        client = server.connect();
        const Injection injection(
            Fault{.call = Call::kNew, .error = ENOMEM, .skip = number, .times = 2},
            Where::kWorkers);
        std::byte byte{};
        try {
          client.read_some({&byte, 1});
        } catch (const std::system_error&) {  // reset, as what it had not read is thrown away
        }
        if (Injection::hits() == 0) break;
      }
      EXPECT_EQ(greeting_on(server.connect()), "hello") << number;
    }
  });
}

TEST(Serve, PausesWithoutMemoryForATimer) {
  bounded([] {
    Greeter server;
    const Fault plan[] = {
        {.call = Call::kAccept, .error = EMFILE, .fd = server.fd(), .times = kAlways},
        {.call = Call::kNew, .error = ENOMEM, .times = kAlways},
    };
    {
      // Both for as long: accepted without memory for its task, the connection would be lost.
      const Injection injection(plan, Where::kWorkers, 0);
      server.knock();
      // Few, as with ThreadSanitizer memory cannot fail, and the pauses are real.
      while (Injection::hits() < 5) yield();
    }
    EXPECT_EQ(greeting_on(server.connect()), "hello");
  });
}

// A connection that finds no stack is closed; the next ones wait a while, and are served.
TEST(Serve, WantOfStacksIsToldAndPasses) {
  bounded([] {
    Greeter server(kOtherClass);
    {
      const Injection injection(Fault{.call = Call::kMap, .error = ENOMEM, .times = kAlways});
      EXPECT_EQ(greeting_on(server.connect()), "");
    }
    EXPECT_EQ(greeting_on(server.connect()), "hello");
    until([&] { return !server.errors().empty(); });
    const std::vector<ServeError> errors = server.errors();
    ASSERT_EQ(errors.size(), 1U);
    EXPECT_EQ(errors[0].stage, ServeError::Stage::kAccept);
    EXPECT_THROW(std::rethrow_exception(errors[0].error), StackAllocationError);
    EXPECT_EQ(greeting_on(server.connect()), "hello");
  });
}

// The last connection's, too, after which nobody comes.
TEST(Serve, WantOfStacksIsToldAtTheEnd) {
  bounded([] {
    std::atomic<int> told{0};
    TcpListener listener = TcpListener::bind("127.0.0.1", 0);
    const ServeOptions options{.on_error = [&](const ServeError&) { ++told; },
                               .stack_size = kOtherClass};
    const Task<void> server = spawn([&] {
      serve(
          listener, [](TcpStream&) {}, options);
    });
    {
      const Injection injection(Fault{.call = Call::kMap, .error = ENOMEM, .times = kAlways});
      EXPECT_EQ(greeting_on(TcpStream::connect(listener.local_address())), "");
    }
    listener.close();
    server.join();
    EXPECT_EQ(told, 1);
  });
}

// The default report, of an address that is too long for a string without memory.
TEST(Serve, ReportsWithoutMemory) {
  testing::internal::CaptureStderr();
  bounded([] {
    TcpListener listener = TcpListener::bind("::1", 0);
    const Task<void> server = spawn([&] { serve(listener, [](TcpStream&) { throw 1; }); });
    TcpStream client = TcpStream::connect(listener.local_address());
    {
      const Injection injection(Fault{.call = Call::kNew, .error = ENOMEM, .times = 100},
                                Where::kWorkers);
      std::byte byte{};
      EXPECT_EQ(client.read_some({&byte, 1}), 0U);
    }
    EXPECT_EQ(greeting_on(TcpStream::connect(listener.local_address())), "");
    listener.close();
    server.join();
  });
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("weft: "));
}

}  // namespace
}  // namespace weft
