#pragma once

// What the kernel may answer who hands entries of a ring over, other than that it takes them all.

#include <gtest/gtest.h>
#include <weft/weft.h>

#include <cerrno>
#include <functional>
#include <vector>

#include "faults/bounded.h"
#include "faults/injector.h"

namespace faults {

inline const Fault kEnterFaults[] = {{.call = Call::kRingEnter, .error = EINTR},
                                     {.call = Call::kRingEnter, .error = EAGAIN},
                                     {.call = Call::kRingEnter, .error = EBUSY},
                                     {.call = Call::kRingEnter, .error = ENOMEM},
                                     {.call = Call::kRingEnter, .most = 1}};

/// Has eight tasks make `traffic(task)`, which tells what is lost, while the fault comes by chance.
inline void make_traffic_under(Fault fault, const std::function<void(int)>& traffic) {
  fault.times = kAlways;
  fault.one_in = 3;
  for (const unsigned workers : {1U, 2U, 4U}) {
    bounded(workers, [&] {
      const Injection injection({&fault, 1}, Where::kAnyThread, 1);
      std::vector<weft::Task<void>> tasks;
      for (int i = 0; i < 8; ++i) {
        tasks.push_back(weft::spawn([&traffic, i] {
          for (int round = 0; round < 5; ++round) traffic(i);
        }));
      }
      for (weft::Task<void>& task : tasks) task.get();
      EXPECT_GT(Injection::hits(), 10U);
    });
  }
}

}  // namespace faults
