// A pool of workers with back-pressure: jobs come faster than they are done, so whoever brings them
// is made to wait, instead of a queue that grows without end.

#include <weft/queue.h>
#include <weft/runtime.h>
#include <weft/sleep.h>
#include <weft/task.h>

#include <chrono>
#include <cstdio>
#include <vector>

using namespace std::chrono_literals;

struct Job {
  int number;
};

int main() {
  weft::run([] {
    constexpr int kWorkers = 3;
    weft::Queue<Job> jobs(2);  // two may wait; the third has to
    std::vector<int> done(kWorkers);

    std::vector<weft::Task<void>> workers;
    workers.reserve(kWorkers);
    for (int& count : done) {
      workers.push_back(weft::spawn([&jobs, &count] {
        try {
          for (;;) {
            const Job job = jobs.get();
            weft::sleep_for(std::chrono::milliseconds(1 + job.number % 3));  // the work
            ++count;
            jobs.task_done();
          }
        } catch (const weft::QueueShutDown&) {
          // Nothing is left, and nothing will come.
        }
      }));
    }

    for (int number = 0; number < 30; ++number) jobs.put({number});  // waits while it is full

    jobs.join();  // until the last of them has been dealt with
    int all = 0;
    for (const int count : done) all += count;
    std::printf("%d jobs done by %d workers\n", all, kWorkers);

    jobs.shutdown();
    for (weft::Task<void>& worker : workers) worker.get();

    try {
      (void)jobs.try_put({99});
    } catch (const weft::QueueShutDown& error) {
      std::printf("one job too late: %s\n", error.what());
    }
  });
}
