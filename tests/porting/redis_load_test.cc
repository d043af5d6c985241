// 200 fibers that use hiredis as threads would, one command at a time and in pipelines.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>

#include "beat.h"
#include "redis.h"
#include "redis_server.h"

namespace {

constexpr int kFibers = 200, kRounds = 10, kInPipeline = 50;

class RedisLoad : public ::testing::Test {
 protected:
  void SetUp() override {
    porting::go_before_servers();
    std::string why;
    server_ = porting::RedisServer::start(why);
    if (server_ == nullptr) porting::lacking(why);
  }

  // Each round is one INCR after the other, and then as many at once; both are to be seen in order.
  void work(int number) {
    const porting::Redis redis = porting::connect_redis(server_->port());
    ASSERT_TRUE(redis != nullptr && redis->err == 0) << redis->errstr;
    const std::string own = "INCR own:" + std::to_string(number) + ":" + std::to_string(run_);
    long long expected = 0;
    for (int round = 0; round < kRounds; ++round) {
      for (int i = 0; i < kInPipeline / 5; ++i) {
        ASSERT_EQ(porting::number(porting::ask(redis, own)), ++expected) << redis->errstr;
      }
      for (int i = 0; i < kInPipeline; ++i) {
        ASSERT_EQ(redisAppendCommand(redis.get(), own.c_str()), REDIS_OK);
        ASSERT_EQ(redisAppendCommand(redis.get(), "INCR all"), REDIS_OK);
      }
      for (int i = 0; i < kInPipeline; ++i) {
        ASSERT_EQ(porting::number(porting::next_reply(redis)), ++expected) << redis->errstr;
        ASSERT_GT(porting::number(porting::next_reply(redis)), 0) << redis->errstr;
        ++added_;
      }
    }
  }

  std::unique_ptr<porting::RedisServer> server_;
  std::atomic<int> run_{0};
  std::atomic<long long> added_{0};
};

TEST_F(RedisLoad, LeavesTheBeatAndTheSumInOrder) {
  const auto load = [&](int number) { work(number); };
  porting::show("hiredis, 220,000 commands by 200 threads",
                porting::beat_beside_threads(kFibers, load));
  porting::expect_beat("hiredis, 220,000 commands by 200 fibers", [&] {
    ++run_;
    return porting::beat_beside_fibers(kFibers, load);
  });
  const porting::Redis redis = porting::connect_redis(server_->port());
  EXPECT_EQ(porting::number(porting::ask(redis, "INCRBY all 0")), added_);
  EXPECT_EQ(added_, (run_ + 1) * kFibers * kRounds * kInPipeline);
}

}  // namespace
