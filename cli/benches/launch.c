/* launch STDIN COMMAND...: runs a command, and prints its wall time in nanoseconds and its peak memory in KiB.
 *
 * What Linux calls the peak memory of a process starts with that of whoever spawned it: spawned by Python, nothing would ever
 * be smaller than Python. So this program is small, and between the two. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

int main(int argc, char **argv) {
    posix_spawn_file_actions_t files;
    struct timespec start, end;
    struct rusage usage;
    pid_t child;
    int status;
    if (argc < 3) return 2;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, argv[1], O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    clock_gettime(CLOCK_MONOTONIC, &start);
    if (posix_spawn(&child, argv[2], &files, NULL, argv + 2, environ) != 0) return 2;
    if (wait4(child, &status, 0, &usage) != child) return 2;
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;
    printf("%lld %ld\n", (end.tv_sec - start.tv_sec) * 1000000000LL + (end.tv_nsec - start.tv_nsec), usage.ru_maxrss);
    return 0;
}
