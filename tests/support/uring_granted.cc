// Ends with 0 where the kernel grants an io_uring.

#include <liburing.h>

int main() {
  io_uring ring;
  return io_uring_queue_init(8, &ring, 0) == 0 ? 0 : 1;
}
