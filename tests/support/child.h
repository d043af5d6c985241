#pragma once

// Another program, with a pipe to its standard input and a file for what it says. It is killed when
// its owner goes.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

extern char** environ;

namespace support {

/// Where a program is, "" if it is not installed. Servers are where not every user's PATH leads.
inline std::string find_program(const std::string& name) {
  const char* const path = std::getenv("PATH");
  std::istringstream folders((path != nullptr ? std::string(path) + ':' : "") + "/usr/sbin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string full = folder + '/' + name;
    if (::access(full.c_str(), X_OK) == 0) return full;
  }
  return {};
}

/// By one thread or fiber at a time. Waiting here blocks the thread: fibers use to_thread.
class Child {
 public:
  /// `output` is the file that standard output and error go to.
  Child(std::vector<std::string> command, std::string output) : output_(std::move(output)) {
    std::array<int, 2> input{};
    if (::pipe2(input.data(), O_CLOEXEC) != 0) throw std::runtime_error("support: no pipe");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output_.c_str(),
                                       O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    std::vector<char*> arguments;
    for (std::string& each : command) arguments.push_back(each.data());
    arguments.push_back(nullptr);
    const int error =
        ::posix_spawn(&process_, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(input[0]);
    input_ = input[1];
    if (error != 0) throw std::runtime_error("support: cannot run " + command[0]);
  }
  ~Child() {
    end_input();
    if (process_ < 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Short texts, which fit into a pipe.
  void say(std::string_view text) {
    if (::write(input_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("support: the child does not listen");
    }
  }
  void end_input() {
    if (input_ >= 0) ::close(input_);
    input_ = -1;
  }
  /// What it has said so far.
  std::string said() const {
    std::ifstream file(output_, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  /// Waits until it has said that, and returns all it has said; gives up after a while.
  std::string wait_for(const std::string& text) const {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (;;) {
      const std::string so_far = said();
      if (so_far.find(text) != std::string::npos) return so_far;
      if (std::chrono::steady_clock::now() > end) {
        throw std::runtime_error("support: the child never said '" + text + "' but: " + so_far);
      }
      ::usleep(2000);
    }
  }
  void signal(int number) const { ::kill(process_, number); }
  /// Waits for its end: the exit code, or 128 and the signal.
  int wait() {
    int status = 0;
    ::waitpid(process_, &status, 0);
    process_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  const std::string output_;
  pid_t process_ = -1;
  int input_ = -1;
};

}  // namespace support
