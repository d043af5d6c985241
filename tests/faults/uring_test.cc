// Goal: rings that the kernel refuses are an error of the runtime's making that leaves nothing; a
// kernel that takes entries late, one by one, or not for a while loses none, and who cannot be
// waited for is told. Method: set-up and entering fail, once, by chance and for a while, under
// traffic.

#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "faults/bounded.h"
#include "faults/enter_faults.h"
#include "faults/injector.h"
#include "faults/runtime_faults.h"
#include "support/tcp.h"

namespace weft {
namespace {

using namespace support;
using faults::Call;
using faults::Fault;
using faults::Injection;
using faults::kAlways;
using faults::kWorkers;
using faults::RuntimeFaults;
using std::chrono::microseconds;
using testing::HasSubstr;

// What the runtime's making throws.
std::system_error refusal(const std::function<void()>& make) {
  try {
    make();
  } catch (const std::system_error& error) {
    return error;
  }
  ADD_FAILURE() << "nothing was thrown";
  return std::system_error(std::error_code());
}

TEST_F(RuntimeFaults, EachRingMayBeRefused) {
  for (const int error : {EMFILE, ENFILE, ENOMEM, EPERM, ENOSYS}) {
    for (unsigned ring = 0; ring < kWorkers; ++ring) {
      SCOPED_TRACE(std::to_string(error) + " for ring " + std::to_string(ring));
      {
        const Injection injection(Fault{.call = Call::kRingSetup, .error = error, .skip = ring});
        const std::system_error told = refusal(work_in_a_new_runtime);
        EXPECT_EQ(told.code().value(), error);
        EXPECT_THAT(told.what(), HasSubstr("weft: io_uring_setup"));
      }
      work_in_a_new_runtime();
    }
  }
  for (unsigned ring = 0; ring < kWorkers; ++ring) {
    const Injection injection(Fault{.call = Call::kEventfd, .error = EMFILE, .skip = ring});
    EXPECT_THAT(refusal(work_in_a_new_runtime).what(), HasSubstr("weft: eventfd"));
  }
}

// One that does not know the newest flags is asked with fewer.
TEST_F(RuntimeFaults, OlderKernelIsAskedForLess) {
  {
    // The first attempt for each ring; a call that one fault hits is not counted by the next.
    const Fault plan[] = {{.call = Call::kRingSetup, .error = EINVAL},
                          {.call = Call::kRingSetup, .error = EINVAL, .skip = 1},
                          {.call = Call::kRingSetup, .error = EINVAL, .skip = 2}};
    const Injection injection(plan, faults::Where::kAnyThread, 0);
    work_in_a_new_runtime();
    for (std::size_t i = 0; i < kWorkers; ++i) EXPECT_EQ(Injection::hits(i), 1U);
  }
  const Injection injection(
      Fault{.call = Call::kRingSetup, .error = EINVAL, .skip = 0, .times = kAlways});
  EXPECT_EQ(refusal(work_in_a_new_runtime).code().value(), EINVAL);
}

// Everything that goes by the rings, and is given up there.
void traffic() {
  Connected pair = connect_pair();
  std::string text(200'000, '?');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('!' + i % 83);
  const auto send = [&text](TcpStream& to) { to.write_all(text); };
  const auto receive = [&text](TcpStream& from) {
    std::string received(text.size(), ' ');
    from.read_exactly(bytes_of(received));
    EXPECT_TRUE(received == text);
  };
  gather([&] { send(pair.client); }, [&] { receive(pair.server); }, [&] { send(pair.server); },
         [&] { receive(pair.client); });
  std::byte one{};
  EXPECT_THROW(timeout(microseconds(300), [&] { pair.client.read_some({&one, 1}); }), TimeoutError);
  Task<void> closed = spawn([&] { pair.client.read_some({&one, 1}); });
  sleep_for(microseconds(100));
  pair.client.close();
  EXPECT_NE(error_of([&] { closed.get(); }), std::error_code());
}

class EnterFaults : public testing::TestWithParam<Fault> {};

TEST_P(EnterFaults, LoseNothing) {
  faults::make_traffic_under(GetParam(), [](int) { traffic(); });
}

INSTANTIATE_TEST_SUITE_P(, EnterFaults, testing::ValuesIn(faults::kEnterFaults),
                         [](const auto& fault) {
                           return faults::name_of(fault.param, fault.index);
                         });

// More begin to wait than the ring has places, while the kernel takes none: those for whom there is
// no place are told, and the others wait on.
TEST(Enter, ThatFailsForLongIsToldToWhoFindsNoPlace) {
  faults::bounded(1, [] {
    constexpr std::size_t kPairs = 300;
    std::vector<std::pair<UnixStream, UnixStream>> pairs;
    for (std::size_t i = 0; i < kPairs; ++i) pairs.push_back(UnixStream::pair());
    std::atomic<std::size_t> began{0};
    std::vector<Task<std::error_code>> readers;
    {
      const Injection injection(Fault{.call = Call::kRingEnter, .error = EAGAIN, .times = kAlways});
      for (auto& [ours, theirs] : pairs) {
        readers.push_back(spawn([&began, &ours = ours] {
          std::byte one{};
          ++began;
          return error_of([&] { ours.read_some({&one, 1}); });
        }));
      }
      while (began < kPairs) yield();
      sleep_for(std::chrono::milliseconds(5));
    }
    std::size_t told = 0;
    for (std::size_t i = 0; i < kPairs; ++i) {
      if (!readers[i].done()) pairs[i].second.write_all("x");
    }
    for (Task<std::error_code>& reader : readers) {
      const std::error_code code = reader.get();
      if (code == std::error_code()) continue;
      EXPECT_EQ(code, std::errc::not_enough_memory);
      ++told;
    }
    EXPECT_GT(told, 0U);
    EXPECT_LT(told, kPairs / 2);
  });
}

}  // namespace
}  // namespace weft
