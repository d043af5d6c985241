#pragma once

// hiredis's handles with owners.

#include <hiredis/hiredis.h>

#include <memory>
#include <string>

namespace porting {

struct FreeRedis {
  void operator()(redisContext* context) const { redisFree(context); }
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Redis = std::unique_ptr<redisContext, FreeRedis>;
using Reply = std::unique_ptr<redisReply, FreeRedis>;

inline Redis connect_redis(int port) { return Redis(redisConnect("127.0.0.1", port)); }

/// A command of words without blanks.
inline Reply ask(const Redis& redis, const std::string& command) {
  return Reply(static_cast<redisReply*>(redisCommand(redis.get(), command.c_str())));
}

/// The answer to what was appended first; null after an error.
inline Reply next_reply(const Redis& redis) {
  void* reply = nullptr;
  if (redisGetReply(redis.get(), &reply) != REDIS_OK) return nullptr;
  return Reply(static_cast<redisReply*>(reply));
}

inline long long number(const Reply& reply) {
  return reply != nullptr && reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
}

}  // namespace porting
