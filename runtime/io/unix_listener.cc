// The file of a Unix socket stays when the socket goes, and nobody can listen on its path again
// before it is removed. Whoever removes it must not remove another's:
//
//  - A listener removes its own while its socket is still open. Until then the file's number cannot
//    be given to another, so that the number tells whether the file is still its own.
//  - One that is left over is known by its refusing connections. So does one that is about to be
//    listened on. So those that replace files do it one after the other: under a lock of the
//    folder. Anybody who may read the folder may hold that lock for as long as they like, so it is
//    waited for only so long, between tries.

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/sleep.h>
#include <weft/to_thread.h>
#include <weft/unix.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "io/adopt.h"
#include "io/io_error.h"
#include "io/listener_state.h"
#include "io/unix_address.h"
#include "reactor/reactor.h"
#include "sched/wait.h"
#include "time/clock.h"

namespace weft {

namespace detail {
namespace {

struct FileId {
  dev_t device;
  ino_t number;
};

// A socket's file; nothing if there is another, or none.
std::optional<FileId> socket_file(const std::string& path) noexcept {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return std::nullopt;
  return FileId{status.st_dev, status.st_ino};
}

// For the lock of a folder. Who replaces a file needs it for some microseconds.
constexpr Nanos kPatience = 1'000'000'000;
constexpr Nanos kShortestPause = 500'000;
constexpr Nanos kLongestPause = 20'000'000;

constexpr int kType = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

// Not inlined, here and below, where a fiber has suspended: compilers keep errno's address across
// calls.
[[gnu::noinline]] bool is_stale(const UnixAddress& address, const std::string& path) noexcept {
  if (address.is_abstract() || !socket_file(path).has_value()) return false;
  const OwnedFd probe(::socket(AF_UNIX, kType, 0));
  return probe && ::connect(probe.get(), address.data(), address.size) != 0 &&
         errno == ECONNREFUSED;
}

// Whether nobody else holds the folder's lock; then `lock` does, as long as it lives. Where there
// is no such thing, it is done without.
bool lock_folder(const std::string& path, OwnedFd& lock) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  lock = OwnedFd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return !lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

// 0, or the error of the first call that failed; EAGAIN says that the folder is locked.
[[gnu::noinline]] int listen_at(int fd, const UnixAddress& address, const std::string& path,
                                const UnixListenOptions& options) {
  // A file that is made for the socket takes these over.
  if (!address.is_abstract() && ::fchmod(fd, options.mode & 0777) != 0) return errno;
  OwnedFd lock;
  if (options.replace_stale && !address.is_abstract() && !lock_folder(path, lock)) return EAGAIN;
  int error = ::bind(fd, address.data(), address.size) == 0 ? 0 : errno;
  if (error == EADDRINUSE && options.replace_stale && is_stale(address, path)) {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno;
    error = ::bind(fd, address.data(), address.size) == 0 ? 0 : errno;
  }
  if (error != 0) return error;
  if (::listen(fd, options.backlog) == 0) return 0;
  error = errno;
  if (!address.is_abstract()) ::unlink(path.c_str());  // made here, and of no use
  return error;
}

[[gnu::noinline]] std::string bound_path(int fd) {
  UnixAddress address;
  if (::getsockname(fd, address.data(), &address.size) != 0) {
    throw_io_error(errno, "path of", "descriptor " + std::to_string(fd));
  }
  return address.path();
}

[[gnu::noinline]] int make_socket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, kType, 0);
  if (fd < 0) throw_io_error(errno, "listen on", path);
  return fd;
}

}  // namespace

struct UnixListenerState final : ListenerState {
  UnixListenerState(Descriptor&& owned, std::string where, std::string absolute_path)
      : ListenerState(std::move(owned)),
        path(std::move(where)),
        absolute(std::move(absolute_path)) {}
  ~UnixListenerState() override { remove_file(); }

  std::unique_ptr<StreamState> accept(Acceptor* acceptor) override;
  void close() noexcept override {
    // One at a time: the file goes before the socket does, see above.
    const std::lock_guard lock(closing);
    remove_file();
    descriptor.close();
  }
  std::string name() const override { return path; }

