// Goal: the audit's report is complete, sorted and adds up, whatever was noted in whatever order
// and by whatever threads; what the runtime itself waits for is not the program's. Method: logs
// made by hand, whose stacks are addresses of functions here and in the runtime.

#include "hook/audit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "hook/audit_calls.h"
#include "sched/worker.h"

namespace weft::hook {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

// In each a place behind a call, as it were.
[[gnu::noinline]] void first_blocker() { asm volatile("nop; nop; nop"); }
[[gnu::noinline]] void second_blocker() { asm volatile("nop; nop; nop; nop"); }

void* inside(void (*function)()) {
  return static_cast<char*>(reinterpret_cast<void*>(function)) + 2;
}
void* inside_the_runtime() { return inside(reinterpret_cast<void (*)()>(&detail::current_worker)); }
void* inside_libc() { return inside(reinterpret_cast<void (*)()>(&::getppid)); }

StackTrace stack_of(std::initializer_list<void*> frames) {
  StackTrace stack;
  std::copy(frames.begin(), frames.end(), stack.frames.begin());
  stack.count = frames.size();
  return stack;
}

constexpr Nanos kMillisecond = 1'000'000;
const Caller kCaller{7, "seven", {"file.cc", "spawner", 12}};

class AuditReport : public testing::Test {
 protected:
  void note(long number, std::uint64_t first, const StackTrace& stack, Nanos time,
            const Caller& caller = kCaller) {
    log_->add_time(log_->add_call(describe_call(number, first), stack, caller), time, time);
  }
  std::string report() const { return report_of(*log_, "by hand"); }

  const std::unique_ptr<AuditLog> log_ = std::make_unique<AuditLog>();
  const StackTrace first_ = stack_of({inside(&first_blocker)});
  const StackTrace second_ = stack_of({inside(&second_blocker)});
};

TEST_F(AuditReport, OfNothingSaysSo) {
  EXPECT_EQ(report(), "by hand\nweft audit: nothing blocked a worker\n");
}

TEST_F(AuditReport, TellsAllOfACall) {
  note(SYS_read, 5, first_, 12'345'678);
  EXPECT_THAT(
      report(),
      MatchesRegex("by hand\n"
                   "read on descriptor 5: 1 time, 12.3 ms\n"
                   "  in seven \\(fiber 7\\), spawned at file.cc:12 in spawner\n"
                   "    #0 weft::hook::[^\n]*first_blocker\\(\\)\\+0x2 \\([^\n]+\\+0x[0-9a-f]+\\)\n"
                   "weft audit: 1 call blocked a worker for 12.3 ms in all\n"));
}

TEST_F(AuditReport, CountsOneStackUpAndTellsOthersApart) {
  note(SYS_read, 5, first_, 1 * kMillisecond);
  note(SYS_read, 6, first_, 3 * kMillisecond);
  note(SYS_read, 5, first_, 2 * kMillisecond, {8, nullptr, kCaller.site});
  note(SYS_write, 5, first_, 4 * kMillisecond);
  note(SYS_read, 5, second_, 5 * kMillisecond);
  EXPECT_THAT(
      report(),
      AllOf(HasSubstr("read on descriptor 5 and others: 3 times, 6.0 ms in all, the longest "
                      "3.0 ms\n  in seven (fiber 7), spawned at file.cc:12 in spawner, and "
                      "in others\n"),
            HasSubstr("write on descriptor 5: 1 time, 4.0 ms\n"),
            HasSubstr("read on descriptor 5: 1 time, 5.0 ms\n"),
            EndsWith("weft audit: 5 calls blocked a worker for 15.0 ms in all\n")));
}

TEST_F(AuditReport, BeginsWithWhatTookLongestInAll) {
  note(SYS_write, 1, second_, 3 * kMillisecond);
  for (int i = 0; i < 4; ++i) note(SYS_read, 1, first_, 1 * kMillisecond);
  const std::string text = report();
  EXPECT_LT(text.find("first_blocker"), text.find("second_blocker")) << text;
}

TEST_F(AuditReport, DoesNotCountTheRuntimesOwnWaits) {
  note(SYS_futex, 0, stack_of({inside_libc(), inside_the_runtime(), inside(&first_blocker)}),
       2 * kMillisecond);
  EXPECT_THAT(
      report(),
      AllOf(HasSubstr("not counted: 1 wait of the runtime's own, 2.0 ms in all\n"),
            HasSubstr("current_worker"), EndsWith("weft audit: nothing blocked a worker\n")));
  // The program's, which the runtime called.
  note(SYS_futex, 0, stack_of({inside_libc(), inside(&first_blocker), inside_the_runtime()}),
       4 * kMillisecond);
  EXPECT_THAT(report(), EndsWith("weft audit: 1 call blocked a worker for 4.0 ms in all\n"));
}

TEST_F(AuditReport, NamesWhatHasNoDescriptorOrNoName) {
  note(SYS_nanosleep, 5, first_, kMillisecond);
  note(99'999, 5, first_, kMillisecond);
  note(BlockingCall::kPageFault, 5, first_, kMillisecond);
  note(BlockingCall::kUnknown, 5, first_, kMillisecond, {9, nullptr, kCaller.site});
  EXPECT_THAT(report(),
              AllOf(HasSubstr("\nnanosleep: 1 time"), HasSubstr("\nsystem call 99999: 1 time"),
                    HasSubstr("\nmemory that was not there: 1 time"),
                    HasSubstr("\na call that the kernel does not tell: 1 time"),
                    HasSubstr("\n  in task-9 (fiber 9)"), Not(HasSubstr("descriptor"))));
}

TEST_F(AuditReport, CutsALongNameAndKeepsTheRest) {
  const std::string name(500, 'n');
  note(SYS_read, 5, first_, kMillisecond, {7, name.c_str(), kCaller.site});
  EXPECT_THAT(report(), HasSubstr("  in " + std::string(63, 'n') + " (fiber 7), spawned"));
}

TEST_F(AuditReport, LosesNoTimeWhenThereAreTooManyStacks) {
  for (std::uintptr_t i = 1; i <= 1'030; ++i) {
    note(SYS_read, 5, stack_of({reinterpret_cast<void*>(i)}), kMillisecond);
  }
  EXPECT_THAT(report(),
              AllOf(HasSubstr("\n6 calls more, for whose stacks there was no room\n"),
                    EndsWith("weft audit: 1030 calls blocked a worker for 1030.0 ms in all\n")));
}

TEST_F(AuditReport, AddsUpWhenManyThreadsNoteAtOnce) {
  constexpr int kThreads = 4;
  constexpr std::uintptr_t kStacks = 100;
  constexpr int kRounds = 50;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([this] {
      for (int round = 0; round < kRounds; ++round) {
        for (std::uintptr_t place = 1; place <= kStacks; ++place) {
          note(SYS_read, 5, stack_of({reinterpret_cast<void*>(place)}), kMillisecond);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::vector<AuditRecord> records = log_->records();
  EXPECT_EQ(records.size(), kStacks);
  for (const AuditRecord& record : records) {
    EXPECT_EQ(record.calls, std::uint64_t{kThreads} * kRounds);
    EXPECT_EQ(record.total, kThreads * kRounds * kMillisecond);
    EXPECT_FALSE(record.other_fibers);
  }
}

}  // namespace
}  // namespace weft::hook
