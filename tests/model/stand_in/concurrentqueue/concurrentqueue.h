#pragma once

// As much of moodycamel's ConcurrentQueue as sched/injector.h uses, for a model: as unreliable as
// its documentation allows. A dequeue may find nothing, or fewer items than there are, at the price
// of a surprise; and a producer's token serves one thread at a time.

#include <cstddef>
#include <cstdint>
#include <deque>

#include "explorer/atomic.h"
#include "explorer/explorer.h"

namespace moodycamel {

template <class T>
class ConcurrentQueue {
  static constexpr int kMisses = 2;  // nor does it lie for ever

  struct Producer {
    static constexpr std::uint32_t kRoom = 8;
    model::Plain<T> items[kRoom];
    weft::detail::Atomic<std::uint32_t> head{0}, tail{0};
    int misses = 0;  // in a row
  };

 public:
  class producer_token_t {  // NOLINT(readability-identifier-naming): the real name
   public:
    explicit producer_token_t(ConcurrentQueue& queue)
        : producer_(&queue.producers_.emplace_back()) {}
    bool valid() const { return true; }

   private:
    friend class ConcurrentQueue;
    Producer* producer_;
  };
  class consumer_token_t {  // NOLINT(readability-identifier-naming): the real name
   public:
    explicit consumer_token_t(ConcurrentQueue&) {}
  };

  ConcurrentQueue() { inside() = 0; }

  /// Items that have been enqueued and not been dequeued, in the queue made last.
  static int& inside() {
    static int count = 0;
    return count;
  }

  bool enqueue(const producer_token_t& token, T item) { return enqueue_bulk(token, &item, 1); }
  bool enqueue_bulk(const producer_token_t& token, const T* items, std::size_t count) {
    Producer& producer = *token.producer_;
    const std::uint32_t tail = producer.tail.load(std::memory_order_relaxed);
    const auto end = tail + static_cast<std::uint32_t>(count);
    model::require(end <= Producer::kRoom, "the model has room for all");
    for (std::size_t i = 0; i < count; ++i) producer.items[tail + i].set(items[i]);
    producer.tail.store(end);
    inside() += static_cast<int>(count);
    return true;
  }
  std::size_t try_dequeue_bulk(consumer_token_t&, T* out, std::size_t most) {
    std::size_t got = 0;
    for (Producer& producer : producers_) got += dequeue(producer, out + got, most - got);
    return got;
  }

 private:
  static std::size_t dequeue(Producer& producer, T* out, std::size_t most) {
    std::uint32_t head = producer.head.load(std::memory_order_relaxed);
    const std::uint32_t tail = producer.tail.load(std::memory_order_acquire);
    if (head == tail || most == 0) return 0;
    if (producer.misses < kMisses && model::surprise("finds nothing, though it is there")) {
      ++producer.misses;
      return 0;
    }
    producer.misses = 0;
    const auto end = head + static_cast<std::uint32_t>(std::min<std::size_t>(tail - head, most));
    for (std::uint32_t i = head; i < end; ++i) out[i - head] = producer.items[i].get();
    if (!producer.head.compare_exchange_strong(head, end)) return 0;
    inside() -= static_cast<int>(end - head);
    return end - head;
  }

  std::deque<Producer> producers_;
};

}  // namespace moodycamel
