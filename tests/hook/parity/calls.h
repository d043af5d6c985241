#pragma once

// One step of a sequence each: makes its choices, makes a call, and prints what came of it.

#include "hook/parity/world.h"

namespace hook_parity {

void read_something(World& world);
void receive_something(World& world);
void receive_messages(World& world);
void write_something(World& world);
void send_something(World& world);
void send_messages(World& world);
void fill_up(World& world);
void transfer_at_offset(World& world);
void copy_file(World& world);

void poll_some(World& world);
void select_some(World& world);
void wait_in_epoll(World& world);

void connect_somewhere(World& world);
void accept_someone(World& world);

void change_flags(World& world);
void duplicate(World& world);
void close_something(World& world);
void shut_down(World& world);
void sleep_a_little(World& world);
void ask_for_names(World& world);
void lock_a_file(World& world);
void fork_a_child(World& world);

}  // namespace hook_parity
