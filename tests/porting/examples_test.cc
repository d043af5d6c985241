// The examples that use client libraries, each with its server.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "nginx_server.h"
#include "postgres_server.h"
#include "redis_server.h"
#include "silent_server.h"
#include "support/child.h"
#include "support/temporary_folder.h"

namespace {

// Runs an example with these arguments, and expects it to say that.
void expect_said(const std::string& name, const std::vector<std::string>& arguments,
                 const std::string& expected) {
  const char* const folder = std::getenv("WEFT_EXAMPLES");
  const std::string program = std::string(folder != nullptr ? folder : ".") + "/" + name;
  if (::access(program.c_str(), X_OK) != 0) return porting::lacking(name + " was not built");
  const support::TemporaryFolder scratch;
  std::vector<std::string> command = {program};
  command.insert(command.end(), arguments.begin(), arguments.end());
  support::Child child(command, scratch / "said");
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(child.said(), expected);
}

TEST(PortingExamples, PostgresPool) {
  std::string why;
  const auto server = porting::PostgresServer::start(why);
  if (server == nullptr) return porting::lacking(why);
  expect_said("20_postgres_pool", {server->address()},
              "500 transfers over 8 connections, 10000 in all accounts\n"
              "a slow query was given up\n"
              "and its connection replaced: 9 were made\n");
}

TEST(PortingExamples, RedisFanout) {
  std::string why;
  const auto server = porting::RedisServer::start(why);
  if (server == nullptr) return porting::lacking(why);
  expect_said("21_redis_fanout", {std::to_string(server->port()), "100", "200"},
              "100 subscribers heard 20000 messages\n"
              "no news for a while\n");
}

TEST(PortingExamples, CurlCrawler) {
  std::string why;
  const auto server = porting::NginxServer::start(why);
  if (server == nullptr) return porting::lacking(why);
  const std::string site = server->http(0).substr(0, server->http(0).rfind('/'));
  const auto link = [](const std::string& to) { return "<a href=\"/" + to + "\">there</a>\n"; };
  server->add("index.html", link("a") + link("b") + link("gone"));
  server->add("a", link("b") + link("c"));
  server->add("b", link("") + link("b"));
  server->add("c", std::string(100'000, 'x') + link("d"));
  server->add("d", "the end");
  expect_said("22_curl_crawler", {site + "/"},
              site + "/: 72 bytes\n" +           //
                  site + "/a: 46 bytes\n" +      //
                  site + "/b: 45 bytes\n" +      //
                  site + "/c: 100023 bytes\n" +  //
                  site + "/d: 7 bytes\n" +       //
                  site + "/gone: failed: HTTP response code said error\n");
  const porting::SilentServer silent;
  const std::string never = "http://127.0.0.1:" + std::to_string(silent.port()) + "/";
  expect_said("22_curl_crawler", {never, "2"}, never + ": took too long\n");
}

}  // namespace
