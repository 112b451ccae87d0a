/*
 * The host's own kernel, asked for the same work as ours: the yardstick beside each line of the benchmark.
 *
 * It answers one line for each that it reads, so that whoever drives it can alternate its rounds with its own:
 *
 *     zero-fill 24576        is answered by        1520.3 1.000
 *
 * which is nanoseconds of CPU time a page (the turns of other programs do not count), and page faults a page as getrusage(2) counts
 * them: a figure is good only if that is 1 (0 for fork, unmap and map-unmap). Transparent huge pages are off (MADV_NOHUGEPAGE), or a fault would be for 512 pages.
 *
 *   zero-fill   first store to a page of anonymous memory
 *   soft-anon   first load from one: the shared page of zeros is mapped, nothing is zeroed. The cheapest fault that there is
 *   soft-file   first load from a page of a file that is in memory. Only one page in sixteen is, because the kernel maps up to sixteen
 *               neighbours along with a page (MADV_RANDOM does not stop it)
 *   cow         first store of a child to a page that it shares with its parent since the fork
 *   reuse       first store of the parent to such a page after the child has gone: no copy
 *   fork        the fork itself, divided by the pages that are resident
 *   unmap       munmap of resident memory, a page
 *   map-unmap   mmap and munmap of one page that nobody touches
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL
/* One page of the file in so many is in memory. */
#define SPARSE 16UL

struct answer {
  double ns;
  double faults;
};

static volatile char sink;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static double faults(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static char *anonymous(size_t bytes) {
  char *p = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) die("mmap");
  madvise(p, bytes, MADV_NOHUGEPAGE);
  return p;
}

/* Stores to, or loads from, the first byte of `pages` pages `step` bytes apart. */
static struct answer touch(char *p, size_t pages, size_t step, int store) {
  double before = faults(), t = now();
  for (size_t i = 0; i < pages; i++) {
    if (store) p[i * step] = 1;
    else sink = p[i * step];
  }
  double ns = now() - t;
  return (struct answer){ns / pages, (faults() - before) / pages};
}

static struct answer first_touch(size_t pages, int store) {
  char *p = anonymous(pages * PAGE);
  struct answer a = touch(p, pages, PAGE, store);
  munmap(p, pages * PAGE);
  return a;
}

static int sparse_file(size_t pages) {
  static int file = -1;
  static size_t made;
  char bytes[PAGE];
  if (made == pages) return file;
  if (file >= 0) close(file);
  file = memfd_create("sparse", 0);
  if (file < 0 || ftruncate(file, pages * SPARSE * PAGE) != 0) die("memfd_create");
  memset(bytes, 7, sizeof bytes);
  for (size_t i = 0; i < pages; i++)
    if (pwrite(file, bytes, PAGE, i * SPARSE * PAGE) != (ssize_t)PAGE) die("pwrite");
  made = pages;
  return file;
}

static struct answer soft_file(size_t pages) {
  size_t bytes = pages * SPARSE * PAGE;
  char *p = mmap(0, bytes, PROT_READ, MAP_PRIVATE, sparse_file(pages), 0);
  if (p == MAP_FAILED) die("mmap of a file");
  struct answer a = touch(p, pages, SPARSE * PAGE, 0);
  munmap(p, bytes);
  return a;
}

/* One fork over resident memory: how long it took itself, and what the child's and then the parent's stores took. */
static void life(size_t pages, struct answer *forked, struct answer *child, struct answer *parent) {
  int to_parent[2];
  char *p = anonymous(pages * PAGE);
  touch(p, pages, PAGE, 1);
  if (pipe(to_parent) != 0) die("pipe");
  double t = now();
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    struct answer a = {0, 0};
    if (child != 0) a = touch(p, pages, PAGE, 1);
    _exit(write(to_parent[1], &a, sizeof a) != sizeof a);
  }
  *forked = (struct answer){(now() - t) / pages, 0};
  struct answer a;
  if (read(to_parent[0], &a, sizeof a) != sizeof a) die("read");
  if (child != 0) *child = a;
  waitpid(pid, 0, 0);
  close(to_parent[0]);
  close(to_parent[1]);
  if (parent != 0) *parent = touch(p, pages, PAGE, 1);
  munmap(p, pages * PAGE);
}

static struct answer unmap(size_t pages) {
  char *p = anonymous(pages * PAGE);
  touch(p, pages, PAGE, 1);
  double t = now();
  munmap(p, pages * PAGE);
  return (struct answer){(now() - t) / pages, 0};
}

static struct answer map_unmap(size_t times) {
  double t = now();
  for (size_t i = 0; i < times; i++) {
    char *p = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) die("mmap");
    munmap(p, PAGE);
  }
  return (struct answer){(now() - t) / times, 0};
}

static int ask(const char *name, size_t pages, struct answer *a) {
  struct answer other;
  if (strcmp(name, "zero-fill") == 0) *a = first_touch(pages, 1);
  else if (strcmp(name, "soft-anon") == 0) *a = first_touch(pages, 0);
  else if (strcmp(name, "soft-file") == 0) *a = soft_file(pages);
  else if (strcmp(name, "cow") == 0) life(pages, &other, a, 0);
  else if (strcmp(name, "reuse") == 0) life(pages, &other, 0, a);
  else if (strcmp(name, "fork") == 0) life(pages, a, 0, 0);
  else if (strcmp(name, "unmap") == 0) *a = unmap(pages);
  else if (strcmp(name, "map-unmap") == 0) *a = map_unmap(pages);
  else return 0;
  return 1;
}

int main(void) {
  char name[32];
  size_t pages;
  struct answer a;
  while (scanf("%31s %zu", name, &pages) == 2) {
    if (!ask(name, pages, &a)) {
      fprintf(stderr, "host: nothing is called %s\n", name);
      return 1;
    }
    printf("%.2f %.3f\n", a.ns, a.faults);
    fflush(stdout);
  }
  return 0;
}
