// News for many subscribers through Redis, by hiredis as it is: the program is linked with
// weft_hook, so a call that waits for the server suspends the task that makes it, and no thread.
//
//   21_redis_fanout PORT [SUBSCRIBERS] [MESSAGES]

#include <hiredis/hiredis.h>
#include <weft/error.h>
#include <weft/latch.h>
#include <weft/runtime.h>
#include <weft/task.h>
#include <weft/task_group.h>
#include <weft/timeout.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "support/number.h"

using namespace std::chrono_literals;

struct Free {
  void operator()(redisContext* context) const { redisFree(context); }
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Context = std::unique_ptr<redisContext, Free>;
using Reply = std::unique_ptr<redisReply, Free>;

// `reply` is null after an error.
Reply check(const Context& redis, void* reply) {
  Reply owned(static_cast<redisReply*>(reply));
  weft::yield();  // where a time limit, or a cancellation, that ended the call is thrown
  if (owned == nullptr) throw std::runtime_error(redis->errstr);
  if (owned->type == REDIS_REPLY_ERROR) throw std::runtime_error(owned->str);
  return owned;
}

Context connect(int port) {
  Context redis(redisConnect("127.0.0.1", port));
  weft::yield();
  if (redis == nullptr || redis->err != 0) {
    throw std::runtime_error(redis != nullptr ? redis->errstr : "no memory");
  }
  return redis;
}

Reply next_message(const Context& redis) {
  void* reply = nullptr;
  redisGetReply(redis.get(), &reply);
  return check(redis, reply);
}

// Hears until the news are over. How many there were.
int listen(int port, weft::Latch& subscribed) {
  const Context redis = connect(port);
  check(redis, redisCommand(redis.get(), "SUBSCRIBE weft:news"));
  subscribed.count_down();
  for (int heard = 0;; ++heard) {
    const Reply message = next_message(redis);
    if (std::string_view(message->element[2]->str) == "end") return heard;
  }
}

// All at once, and one round trip: the answers are read when all has been sent.
void publish(int port, int messages) {
  const Context redis = connect(port);
  for (int i = 0; i < messages; ++i) {
    redisAppendCommand(redis.get(), "PUBLISH weft:news %d", i);
  }
  redisAppendCommand(redis.get(), "PUBLISH weft:news end");
  for (int i = 0; i <= messages; ++i) next_message(redis);
}

void run(int port, int subscribers, int messages) {
  std::atomic<int> heard{0};
  weft::Latch subscribed(subscribers);
  weft::task_group([&](weft::TaskGroup& group) {
    for (int i = 0; i < subscribers; ++i) {
      group.spawn([&] { heard += listen(port, subscribed); });
    }
    subscribed.wait();
    publish(port, messages);
  });
  std::printf("%d subscribers heard %d messages\n", subscribers, heard.load());

  try {
    weft::timeout(200ms, [&] {
      weft::Latch nobody(1);
      listen(port, nobody);
    });
  } catch (const weft::TimeoutError&) {
    std::printf("no news for a while\n");
  }
}

int main(int argc, char** argv) {
  const auto port = argc > 1 ? parse_number(argv[1], 1, 65535) : std::nullopt;
  const auto subscribers = argc > 2 ? parse_number(argv[2], 1, 5000) : std::optional<int>(50);
  const auto messages = argc > 3 ? parse_number(argv[3], 1, 100'000) : std::optional<int>(100);
  if (!port.has_value() || !subscribers.has_value() || !messages.has_value()) {
    std::fprintf(stderr, "usage: %s PORT [SUBSCRIBERS] [MESSAGES]\n", argv[0]);
    return 2;
  }
  try {
    weft::run([&] { run(*port, *subscribers, *messages); });
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
