#include <weft/to_thread.h>

#include <stdexcept>

#include "offload/blocking_pool.h"
#include "sched/scheduler.h"

namespace weft::detail {

namespace {

class Job final : public BlockingPool::Job {
 public:
  explicit Job(std::shared_ptr<ThreadCall> call) noexcept : call_(std::move(call)) {}
  void run() noexcept override {
    const ContextScope scope(call_->context);
    try {
      call_->call();
    } catch (...) {
      call_->error = std::current_exception();
    }
    call_->done.set();
  }

 private:
  std::shared_ptr<ThreadCall> call_;
};

}  // namespace

void call_on_thread(std::shared_ptr<ThreadCall> call) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) throw std::logic_error("weft::to_thread: called outside a fiber");
  BlockingPool* const pool = scheduler->services().blocking.load(std::memory_order_acquire);
  if (pool == nullptr) throw std::logic_error("weft::to_thread: the runtime is ending");
  ThreadCall& shared = *call;
  pool->submit(std::make_unique<Job>(std::move(call)));
  // The caller keeps `shared` alive.
  shared.done.wait();
}

}  // namespace weft::detail
