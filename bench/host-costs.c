/*
 * What the host charges for what the cost table prices, where the numbers of bench.mjs do not say it already.
 *
 *     gcc -O2 -o host-costs host-costs.c -lpthread && ./host-costs
 *
 * Nanoseconds, the median of ROUNDS rounds, the first round dropped. Each test holds everything still but the thing measured:
 *
 *   syscall    getppid(), the cheapest call that the C library does not answer itself
 *   lock       pthread_mutex_lock and unlock that nobody contends
 *   atomic     one compare-and-swap on a line that this CPU owns
 *   switch     one byte to and fro through two pipes between two processes on one CPU: a switch is half of it, less a
 *              write and a read that do not block
 *   shootdown  mprotect of a resident page while a thread of the same process spins on another CPU, less the same alone
 *   walk       a load from one random line of each page of 1 GiB (small pages) less a load from as many lines that lie together
 *              under huge pages: what a TLB miss adds for all its levels, cache misses of the page table included
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 11

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Runs `one` ROUNDS times and once before; each answers nanoseconds an operation. */
static double median(double (*one)(void)) {
  double seen[ROUNDS];
  one();
  for (int i = 0; i < ROUNDS; i++) seen[i] = one();
  qsort(seen, ROUNDS, sizeof seen[0], ascending);
  return seen[ROUNDS / 2];
}

static void pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof set, &set);
}

static double syscall_ns(void) {
  const int n = 200000;
  double t = now();
  for (int i = 0; i < n; i++) syscall(SYS_getppid);
  return (now() - t) / n;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static double lock_ns(void) {
  const int n = 2000000;
  double t = now();
  for (int i = 0; i < n; i++) {
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
  }
  return (now() - t) / n;
}

static double atomic_ns(void) {
  static uint64_t word;
  const int n = 5000000;
  double t = now();
  for (int i = 0; i < n; i++) __sync_bool_compare_and_swap(&word, i, i + 1);
  return (now() - t) / n;
}

static int to_child[2], to_parent[2];
static double pingpong_ns(void) {
  const int n = 20000;
  char byte = 0;
  double t = now();
  for (int i = 0; i < n; i++) {
    if (write(to_child[1], &byte, 1) != 1 || read(to_parent[0], &byte, 1) != 1) abort();
  }
  return (now() - t) / n / 2;
}
static double pipe_ns(void) {
  const int n = 20000;
  char byte = 0;
  double t = now();
  for (int i = 0; i < n; i++) {
    if (write(to_parent[1], &byte, 1) != 1 || read(to_parent[0], &byte, 1) != 1) abort();
  }
  return (now() - t) / n;
}
static double switch_ns(void) {
  if (pipe(to_child) || pipe(to_parent)) abort();
  pid_t child = fork();
  if (child == 0) {
    char byte;
    close(to_child[1]);
    while (read(to_child[0], &byte, 1) == 1)
      if (write(to_parent[1], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  double through = median(pingpong_ns);
  close(to_child[1]);
  waitpid(child, 0, 0);
  return through - median(pipe_ns);
}

static char *page;
static volatile int spinning;
static void *spin(void *unused) {
  (void)unused;
  pin(1);
  spinning = 1;
  while (spinning) *(volatile char *)(page + 4096);
  return 0;
}
static double mprotect_ns(void) {
  const int n = 20000;
  double t = now();
  for (int i = 0; i < n; i++) {
    mprotect(page, 4096, PROT_READ);
    mprotect(page, 4096, PROT_READ | PROT_WRITE);
    *(volatile char *)page = 1;
  }
  return (now() - t) / n;
}
static double shootdown_ns(void) {
  pthread_t other;
  page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  page[0] = page[4096] = 1;
  double alone = median(mprotect_ns);
  pthread_create(&other, 0, spin, 0);
  while (!spinning) sched_yield();
  double both = median(mprotect_ns);
  spinning = 0;
  pthread_join(other, 0);
  return both - alone; /* one of the two calls of a round takes a permission away */
}

static char *lines;
static uint64_t line_count, line_step;
static double chase_ns(void) {
  const int n = 1000000;
  uint64_t r = 88172645463325252ull, seen = 0;
  double t = now();
  for (int i = 0; i < n; i++) {
    r ^= r << 13, r ^= r >> 7, r ^= r << 17;
    uint64_t at = (r + seen) % line_count; /* waits for the load before it */
    seen = *(volatile unsigned char *)(lines + at * line_step + at * 64 % line_step);
  }
  return (now() - t) / n;
}
static double chase(uint64_t count, uint64_t step, int advice) {
  uint64_t bytes = count * step;
  line_count = count, line_step = step;
  lines = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(lines, bytes, advice);
  for (uint64_t i = 0; i < bytes; i += 4096) lines[i] = 0;
  double ns = median(chase_ns);
  munmap(lines, bytes);
  return ns;
}
static double walk_ns(void) {
  const uint64_t pages = (1ul << 30) / 4096;
  return chase(pages, 4096, MADV_NOHUGEPAGE) - chase(pages, 64, MADV_HUGEPAGE);
}

/* The C library leaves the bus lock out while a process has one thread, so there has to be a second. */
static void *sleeper(void *unused) {
  pause();
  return unused;
}

int main(void) {
  pin(0);
  printf("syscall   %8.1f\n", median(syscall_ns));
  pthread_t other;
  pthread_create(&other, 0, sleeper, 0);
  printf("lock      %8.1f\n", median(lock_ns));
  printf("atomic    %8.1f\n", median(atomic_ns));
  printf("switch    %8.1f\n", switch_ns());
  printf("shootdown %8.1f\n", shootdown_ns());
  printf("walk      %8.1f\n", walk_ns());
  return 0;
}