  void remove_file() noexcept {
    const auto own = std::exchange(file, std::nullopt);
    if (!own.has_value()) return;
    const auto there = socket_file(absolute);
    if (there.has_value() && there->device == own->device && there->number == own->number) {
      // One that cannot be removed stays, as after a crash: nobody is there to be told.
      static_cast<void>(::unlink(absolute.c_str()));
    }
  }

  const std::string path;
  const std::string absolute;  // for the end: the program may have changed its folder by then
  std::mutex closing;
  std::optional<FileId> file;  // under closing, once it listens; none if it is another's
};

std::unique_ptr<StreamState> UnixListenerState::accept(Acceptor* acceptor) {
  sockaddr_un peer{};
  socklen_t size = sizeof(peer);
  const IoResult result = next(acceptor, reinterpret_cast<sockaddr*>(&peer), size);
  if (result.error != 0) throw_io_error(result.error, "accept on", path);
  Descriptor taken(static_cast<int>(result.count));
  return std::make_unique<StreamState>(std::move(taken), StreamKind::kUnixSocket,
                                       "client of " + path);
}

}  // namespace detail

using detail::UnixListenerState;

UnixListener::UnixListener() noexcept = default;
UnixListener::UnixListener(std::unique_ptr<UnixListenerState>&& state) noexcept
    : state_(std::move(state)) {}
UnixListener::UnixListener(UnixListener&& other) noexcept = default;
UnixListener& UnixListener::operator=(UnixListener&& other) noexcept = default;
UnixListener::~UnixListener() = default;

UnixListener UnixListener::bind(std::string_view path, const UnixListenOptions& options) {
  const std::string name(path);
  const bool blocks = options.replace_stale && detail::current_fiber() != nullptr;
  const detail::Nanos end = detail::now() + detail::kPatience;
  for (detail::Nanos pause = detail::kShortestPause;;) {
    auto listener = blocks ? to_thread([name, options] { return bind_now(name, options); })
                           : bind_now(name, options);
    if (listener.has_value()) return std::move(*listener);
    if (detail::now() >= end) {
      detail::throw_io_error(EAGAIN, "listen on", name + " (another holds the lock of its folder)");
    }
    sleep_for(std::chrono::nanoseconds(pause));
    pause = std::min(2 * pause, detail::kLongestPause);
  }
}

std::optional<UnixListener> UnixListener::bind_now(const std::string& path,
                                                   const UnixListenOptions& options) {
  const auto address = detail::UnixAddress::of(path, "listen on");
  std::string absolute = std::filesystem::absolute(path).string();
  const int fd = detail::make_socket(path);
  auto state =
      std::make_unique<UnixListenerState>(detail::Descriptor(fd), path, std::move(absolute));
  const int error = detail::listen_at(fd, address, path, options);
  if (error == EAGAIN) return std::nullopt;
  if (error != 0) detail::throw_io_error(error, "listen on", path);
  if (!address.is_abstract()) state->file = detail::socket_file(path);
  return UnixListener(std::move(state));
}

UnixListener UnixListener::adopt(int fd) {
  detail::Descriptor owned = detail::adopt_socket(fd, detail::SocketRole::kUnixListener);
  return UnixListener(
      std::make_unique<UnixListenerState>(std::move(owned), detail::bound_path(fd), std::string()));
}

UnixStream UnixListener::accept() { return UnixStream(state("accept on").accept()); }

const std::string& UnixListener::path() const {
  if (state_ == nullptr) detail::throw_io_error(EBADF, "path of", "(none)");
  return state_->path;
}

void UnixListener::close() noexcept {
  if (state_ != nullptr) state_->close();
}

bool UnixListener::is_open() const noexcept {
  return state_ != nullptr && state_->descriptor.is_open();
}

int UnixListener::native_handle() const noexcept {
  return is_open() ? state_->descriptor.fd() : -1;
}

detail::ListenerState& UnixListener::state(const char* operation) const {
  if (state_ == nullptr) detail::throw_io_error(EBADF, operation, "(none)");
  return *state_;
}

}  // namespace weft
