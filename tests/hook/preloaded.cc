// Goal: hooks that are preloaded do the same as those that are linked. It links weft alone: two
// fibers of one worker wait for each other in calls of libc.

#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

#include <array>
#include <cstdio>

int main() {
  ::alarm(20);
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) return 1;
  weft::Options options;
  options.workers = 1;
  const char answer = weft::run(options, [&] {
    weft::Task<void> other = weft::spawn([&] {
      char byte = 0;
      if (::read(ends[1], &byte, 1) == 1) ++byte;
      if (::write(ends[1], &byte, 1) != 1) std::puts("no answer");
    });
    ::usleep(1000);
    char byte = 'a';
    if (::write(ends[0], &byte, 1) != 1 || ::read(ends[0], &byte, 1) != 1) byte = '?';
    other.get();
    return byte;
  });
  std::printf("%c\n", answer);
  return answer == 'b' ? 0 : 1;
}
