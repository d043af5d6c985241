// Starting a process. posix_spawn(3), not fork(2): the child of a program with threads may do next
// to nothing until it calls exec, and that little libc has written, with all signals blocked and no
// copy of this program's memory. Whatever fails in the child comes back as the result of the call.

#include "io/process_spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "base/assert.h"

namespace weft::detail {

namespace {

using CStrings = std::vector<char*>;

void check_text(const std::string& text, const char* what) {
  if (text.find('\0') != std::string::npos) {
    throw std::invalid_argument(std::string("weft::Process: a NUL byte in ") + what + " '" +
                                text.c_str() + "'");
  }
}

CStrings pointers_to(std::vector<std::string>& texts) {
  CStrings pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> environment_of(const std::map<std::string, std::string>& variables) {
  std::vector<std::string> lines;
  lines.reserve(variables.size());
  for (const auto& [name, value] : variables) {
    if (name.empty() || name.find('=') != std::string::npos) {
      throw std::invalid_argument("weft::Process: no name of an environment variable: '" + name +
                                  "'");
    }
    check_text(name, "the environment's");
    check_text(value, "the environment's");
    lines.push_back(name);
    lines.back().append("=").append(value);
  }
  return lines;
}

void check(int error) {
  if (error == ENOMEM) throw std::bad_alloc();
  WEFT_ASSERT(error == 0, "the actions and attributes are valid ones");
}

class FileActions {
 public:
  FileActions() { check(::posix_spawn_file_actions_init(&actions_)); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() noexcept { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

class Attributes {
 public:
  explicit Attributes(const ProcessOptions& options) {
    check(::posix_spawnattr_init(&attributes_));
    sigset_t set;
    ::sigemptyset(&set);
    check(::posix_spawnattr_setsigmask(&attributes_, &set));
    // Ignored by many a program for its own sake, and expected by others to end them.
    ::sigaddset(&set, SIGPIPE);
    ::sigaddset(&set, SIGXFSZ);
    check(::posix_spawnattr_setsigdefault(&attributes_, &set));
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (options.new_session) {
      flags |= POSIX_SPAWN_SETSID;
    } else if (options.new_group) {
      flags |= POSIX_SPAWN_SETPGROUP;
      check(::posix_spawnattr_setpgroup(&attributes_, 0));
    }
    check(::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags)));
  }
  ~Attributes() { ::posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const posix_spawnattr_t* get() const noexcept { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

// Those that look at errno are not inlined where a fiber has suspended: compilers keep its address
// across calls. Each returns a descriptor, or a negative errno.

// One above the standard streams' own numbers, so that it is still there when those have been set.
[[gnu::noinline]] int copy_above_stdio(int fd) noexcept {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  return copy >= 0 ? copy : -errno;
}

[[gnu::noinline]] int open_null() noexcept {
  const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  return fd >= 0 ? fd : -errno;
}

[[gnu::noinline]] int open_pipe(int (&ends)[2]) noexcept {
  return ::pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno;
}

[[gnu::noinline]] bool is_directory(const std::string& path) noexcept {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// The three streams of the child: what they are copied from, and this program's ends.
class Streams {
 public:
  Streams(ProcessState& state, const ProcessOptions& options) : state_(state) {
    prepare(STDIN_FILENO, options.in);
    prepare(STDOUT_FILENO, options.out);
    if (options.err.kind() == Stdio::Kind::kOutput) {
      merged_ = true;
    } else {
      prepare(STDERR_FILENO, options.err);
    }
  }

  void add_to(FileActions& actions) const {
    for (int number = STDIN_FILENO; number <= STDERR_FILENO; ++number) {
      const Descriptor& source = sources_[static_cast<std::size_t>(number)];
      if (!source.is_open()) continue;
      check(::posix_spawn_file_actions_adddup2(actions.get(), source.fd(), number));
    }
    if (!merged_) return;
    check(::posix_spawn_file_actions_adddup2(actions.get(), STDOUT_FILENO, STDERR_FILENO));
  }

 private:
  void prepare(int number, Stdio stdio) {
    switch (stdio.kind()) {
      case Stdio::Kind::kInherit:
        return;
      case Stdio::Kind::kNull:
        set_source(number, owned(open_null(), "/dev/null"));
        return;
      case Stdio::Kind::kPipe:
        return make_pipe(number);
      case Stdio::Kind::kDescriptor:
        sources_[static_cast<std::size_t>(number)] =
            owned(stdio.fd() >= 0 ? copy_above_stdio(stdio.fd()) : -EBADF,
                  "descriptor " + std::to_string(stdio.fd()));
        return;
      case Stdio::Kind::kOutput:
        throw std::invalid_argument("weft::Process: only standard error can lead to the output");
    }
  }

  void make_pipe(int number) {
    int ends[2];
    if (const int result = open_pipe(ends)) fail(-result, "a pipe");
    // Both owned before there is anything that may fail.
    Descriptor read_end;
    try {
      read_end = Descriptor(ends[0]);
    } catch (...) {
      ::close(ends[1]);
      throw;
    }
    Descriptor write_end(ends[1]);
    // The child's end blocks, as programs expect; adopt() makes a copy of ours that does not.
    if (number == STDIN_FILENO) {
      state_.in = PipeWriter::adopt(copy_of(write_end));
      set_source(number, std::move(read_end));
      return;
    }
    (number == STDOUT_FILENO ? state_.out : state_.err) = PipeReader::adopt(copy_of(read_end));
    set_source(number, std::move(write_end));
  }

  int copy_of(const Descriptor& end) {
    const int copy = copy_above_stdio(end.fd());
    if (copy < 0) fail(-copy, "a pipe");
    return copy;
  }
  void set_source(int number, Descriptor&& from) {
    Descriptor& source = sources_[static_cast<std::size_t>(number)];
    source = std::move(from);
    if (source.fd() <= STDERR_FILENO) source = owned(copy_above_stdio(source.fd()), "a descriptor");
  }
  Descriptor owned(int result, const std::string& what) {
    if (result < 0) fail(-result, what);
    return Descriptor(result);
  }
  [[noreturn]] void fail(int error, const std::string& what) const {
    throw std::system_error(error, std::system_category(),
                            "start '" + state_.program + "' with " + what);
  }

  ProcessState& state_;
  std::array<Descriptor, 3> sources_;
  bool merged_ = false;
};

// The descriptor of a child that nobody has waited for; none where the system, or a filter of
// system calls, refuses.
[[gnu::noinline]] Descriptor descriptor_of(pid_t pid) noexcept {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return {};
  try {
    return Descriptor(static_cast<int>(fd));
  } catch (const std::exception&) {  // no memory for it
    return {};
  }
}

[[noreturn]] void throw_spawn_error(int error, const ProcessState& state,
                                    const std::string& directory) {
  std::string what = "start '" + state.program + "'";
  if (!directory.empty()) {
    what += is_directory(directory) ? " in '" : ": no working directory '";
    what += directory + "'";
  }
  throw std::system_error(error, std::system_category(), what);
}

}  // namespace

std::unique_ptr<ProcessState> spawn_process(const std::vector<std::string>& argv,
                                            const ProcessOptions& options) {
  if (argv.empty()) throw std::invalid_argument("weft::Process: no program to start");
  for (const std::string& argument : argv) check_text(argument, "the argument");
  check_text(options.directory, "the working directory");
  auto state = std::make_unique<ProcessState>();
  state->program = argv[0];
  state->leads_group = options.new_group || options.new_session;

  std::vector<std::string> arguments = argv;
  std::vector<std::string> variables;
  if (options.environment.has_value()) variables = environment_of(*options.environment);
  const CStrings argument_pointers = pointers_to(arguments);
  const CStrings variable_pointers = pointers_to(variables);

  const Streams streams(*state, options);
  FileActions actions;
  streams.add_to(actions);
  if (!options.directory.empty()) {
    check(::posix_spawn_file_actions_addchdir_np(actions.get(), options.directory.c_str()));
  }
  if (options.close_others) {
    check(::posix_spawn_file_actions_addclosefrom_np(actions.get(), STDERR_FILENO + 1));
  }
  const Attributes attributes(options);
  const int error = ::posix_spawnp(
      &state->child.pid, argv[0].c_str(), actions.get(), attributes.get(), argument_pointers.data(),
      options.environment.has_value() ? variable_pointers.data() : environ);
  if (error != 0) throw_spawn_error(error, *state, options.directory);
  state->child.descriptor = descriptor_of(state->child.pid);
  return state;
}

}  // namespace weft::detail
