// Goal: where rings are refused a runtime that was to have them is not made, and leaves nothing,
// or, if it may choose, does without; calls on files that the kernel takes late or ends with an
// error are told as they end. Method: set-up and entering fail, each once, and by chance while
// files are written and read.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "faults/bounded.h"
#include "faults/enter_faults.h"
#include "faults/injector.h"
#include "faults/runtime_faults.h"
#include "support/temporary_folder.h"

namespace weft {
namespace {

using faults::Call;
using faults::Fault;
using faults::Injection;
using faults::kAlways;
using faults::kWorkers;
using faults::RuntimeFaults;
using testing::HasSubstr;

TEST_F(RuntimeFaults, EachRingMayBeRefused) {
  const auto expect_refusal = [](const Fault& fault, const char* what) {
    const Injection injection(fault);
    try {
      work_in_a_new_runtime();
      ADD_FAILURE() << "nothing was thrown";
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), fault.error);
      EXPECT_THAT(error.what(), HasSubstr(what));
    }
  };
  for (unsigned ring = 0; ring < kWorkers; ++ring) {
    for (const int error : {EMFILE, ENOMEM, EPERM, ENOSYS, EINVAL}) {
      SCOPED_TRACE(std::to_string(error) + " for ring " + std::to_string(ring));
      expect_refusal({.call = Call::kRingSetup, .error = error, .skip = ring}, "io_uring_setup");
    }
    // The first call is for the number that ends a sleep.
    expect_refusal({.call = Call::kEpollControl, .error = ENOSPC, .skip = 1 + ring}, "epoll_ctl");
  }
  work_in_a_new_runtime();
}

// What a runtime that may choose its driver chooses, and says of it.
std::pair<std::string, std::string> chosen_and_said() {
  std::string driver;
  ::setenv("WEFT_DRIVER", "auto", 1);
  testing::internal::CaptureStderr();
  {
    Runtime runtime(Options{.workers = 2, .debug = true});
    runtime.run([&] { driver = metrics().driver; });
  }
  ::setenv("WEFT_DRIVER", "mixed", 1);
  return {driver, testing::internal::GetCapturedStderr()};
}

TEST(DriverChoice, IsEpollWhereRingsAreRefused) {
  for (const int error : {EPERM, ENOSYS, EMFILE, EINVAL}) {
    SCOPED_TRACE(error);
    const Injection injection(Fault{.call = Call::kRingSetup, .error = error, .times = kAlways});
    const auto [driver, said] = chosen_and_said();
    EXPECT_EQ(driver, "epoll");
    EXPECT_THAT(said, HasSubstr("epoll"));
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
  }
  const auto [driver, said] = chosen_and_said();
  EXPECT_EQ(driver, "mixed");
  EXPECT_EQ(said, "");
}

// A file's text, written, taken out of memory and read again.
void traffic(const std::string& path) {
  std::string text(20'000, '?');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('!' + i % 83);
  File file = File::open(path, O_RDWR | O_CREAT | O_TRUNC);
  file.write_at(text, 0);
  file.sync();
  ASSERT_EQ(::posix_fadvise(file.native_handle(), 0, 0, POSIX_FADV_DONTNEED), 0);
  std::string got(text.size(), ' ');
  EXPECT_EQ(file.read_at(std::as_writable_bytes(std::span(got)), 0), text.size());
  EXPECT_TRUE(got == text);
}

class EnterFaults : public testing::TestWithParam<Fault> {};

TEST_P(EnterFaults, LoseNothing) {
  const support::TemporaryFolder folder;
  faults::make_traffic_under(GetParam(), [&](int task) { traffic(folder / std::to_string(task)); });
}

INSTANTIATE_TEST_SUITE_P(, EnterFaults, testing::ValuesIn(faults::kEnterFaults),
                         [](const auto& fault) {
                           return faults::name_of(fault.param, fault.index);
                         });

// The one worker runs others meanwhile.
TEST(Enter, ThatFailsForLongKeepsNobodyElse) {
  const support::TemporaryFolder folder;
  faults::bounded(1, [&] {
    const File file = File::open(folder / "file", O_RDWR | O_CREAT);
    std::optional<Injection> injection(
        std::in_place, Fault{.call = Call::kRingEnter, .error = EAGAIN, .times = kAlways});
    Task<void> syncing = spawn([&] { file.sync(); });
    for (int turn = 0; turn < 100; ++turn) yield();
    EXPECT_GT(Injection::hits(), 10U);
    EXPECT_FALSE(syncing.done());
    injection.reset();
    syncing.get();
  });
}

// The same while one waits for the kernel to take even that it is to cancel the call.
TEST(Enter, ThatFailsForLongKeepsNobodyElseFromACancelledCall) {
  const support::TemporaryFolder folder;
  faults::bounded(1, [&] {
    const File file = File::open(folder / "file", O_RDWR | O_CREAT);
    std::optional<Injection> injection(
        std::in_place, Fault{.call = Call::kRingEnter, .error = EAGAIN, .times = kAlways});
    Task<void> syncing =
        spawn([&] { timeout(std::chrono::milliseconds(1), [&] { file.sync(); }); });
    sleep_for(std::chrono::milliseconds(30));
    EXPECT_FALSE(syncing.done());
    injection.reset();
    EXPECT_THROW(syncing.get(), TimeoutError);
    file.sync();
  });
}

// The kernel's word for the disk's.
TEST(FileFaults, AreTold) {
  const support::TemporaryFolder folder;
  const bool comes = faults::kernel_ends_as_told();
  for (const unsigned workers : {1U, 3U}) {
    faults::bounded(workers, [&] {
      const File file = File::open(folder / "file", O_RDWR | O_CREAT);
      const Injection injection(Fault{.call = Call::kRingSync, .error = EIO});
      std::error_code code;
      try {
        file.sync();
      } catch (const std::system_error& error) {
        code = error.code();
      }
      EXPECT_EQ(Injection::hits(), comes ? 1U : 0U);
      EXPECT_EQ(code, std::error_code(comes ? EIO : 0, std::system_category()));
      file.sync();
    });
  }
}

}  // namespace
}  // namespace weft
