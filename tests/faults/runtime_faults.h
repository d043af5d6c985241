#pragma once

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <chrono>
#include <string>

#include "support/build_kind.h"
#include "support/process_state.h"
#include "support/tcp.h"
#include "support/watchdog.h"

namespace faults {

inline constexpr unsigned kWorkers = 3;

/// Whole runtimes: however a test's come and go, they leave nothing.
class RuntimeFaults : public testing::Test {
 protected:
  RuntimeFaults()
      : watchdog_(testing::UnitTest::GetInstance()->current_test_info()->name(),
                  std::chrono::seconds(30)) {
    // What the process has but once is there before anything is counted.
    work_in_a_new_runtime();
    before_ = support::process_counts();
  }
  ~RuntimeFaults() override {
    const support::ProcessCounts after = support::process_counts();
    EXPECT_EQ(after.threads, before_.threads);
    EXPECT_EQ(after.descriptors, before_.descriptors);
    // Threads leave arenas and cached stacks behind, though not one each time; sanitizers more.
    if (!support::kSanitized) {
      EXPECT_LE(after.mappings, before_.mappings + 40);
    }
  }

  static void work() {
    support::Connected pair = support::connect_pair();
    weft::gather([&] { pair.client.write_all("some work"); },
                 [&] {
                   std::string text(9, '?');
                   pair.server.read_exactly(support::bytes_of(text));
                   EXPECT_EQ(text, "some work");
                 },
                 [] { weft::sleep_for(std::chrono::microseconds(200)); },
                 [] { EXPECT_EQ(weft::to_thread([] { return 7; }), 7); });
  }
  static void work_in_a_new_runtime() { weft::run(weft::Options{.workers = kWorkers}, work); }

  support::Watchdog watchdog_;
  support::ProcessCounts before_;
};

}  // namespace faults
