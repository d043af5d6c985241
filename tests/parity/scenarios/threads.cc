// Threads beside the tasks: those that work for them, and those that post tasks. Each scenario does
// what its namesake in threads.py does.

#include <atomic>
#include <chrono>
#include <semaphore>
#include <thread>

#include "parity/cast.h"

namespace parity {

using cast::run;

SCENARIO(call_in_a_thread_ends) {
  const auto value = [] { return "value"; };
  const auto failing = [] { throw Failure("thread"); };
  attempt("value", [&] { return weft::to_thread(value); });
  attempt("failing", [&] { weft::to_thread(failing); });
}

SCENARIO(others_run_while_a_thread_works) {
  std::binary_semaphore released(0);

  const auto work = [&] {
    released.acquire();
    return "released";
  };
  const auto other = [&] {
    trace("other runs");
    turns(3);
    trace("other releases it");
    released.release();
  };
  auto task = weft::spawn(other);
  attempt("thread", [&] { return weft::to_thread(work); });
  task.get();
}

SCENARIO(cancelled_wait_leaves_the_thread_at_work) {
  std::binary_semaphore started(0), released(0);
  std::atomic<int> effects = 0;

  const auto work = [&] {
    started.release();
    released.acquire();
    ++effects;
  };
  auto task = weft::spawn([&] { weft::to_thread(work); });
  turns(1);
  started.acquire();
  trace("cancel", task.cancel());
  attempt("task", [&] { task.get(); });
  trace("effects", effects.load());
  released.release();
  while (effects == 0) ticks(1);
  trace("effects", effects.load());
}

BARE_SCENARIO(run_waits_for_its_threads) {
  std::binary_semaphore started(0);
  std::atomic<int> effects = 0;

  const auto work = [&] {
    started.release();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    ++effects;
  };
  const auto body = [&] {
    weft::spawn([&] { weft::to_thread(work); });
    turns(1);
    started.acquire();
    trace("main ends", effects.load());
  };
  run(body);
  trace("afterwards", effects.load());
}

BARE_SCENARIO(thread_waits_for_a_task_that_it_posted) {
  const auto posted = [] {
    trace("posted starts");
    ticks(1);
    return "posted";
  };
  const auto failing = [] { throw Failure("posted"); };
  weft::Runtime runtime(options());
  const auto body = [&] {
    const auto thread = [&] {
      attempt("thread", [&] { return runtime.post(posted).get(); });
      attempt("thread", [&] { runtime.post(failing).get(); });
    };
    weft::to_thread(thread);
  };
  runtime.run(body);
}

BARE_SCENARIO(thread_cancels_a_task_that_it_posted) {
  std::binary_semaphore started(0);
  weft::Event never, ended;
  weft::Runtime runtime(options());

  const auto body = [&] {
    const auto posted = [&] {
      started.release();
      try {
        never.wait();
      } catch (const weft::Cancelled& error) {
        trace("posted caught", error);
      }
      ended.set();
    };
    const auto thread = [&] {
      auto task = runtime.post(posted);
      started.acquire();
      return task.cancel();
    };
    const bool cancelled = weft::to_thread(thread);
    ended.wait();
    trace("cancelled", cancelled);
    trace("main ends");
  };
  runtime.run(body);
}

BARE_SCENARIO(thread_posts_several_in_order) {
  weft::Event last;
  weft::Runtime runtime(options());
  const auto body = [&] {
    const auto thread = [&] {
      for (int number = 0; number < 5; ++number) {
        runtime.post([=] { trace("posted", number); });
      }
      runtime.post([&] { last.set(); });
    };
    auto task = weft::spawn([&] { weft::to_thread(thread); });
    last.wait();
    trace("main woken");
    task.get();
  };
  runtime.run(body);
}

BARE_SCENARIO(spawn_outside_a_run_is_misuse) {
  const auto body = [] { trace("not reached"); };
  const auto spawn = [&] { weft::spawn(body); };
  const auto in_a_thread = [&] {
    weft::to_thread([&] { attempt("in a thread of the pool", spawn); });
  };
  attempt("in a plain thread", spawn);
  run(in_a_thread);
}

}  // namespace parity
