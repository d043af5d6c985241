#pragma once

// What the reactor asks of the kernel, for a model: one number that files have in turn, and an
// edge-triggered epoll instance that watches it. Each call is a step at which others may go first.

#include <cstdint>

namespace model {

/// By a model's constructor: no file, nothing watched. A surprise is that it refuses to watch a
/// file, if it may.
void reset_kernel(bool may_refuse);

/// What socket(2) answers while nobody else has a file.
inline constexpr int kNumber = 7;

/// Makes a file, once the number is free, and returns which one it is. If it has one reader, that
/// one reads in vain no more than once for each event that says it can be read, and once before.
int open_file(bool one_reader = false);
/// Until there is such a file.
void await_file(int file);
/// Something for the file to read.
void arrive(int file, int bytes);
/// From here on the calling thread means this file when it says kNumber.
void expect_file(int file);

/// Until there is something for epoll to report, or until stop_waiting().
std::uint32_t edges_seen();
void wait_for_edge(std::uint32_t seen);
void stop_waiting();

/// Whether close(2) was called, which is a failure the second time.
bool is_closed(int file);

}  // namespace model
