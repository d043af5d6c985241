#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

#include <cstdio>

// Two blocking ends of one connection on one thread: without the hooks the first read would be for
// ever.
int main() {
  alarm(20);
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return 1;
  return weft::run({.workers = 1}, [&] {
    auto other = weft::spawn([&] {
      char byte = 0;
      return read(fds[1], &byte, 1) == 1 && write(fds[1], &byte, 1) == 1;
    });
    weft::yield();
    char byte = 'x';
    const bool answered = write(fds[0], &byte, 1) == 1 && read(fds[0], &byte, 1) == 1;
    return answered && other.get() ? 0 : 1;
  });
}
