// A chat server: what one says, all others hear. Over TCP or a Unix socket; the members do not
// care.
//
//   14_chat                        a demo: three members of its own, over a Unix socket
//   14_chat tcp [PORT]             and in other terminals: nc localhost PORT
//   14_chat unix PATH              and in other terminals: nc -U PATH
//
// A member is two tasks: one reads lines and says them to the room, one writes what the room says
// to the member. Between the two is a channel with limited room, so that a member who does not
// listen holds up nobody: when it is full, the member is shown out.

#include <weft/channel.h>
#include <weft/error.h>
#include <weft/lines.h>
#include <weft/mutex.h>
#include <weft/runtime.h>
#include <weft/serve.h>
#include <weft/task_group.h>
#include <weft/tcp.h>
#include <weft/timeout.h>
#include <weft/unix.h>

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "support/number.h"

using namespace std::chrono_literals;

using Outbox = weft::Channel<std::string>;

class Room {
 public:
  // The member's outbox; null if the name is taken.
  std::shared_ptr<Outbox> enter(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto [place, is_new] = members_.try_emplace(name);
    if (!is_new) return nullptr;
    place->second = std::make_shared<Outbox>(kMostUnheard);
    tell_others(name, "* " + name + " came\n");
    return place->second;
  }

  void leave(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto member = members_.find(name);
    if (member == members_.end()) return;
    close(*member->second);
    members_.erase(member);
    tell_others(name, "* " + name + " left\n");
  }

  void say(const std::string& name, const std::string& what) {
    const std::lock_guard lock(mutex_);
    tell_others(name, name + ": " + what + '\n');
  }

 private:
  static constexpr std::size_t kMostUnheard = 64;

  static void close(Outbox& outbox) {
    if (!outbox.closed()) outbox.close();
  }
  void tell_others(const std::string& name, const std::string& line) {
    for (const auto& [other, outbox] : members_) {
      if (other == name || outbox->closed()) continue;
      std::string copy = line;
      if (!outbox->try_send(std::move(copy))) close(*outbox);  // it does not listen
    }
  }

  weft::Mutex mutex_;
  std::map<std::string, std::shared_ptr<Outbox>> members_;  // under mutex_
};

class Leaving {
 public:
  Leaving(Room& room, const std::string& name) : room_(room), name_(name) {}
  ~Leaving() { room_.leave(name_); }
  Leaving(const Leaving&) = delete;
  Leaving& operator=(const Leaving&) = delete;

 private:
  Room& room_;
  const std::string& name_;
};

// What the room says goes to the member, in a task of its own. When the member has left, or does
// not listen, there is nobody to be read from, either: closing the stream ends the other task's
// wait.
void write_to(weft::Stream& stream, Outbox& outbox) {
  try {
    for (const std::string& line : outbox) {
      weft::timeout(5s, [&] { stream.write_all(line); });
    }
  } catch (const std::exception&) {
    // It has broken off, or taken nothing for too long.
  }
  stream.close();
}

// One member, from the beginning to the end, over whatever kind of stream.
void be_member(Room& room, weft::Stream& stream) {
  stream.write_all("your name?\n");
  const auto name = stream.read_line(100);
  if (!name || name->empty()) return;
  const std::shared_ptr<Outbox> outbox = room.enter(*name);
  if (outbox == nullptr) return stream.write_all("that name is taken\n");
  weft::task_group([&](weft::TaskGroup& group) {
    const Leaving leaving(room, *name);  // however it comes about
    stream.write_all("welcome\n");
    group.spawn([&] { write_to(stream, *outbox); });
    try {
      for (const std::string& line : weft::lines(stream, 1000)) room.say(*name, line);
    } catch (const std::system_error&) {
      // It has broken off, which is one way to leave.
    }
  });
}

template <class Listener>
void serve_room(Listener& listener) {
  Room room;
  weft::serve(listener, [&room](weft::Stream& stream) { be_member(room, stream); });
}

// A member of the demo: says a line, hears a line.
class Visitor {
 public:
  Visitor(const std::string& path, const std::string& name)
      : name_(name), stream_(weft::UnixStream::connect(path)) {
    stream_.read_line();
    stream_.write_all(name + '\n');
    hear();
  }
  void say(const std::string& what) { stream_.write_all(what + '\n'); }
  void hear() {
    std::printf("%s hears: %s\n", name_.c_str(), stream_.read_line().value_or("(end)").c_str());
  }
  void leave() { stream_.shutdown(); }

 private:
  const std::string name_;
  weft::UnixStream stream_;
};

void demo() {
  // A name in the kernel's abstract space: no file to be removed.
  const std::string path = "@weft_chat_demo_" + std::to_string(::getpid());
  weft::UnixListener listener = weft::UnixListener::bind(path);
  weft::Task<void> server = weft::spawn([&listener] { serve_room(listener); });

  Visitor anna(path, "anna"), ben(path, "ben");
  anna.hear();
  anna.say("hello, ben");
  ben.hear();
  Visitor clone(path, "ben");  // not taken in
  Visitor carl(path, "carl");
  anna.hear();
  ben.hear();
  carl.say("hello, you two");
  anna.hear();
  ben.hear();
  ben.leave();
  ben.hear();
  anna.hear();
  carl.hear();

  listener.close();
  anna.leave();
  carl.leave();
  server.get();
  std::puts("the room is empty");
}

void run_unix_server(std::string_view path) {
  // A file that an earlier server has left behind is in nobody's way.
  weft::UnixListener listener = weft::UnixListener::bind(path, {.replace_stale = true});
  std::printf("listening on %s, Ctrl-C ends\n", listener.path().c_str());
  serve_room(listener);
}

void run_tcp_server(std::uint16_t port) {
  weft::TcpListener listener = weft::TcpListener::bind("", port);
  std::printf("listening on port %u, Ctrl-C ends\n", unsigned{listener.local_port()});
  serve_room(listener);
}

int main(int argc, char** argv) {
  const std::string_view kind = argc > 1 ? argv[1] : "";
  const std::string_view where = argc > 2 ? argv[2] : "7008";
  const bool is_unix = kind == "unix" && argc == 3;
  const auto port = parse_number<std::uint16_t>(where, 0, 65535);
  if (argc > 1 && !is_unix && (kind != "tcp" || argc > 3 || !port)) {
    std::fprintf(stderr, "usage: %s [tcp [PORT] | unix PATH]\n", argv[0]);
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);  // a line is seen at once, through a pipe too
  try {
    weft::run([&] {
      if (argc == 1) return demo();
      is_unix ? run_unix_server(where) : run_tcp_server(*port);
    });
  } catch (const weft::Cancelled&) {
    std::puts("stopped");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
