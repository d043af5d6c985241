#pragma once

#include <sys/wait.h>
#include <weft/process.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "support/eventually.h"

namespace support {

/// Whether this process has no children, dead ones included.
inline bool has_no_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
}
inline bool soon_has_no_children() { return eventually(&has_no_children); }

/// Whether a process runs: neither gone nor a zombie.
inline bool is_alive(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');
  return name_end != std::string::npos && name_end + 2 < line.size() && line[name_end + 2] != 'Z';
}

/// For spawn and run_process: what a shell makes of `script`, with arguments $1 and so on.
inline std::vector<std::string> sh(const std::string& script,
                                   const std::vector<std::string>& arguments = {}) {
  std::vector<std::string> argv = {"sh", "-c", script, "sh"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return argv;
}

/// Starts a script that says so when it is ready for what comes.
inline weft::Process spawn_ready(const std::string& script, bool new_group = false) {
  weft::Process process =
      weft::Process::spawn(sh(script), {.out = weft::Stdio::pipe(), .new_group = new_group});
  process.out().read_until("\n");
  return process;
}

}  // namespace support
